// Dinero's traces and perf's samples; and text formats told from each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "small_formats.h"

namespace mmusim::trace {
namespace dinero_perf_test {

using ::testing::HasSubstr;

const std::string kExec = "1/1 exec   program=\"in\" brk=0x0 stack_top=0x0 arguments=[] image=[]\n";

TEST(Dinero, ShortForm) {
  const SmallImport got = import_small("dinero",
                                       "2 401000\n0 7FFE0010 a read\n1 0x1000\n3 0\n4 0\n\n"
                                       "0 103e\n2 401004");
  EXPECT_EQ(got.records, kExec +
                             "1/1 fetch 401000,4\n1/1 load 7ffe0010,4\n1/1 store 1000,4\n"
                             "1/1 load 103e,2\n1/1 fetch 401004,4\n");
  EXPECT_EQ(got.remarked("reads and writes"), 3u);
  EXPECT_EQ(got.remarked("instructions whose sizes"), 2u);
  EXPECT_EQ(got.remarked("flushes"), 2u);
  EXPECT_EQ(import_small("dinero", "0 8\n1 8\n", {{"dinero.access_bytes", "8"}}).records,
            kExec + "1/1 fetch 400000,4\n1/1 load 8,8\n1/1 store 8,8\n");
}

TEST(Dinero, ExtendedForm) {
  const SmallImport got = import_small(
      "dinero", "i 401000 5\nr 7ffe0010 10\nW 0x1000 0x8 comment\nm 1008 1\nc 0 0\nv 0 0\n");
  EXPECT_EQ(got.records, kExec +
                             "1/1 fetch 401000,5\n1/1 load 7ffe0010,16\n1/1 store 1000,8\n"
                             "1/1 load 1008,1\n");
  EXPECT_EQ(got.remarked("flushes"), 2u);
  EXPECT_EQ(got.remarked("reads and writes"), 0u);
}

TEST(Dinero, RefusesWithTheLine) {
  EXPECT_THAT(small_error("dinero", "2 401000\n5 0\n"), HasSubstr("in:2: '5' is no label"));
  EXPECT_THAT(small_error("dinero", "2 401000\nr 0 4\n"), HasSubstr("in:2: a line of the other"));
  EXPECT_THAT(small_error("dinero", "2 40100g\n"), HasSubstr("in:1: '40100g' is no address"));
  EXPECT_THAT(small_error("dinero", "2\n"), HasSubstr("in:1: '' is no address"));
  EXPECT_THAT(small_error("dinero", "r 40\n"), HasSubstr("in:1: a size in hexadecimal"));
  EXPECT_THAT(small_error("dinero", "i 40 21\n"), HasSubstr("in:1: an instruction has 1 to 32"));
  EXPECT_THAT(small_error("dinero", "2 ffffffffffffffff\n"), HasSubstr("in:1: it wraps"));
  EXPECT_THAT(small_error("dinero", "2 10000000000000000\n"), HasSubstr("in:1: "));
  EXPECT_THAT(small_error("dinero", ""), HasSubstr("in: is empty"));
}

// As perf 6.1 printed it, cut down; the mem-loads lines are by perf's source.
constexpr const char* kPerf =
    "# a comment\n"
    "    0/0         0.000000: PERF_RECORD_MMAP -1/0: [0xffffffff81000000(0x1276f48) @ "
    "0xffffffff81000000]: x [kernel.kallsyms]_text\n"
    "    0/0         0.000000: PERF_RECORD_COMM: perf-exec:9663/9663\n"
    " 9663/9663   3629.287378: PERF_RECORD_COMM exec: ls -l:9663/9663\n"
    " 9663/9663   3629.287413: PERF_RECORD_MMAP2 9663/9663: [0x7ffce93dc000(0x21000) @ "
    "0x7ffffffde000 00:00 0 0]: rw-p [stack]\n"
    " 9663/9663   3629.287432: PERF_RECORD_MMAP2 9663/9663: [0x56288b970000(0x16000) @ 0x4000 "
    "fe:00 247728 0]: r-xp /usr/bin/l s\n"
    " 9663/9663   3629.287450: page-faults:     56288b9705c0 ffffffff81775b9a\n"
    " 9663/9663   3629.287770: page-faults:     7fd4b1b34b70     7fd4b1b34b70\n"
    "ls  9663/9663 [001]  3629.28:  1 page-faults:     7fd4b1b4de3e     7fd4b1b357ad\n"
    " 9663/9663   3629.287770: cpu/mem-loads,ldlat=30/P: 1000 2000\n"
    " 9663/9663   3629.287770: mem: 1000  68100142 |OP STORE|LVL L1 hit|SNP None|TLB L1 or L2 hit"
    "|LCK No  2004\n"
    " 9663/9663   3629.287770: cycles: 0 2000\n"
    " 9663/9663   3629.287770: cycles: ffffffff81775b9a 2000\n"
    " 9663/9663   3629.29: PERF_RECORD_FORK(9664:9664):(9663:9663)\n"
    " 9663/9663   3629.29: PERF_RECORD_FORK(9664:9665):(9664:9664)\n"
    " 9664/9665   3629.29: PERF_RECORD_EXIT(9664:9665):(9664:9664)\n"
    " 9664/9664   3629.29: PERF_RECORD_EXIT(9664:9664):(9663:9663)\n";

// As perf 6.1 prints what --buildid-mmap recorded.
TEST(Perf, KeepsBuildIds) {
  const SmallImport got =
      import_small("perf",
                   "7/7 1.1: PERF_RECORD_MMAP2 7/7: [0x5000(0x1000) @ 0x1000 <0f3ab2>]: r-xp /b q\n"
                   "7/7 1.2: page-faults:  5008  5008\n");
  EXPECT_THAT(got.records, HasSubstr("result=0x5000 file=\"/b q\"\n"
                                     "7/7 marker text=\"mapped file build-id:0f3ab2 /b q\"\n"));
}

TEST(Perf, SamplesMappingsAndTasks) {
  const SmallImport got = import_small("perf", kPerf);
  const std::string p = "9663/9663 ";
  EXPECT_EQ(got.records,
            p + "exec   program=\"ls -l\" brk=0x0 stack_top=0x0 arguments=[] image=[]\n" + p +
                "mmap   hint=0x7ffce93dc000 length=135168 prot=rw- flags=0x32 fd=-1 offset=0 "
                "result=0x7ffce93dc000\n" +
                p +
                "mmap   hint=0x56288b970000 length=90112 prot=r-x flags=0x12 fd=3 offset=16384 "
                "result=0x56288b970000 file=\"/usr/bin/l s\"\n" +
                p + "fetch 400000,4\n" + p + "load 56288b9705c0,8\n" + p +
                "fetch 7fd4b1b34b70,4\n" + p + "fetch 7fd4b1b357ad,4\n" + p +
                "load 7fd4b1b4de3e,2\n" + p + "fetch 2000,4\n" + p + "load 1000,8\n" + p +
                "fetch 2004,4\n" + p + "store 1000,8\n" + p +
                "fork   child=9664/9664 clone_flags=0x11 shares_memory=no\n" +
                "9664/9664 fork   child=9664/9665 clone_flags=0x10100 shares_memory=yes\n"
                "9664/9665 exit   status=0 whole_process=no\n"
                "9664/9664 exit   status=0 whole_process=yes\n");
  EXPECT_EQ(got.remarked("samples, of which nobody"), 2u);
  EXPECT_EQ(got.remarked("samples of the kernel's instructions"), 1u);
  EXPECT_EQ(got.remarked("samples without an address"), 1u);
  EXPECT_EQ(got.remarked("samples of the kernel's addresses"), 1u);
  EXPECT_EQ(got.remarked("other records"), 2u);
  ASSERT_EQ(got.result.warnings.size(), 1u);
}

TEST(Perf, RefusesWithTheLine) {
  EXPECT_THAT(small_error("perf", "hello\n"), HasSubstr("in:1: no line of perf script"));
  EXPECT_THAT(small_error("perf", "ls 7 1.5: cycles: 1 2\n"), HasSubstr("in:1: no PID/TID"));
  EXPECT_THAT(small_error("perf", "7/7 1.5: cycles 1 2\n"), HasSubstr("in:1: no event"));
  EXPECT_THAT(small_error("perf", "7/7 1.5: cycles: x\n"), HasSubstr("in:1: a sample without"));
  EXPECT_THAT(small_error("perf", "7/7 1.5: cycles:\n"), HasSubstr("in:1: a sample without"));
  EXPECT_THAT(small_error("perf", "7/7 1.5: PERF_RECORD_MMAP2 7/7: [0x1(0x2\n"),
              HasSubstr("in:1: a mapping that makes no sense"));
  EXPECT_THAT(small_error("perf", "7/7 1.5: PERF_RECORD_FORK(1:1)\n"),
              HasSubstr("in:1: a fork or exit"));
}

TEST(SmallFormats, AreToldFromEachOther) {
  EXPECT_EQ(recognised_as("2 401000\n0 7ffe0010\n"), "dinero ");
  EXPECT_EQ(recognised_as("r 401000 8\n"), "dinero ");
  EXPECT_EQ(recognised_as("1 1 r 0x1000 8\n"), "text ");
  EXPECT_EQ(recognised_as("1 1\n"), "dinero ");
  EXPECT_EQ(recognised_as("# mine\n\ntrace isa=i386\n"), "text ");
  EXPECT_EQ(recognised_as("1 1 exec program=\"a\"\n"), "text ");
  EXPECT_EQ(recognised_as(kPerf), "perf ");
  EXPECT_EQ(recognised_as("==7== Lackey, an example Valgrind tool\n"), "lackey ");
  EXPECT_EQ(recognised_as("\xef\xbb\xbf==7== Lackey, an example Valgrind tool\r\n"), "lackey ");
  EXPECT_EQ(recognised_as("\xef\xbb\xbf"
                          "1 1 r 0x1000 8\r\n"),
            "text ");
  // What would be perf's, if a program had such a name.
  EXPECT_EQ(recognised_as("trace isa=i386 program=\"7/7 1.5: e: 1 2\"\n"), "text ");
  EXPECT_EQ(recognised_as("==7== Lackey, a tool 7/7 1.5: e: 1 2\n"), "lackey ");
  EXPECT_EQ(recognised_as("1 1 7/7 1.5: e: 1 2\n"), "dinero ");
  EXPECT_EQ(recognised_as(""), "");
  EXPECT_EQ(recognised_as("hello\n"), "");
  EXPECT_EQ(recognised_as("traces are here\n"), "");
  EXPECT_EQ(recognised_as(std::string(10000, '1')), "");
}

}  // namespace dinero_perf_test
}  // namespace mmusim::trace
