// System calls as perf prints them: by numbers (perf script, raw_syscalls) and by names (perf
// trace). Lines are as perf 6.1 printed them for a program that makes each of the calls, cut down.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "small_formats.h"
#include "trace/import/perf_trace_line.h"

namespace mmusim::trace {
namespace perf_calls_test {

using perf::parse_trace_line;
using perf::parse_trace_place;
using perf::parse_trace_result;
using perf::TraceLine;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string exec_of(const std::string& thread, const std::string& program) {
  return fmt::format("{} exec   program=\"{}\" brk=0x0 stack_top=0x0 arguments=[] image=[]\n",
                     thread, program);
}

TEST(PerfTraceLine, IsTakenApart) {
  const auto parts = [](std::string_view text) {
    const auto line = parse_trace_line(text);
    if (!line) return std::string("none");
    return fmt::format("{} [{}] {} {} ({}) = [{}]", static_cast<int>(line->kind), line->command,
                       line->tid, line->name, line->arguments, line->result);
  };
  EXPECT_EQ(parts("     0.068 ( 0.020 ms): ls/10529 brk()        = 0x55b747a90000"),
            "0 [ls] 10529 brk () = [0x55b747a90000]");
  EXPECT_EQ(parts("1081409.392 ( 0.023 ms): brk(brk: 0x56)  = -1 ENOMEM (Cannot allocate memory)"),
            "0 [] 0 brk (brk: 0x56) = [-1 ENOMEM (Cannot allocate memory)]");
  EXPECT_EQ(parts("     4.048 (         ): 10976 futex(op: WAIT, val: 1)              ..."),
            "1 [] 10976 futex (op: WAIT, val: 1) = []");
  EXPECT_EQ(parts("         ? (         ): p/10977  ... [continued]: clone3())       = 0"),
            "2 [p] 10977 clone3 () = [0]");
  // The child's own result, which perf 6.1 does not print; with and without the blank behind it.
  EXPECT_EQ(parts("         ? (         ): p/10979  ... [continued]: clone())         = "),
            "2 [p] 10979 clone () = []");
  EXPECT_EQ(parts("         ? (         ): p/10979  ... [continued]: clone())         ="),
            "2 [p] 10979 clone () = []");
  // A thread may call itself anything.
  EXPECT_EQ(parts("  16.199 ( 0.036 ms): a/7 brk(1) /11882 brk()                  = 0x1000"),
            "0 [a] 7 brk (1) /11882 brk() = [0x1000]");
  EXPECT_EQ(parts("  16.199 ( 0.036 ms): a/7 b /11882 brk()                  = 0x1000"),
            "0 [a/7 b ] 11882 brk () = [0x1000]");
  EXPECT_EQ(parts("  0.9 ( 0.000 ms): p/8 majfault [_start+0x0] => //anon@0x7fb11973e110 (d.)"),
            "3 [p] 8  (//anon@0x7fb11973e110) = []");
  EXPECT_EQ(parts("LOST 14 events!"), "4 [] 0  () = []");
  EXPECT_EQ(parts("  0.9 (         ): sched:sched_switch:prev_comm=p"), "5 [] 0  () = []");
  EXPECT_EQ(parts("  0.9 ( 0.1 ms): p/8 brk( = 0x1000"), "5 [p] 8  () = []");
  EXPECT_EQ(parts("7/7 1.5: cycles: 1 2"), "none");
  EXPECT_EQ(parts(" Summary of events:"), "none");
  EXPECT_EQ(parts("0.1 (1 s): brk() = 0"), "none");
}

TEST(PerfTraceLine, ResultsAndPlaces) {
  EXPECT_EQ(parse_trace_result("0x7f366b42c000"), 0x7f366b42c000);
  EXPECT_EQ(parse_trace_result("10979 (p)"), 10979);
  EXPECT_EQ(parse_trace_result("-1 EEXIST (File exists)"), -17);
  EXPECT_EQ(parse_trace_result("-1 ENOMEM (Cannot allocate memory)"), -12);
  EXPECT_EQ(parse_trace_result("-1 ENOTHING (x)"), std::nullopt);
  EXPECT_EQ(parse_trace_result("-38"), -38);
  EXPECT_EQ(parse_trace_result("?"), 0);
  EXPECT_EQ(parse_trace_result(""), 0);
  EXPECT_EQ(parse_trace_result("x"), std::nullopt);
  EXPECT_EQ(parse_trace_place("0x7ffe44778fc0"), 0x7ffe44778fc0);
  EXPECT_EQ(parse_trace_place("//anon@0x1000"), 0x1000);
  EXPECT_EQ(parse_trace_place("[stack]@0x1000"), 0x1000);
  EXPECT_EQ(parse_trace_place("[heap]@0x1000"), 0x1000);
  EXPECT_EQ(parse_trace_place("/usr/lib/libc.so.6@0x1000"), std::nullopt);
  EXPECT_EQ(parse_trace_place("a0x1000"), std::nullopt);
  EXPECT_EQ(parse_trace_place("0x"), std::nullopt);
}

TEST(PerfTrace, CallsOfMemory) {
  const SmallImport got = import_small(
      "perf",
      "  ? (         ): p/7  ... [continued]: execve())            = 0\n"
      "  0.1 ( 0.1 ms): p/7 brk()                                  = 0x55b747a90000\n"
      "  0.1 ( 0.1 ms): p/7 mmap(len: 8192, prot: READ|WRITE, flags: PRIVATE|ANONYMOUS) = 0x1000\n"
      "  0.1 ( 0.1 ms): p/7 mmap(addr: 0x7000, len: 4096, prot: READ|EXEC, flags: PRIVATE|FIXED|"
      "DENYWRITE, fd: 4</lib/a, b: c>, off: 0x2000) = 0x7000\n"
      "  0.1 ( 0.1 ms): p/7 mmap(len: 1, prot: PROT_READ|PROT_SEM, flags: MAP_SHARED|0x10000000) = "
      "-1 ENOMEM (Cannot allocate memory)\n"
      "  0.1 ( 0.1 ms): p/7 mprotect(start: 0x1000, len: 4096)     = 0\n"
      "  0.1 ( 0.1 ms): p/7 mremap(addr: 0x1000, old_len: 4096, new_len: 8192, flags: "
      "MAYMOVE|FIXED,"
      " new_addr: 0x9000) = 0x9000\n"
      "  0.1 ( 0.1 ms): p/7 madvise(start: 0x9000, len_in: 4096, behavior: MADV_DONTNEED) = 0\n"
      "  0.1 ( 0.1 ms): p/7 madvise(start: 0x9000, len_in: 4096, behavior: )  = 0\n"
      "  0.1 ( 0.1 ms): p/7 madvise(start: 0x9000, len_in: 4096, behavior: ODD)  = -1 EINVAL (x)\n"
      "  0.1 ( 0.1 ms): p/7 mlock(start: 36864, len: 4096)         = 0\n"
      "  0.1 ( 0.1 ms): p/7 ftruncate(fd: 4</f>, length: 65536)    = 0\n"
      "  0.1 ( 0.1 ms): p/7 prctl(option: SET_THP_DISABLE, arg2: 1) = 0\n"
      "  0.1 ( 0.1 ms): p/7 prctl(option: SET_NAME, arg2: 0x559f)  = 0\n"
      "  0.1 ( 0.1 ms): p/7 read(fd: 4, buf: 0x55b747a90500, count: 1024) = 364\n"
      "  0.1 ( 0.1 ms): p/7 shmat()                                = 139925750988800\n"
      "  0.1 (        ): p/7 munmap(addr: 0x9000, len: 4096)  ...\n"
      "  0.0 ( 0.0 ms): p/7 minfault [f+0x1] => //anon@0x103e (d.)\n"
      "  0.0 ( 0.0 ms): p/7 minfault [f+0x1] => /lib/a@0x1038 (d.)\n"
      "  0.1 ( 0.1 ms): p/7  ... [continued]: munmap())            = 0\n"
      "  0.1 ( 0.1 ms): p/7  ... [continued]: munmap())            = 0\n"
      "LOST 3 events!\n"
      "  0.1 (        ): p/7 exit_group(error_code: 3)             = ?\n");
  const std::string p = "7/7 ";
  EXPECT_EQ(got.records,
            exec_of("7/7", "p") + p + "brk    requested=0x0 result=0x55b747a90000\n" + p +
                "mmap   hint=0x0 length=8192 prot=rw- flags=0x22 fd=-1 offset=0 result=0x1000\n" +
                p +
                "mmap   hint=0x7000 length=4096 prot=r-x flags=0x812 fd=4 offset=8192 "
                "result=0x7000 file=\"/lib/a, b: c\"\n" +
                p +
                "mmap   hint=0x0 length=1 prot=r--+0x8 flags=0x10000001 fd=0 offset=0 "
                "result=-12\n" +
                p + "mprotect start=0x1000 length=4096 prot=--- result=0\n" + p +
                "mremap old_start=0x1000 old_length=4096 new_length=8192 flags=0x3 "
                "new_hint=0x9000 result=0x9000\n" +
                p + "madvise start=0x9000 length=4096 advice=4 result=0\n" + p +
                "other  name=\"madvise\" result=0\n" + p +
                "mlock  what=lock start=0x9000 length=4096 flags=0x0 result=0\n" + p +
                "truncate fd=4 length=65536 result=0 file=\"/f\"\n" + p +
                "thp    disable=1 flags=0x0 result=0\n" + p +
                "other  name=\"shmat\" result=139925750988800\n" + p + "fetch 400000,4\n" + p +
                "load 103e,2\n" + p + "munmap start=0x9000 length=4096 result=0\n" + p +
                "other  name=\"munmap\" result=0\n" + p + "exit   status=768 whole_process=yes\n");
  EXPECT_EQ(got.remarked("page faults, of which nobody"), 1u);
  EXPECT_EQ(got.remarked("page faults whose places"), 1u);
  EXPECT_EQ(got.remarked("calls whose arguments"), 1u);
  EXPECT_EQ(got.remarked("names of flags"), 0u);
  EXPECT_EQ(got.remarked("times perf lost"), 1u);
}

TEST(PerfTrace, ThreadsAndProcesses) {
  const SmallImport got = import_small(
      "perf",
      "  0.0 ( 0.0 ms): p/7 minfault [elf_load+0x1] => 0x5000 (?k)\n"
      "  ? (         ): p/7  ... [continued]: execve())            = 0\n"
      // A thread, whose call is the kind that says nothing of it.
      "  0.1 ( 0.1 ms): p/7 clone3(uargs: 0x7fff3e0cd470, size: 88) = 8\n"
      "  ? (         ): p/8  ... [continued]: clone3())            = 0\n"
      "  0.0 ( 0.0 ms): p/8 minfault [clone3+0x2a] => //anon@0x7f78 (d.)\n"
      "  0.1 ( 0.1 ms): p/8 rseq(rseq: 0x7f43012eefe0, rseq_len: 32) = 0\n"
      "  0.1 (        ): p/8 exit()                                = ?\n"
      // A program started by it.
      "  ? (         ): p/9  ... [continued]: clone3())            = 0\n"
      "  0.1 (        ): p/7 clone3(uargs: 0x7fff3e0cd470, size: 88) ...\n"
      "  0.1 ( 0.1 ms): sh/9 execve(filename: \"/bin/sh\", argv: 0x1) = 0\n"
      "  0.1 ( 0.1 ms): p/7  ... [continued]: clone3())            = 9\n"
      "  0.1 (        ): p/7 wait4(upid: -1, stat_addr: 0x7fff)    ...\n"
      "  0.1 (        ): sh/9 exit_group(error_code: 5)            = ?\n"
      "  0.1 ( 0.1 ms): p/7  ... [continued]: wait4())             = 9 (sh)\n"
      // vfork: the child is first, and its first exec fails.
      "  ? (         ): p/10  ... [continued]: vfork())            = 0\n"
      "  0.1 (        ): p/7 vfork()                               ...\n"
      "  0.1 ( 0.1 ms): p/10 execve(filename: 0x474c0015)          = -1 ENOENT (No such file)\n"
      "  0.1 ( 0.1 ms): p/7  ... [continued]: vfork())             = 10\n"
      "  0.1 ( 0.1 ms): p/7 clone(clone_flags: CHILD_CLEARTID|CHILD_SETTID|0x11, child_tidptr: "
      "0x7f4301af0a10) = 11 (p)\n"
      "  ? (         ): p/11  ... [continued]: clone())            = \n"
      // One that only stopped, and one that was killed.
      "  0.1 ( 0.1 ms): p/7 wait4(upid: 10, options: UNTRACED)     = 10 (p)\n"
      "  0.1 ( 0.1 ms): p/7 wait4(upid: -1)                        = 11 (p)\n"
      "  0.1 ( 0.1 ms): p/7 wait4(upid: -1)                        = -1 ECHILD (No child)\n"
      // Of another process, which was there before.
      "  0.1 ( 0.1 ms): q/3 brk(brk: 0x2000)                       = 0x2000\n");
  EXPECT_EQ(got.records, exec_of("7/7", "p") +
                             "7/7 fork   child=7/8 clone_flags=0x10100 shares_memory=yes\n" +
                             "7/8 exit   status=0 whole_process=no\n"
                             "7/7 fork   child=9/9 clone_flags=0x11 shares_memory=no\n" +
                             exec_of("9/9", "/bin/sh") +
                             "9/9 exit   status=1280 whole_process=yes\n"
                             "7/7 wait   child=9 status=1280\n"
                             "7/7 fork   child=10/10 clone_flags=0x4111 shares_memory=yes\n"
                             "7/7 fork   child=11/11 clone_flags=0x1200011 shares_memory=no\n"
                             "11/11 exit   status=9 whole_process=yes\n"
                             "7/7 wait   child=11 status=9\n"
                             "3/3 brk    requested=0x2000 result=0x2000\n");
  EXPECT_EQ(got.remarked("page faults of programs being loaded"), 2u);
  EXPECT_EQ(got.remarked("children of clone3"), 2u);
  EXPECT_EQ(got.remarked("processes that ended without a call"), 1u);
  EXPECT_EQ(got.remarked("children that began before"), 0u);
}

TEST(PerfTrace, RefusesWithTheLine) {
  const std::string good = "  0.1 ( 0.1 ms): p/7 brk() = 0x1000\n";
  EXPECT_THAT(small_error("perf", good + "  0.1 ( 0.1 ms): p/7 brk(x) = 0x1000\n"),
              HasSubstr("in:2: arguments that make no sense"));
  EXPECT_THAT(small_error("perf", good + "  0.1 ( 0.1 ms): p/7 munmap(addr: z) = 0\n"),
              HasSubstr("in:2: arguments that make no sense"));
  EXPECT_THAT(small_error("perf", good + "  0.1 ( 0.1 ms): p/7 brk() = 0x1000z\n"),
              HasSubstr("in:2: a result that makes no sense"));
  EXPECT_THAT(small_error("perf", good + "  0.1 ( 0.1 ms): p/4194305 brk() = 0x1000\n"),
              HasSubstr("in:2: no thread's number"));
  EXPECT_THAT(small_error("perf", good + "hello\n"), HasSubstr("in:2: no line of perf script"));
}

TEST(Perf, WhatHasNoAddressIsSaidOnce) {
  constexpr const char* kNothing =
      "in: nothing in it has an address ('mmusim trace import --help-format perf'";
  EXPECT_THAT(small_error("perf", "\n Summary of events:\n\n p (7), 201 events, 23.7%\n"),
              HasSubstr(kNothing));
  EXPECT_THAT(small_error("perf", "7/7 1.5: cycles: 0 401000\n"), HasSubstr(kNothing));
  EXPECT_THAT(small_error("perf", "# nothing\n"), HasSubstr(kNothing));
  const std::string own("PERFILE2h\0\0\0\n\1\n", 15);
  EXPECT_THAT(small_error("perf", own), HasSubstr("in: is a file of perf's own (print it with"));
  EXPECT_EQ(recognised_as(own), "perf ");
  EXPECT_EQ(recognised_as("\n Summary of events:\n"), "perf ");
  EXPECT_EQ(recognised_as("  ? (         ): p/7  ... [continued]: execve()) = 0\n"), "perf ");
  EXPECT_EQ(recognised_as("     0.068 ( 0.020 ms): brk() = 0x55b747a90000\n"), "perf ");
}

TEST(PerfScript, CallsByNumber) {
  const std::string log =
      "7/7 1.1: PERF_RECORD_COMM exec: p:7/7\n"
      "7/7 1.1: PERF_RECORD_MMAP2 7/7: [0x5000(0x1000) @ 0 fe:00 1 0]: r-xp /bin/p\n"
      "7/7 1.1:  raw_syscalls:sys_exit: NR 59 = 0               0 ffffffff81417e9c\n"
      "7/7 1.2: raw_syscalls:sys_enter: NR 9 (0, 2000, 1, 2, 4, 1000)  0 ffffffff81417d70\n"
      "7/7 1.2: PERF_RECORD_MMAP2 7/7: [0x9000(0x2000) @ 0x1000 fe:00 1 0]: r--p /lib/a b\n"
      "7/7 1.2:  raw_syscalls:sys_exit: NR 9 = 36864  0 ffffffff81417e9c\n"
      "7/7 1.3: raw_syscalls:sys_enter: NR 10 (9000, 1000, 3, 0, 0, 0)  0 ffffffff81417d70\n"
      "7/7 1.3: PERF_RECORD_MMAP2 7/7: [0x9000(0x1000) @ 0x1000 fe:00 1 0]: rw-p /lib/a b\n"
      "7/7 1.3:  raw_syscalls:sys_exit: NR 10 = 0  0 ffffffff81417e9c\n"
      "7/7 1.4: raw_syscalls:sys_enter: NR 11 (9000, 1000, 0, 0, 0, 0)  0 ffffffff81417d70\n"
      "7/7 1.4:  raw_syscalls:sys_exit: NR 11 = -22  0 ffffffff81417e9c\n"
      "7/7 1.4: raw_syscalls:sys_enter: NR 1 (1, 9000, 1, 0, 0, 0)  0 ffffffff81417d70\n"
      "7/7 1.4: PERF_RECORD_MMAP2 7/7: [0x7000(0x1000) @ 0 fe:00 1 0]: rw-p //anon\n"
      "7/7 1.5: raw_syscalls:sys_enter: NR 30 (0, 0, 0, 0, 0, 0)  0 ffffffff81417d70\n"
      "7/7 1.5: PERF_RECORD_MMAP2 7/7: [0xa000(0x1000) @ 0 00:01 0 0]: rw-s /SYSV00000000\n"
      "7/7 1.5:  raw_syscalls:sys_exit: NR 30 = 40960  0 ffffffff81417e9c\n"
      "7/7 1.6: raw_syscalls:sys_enter: NR 58 (0, 0, 0, 0, 0, 0)\n"
      "7/7 1.6: PERF_RECORD_FORK(8:8):(7:7)\n"
      "8/8 1.6:  raw_syscalls:sys_exit: NR 58 = 0\n"
      "8/8 1.6: raw_syscalls:sys_enter: NR 231 (3, e7, 3c, 0, ffffffffffffff80, 0)\n"
      "8/8 1.6: PERF_RECORD_EXIT(8:8):(7:7)\n"
      "7/7 1.6:  raw_syscalls:sys_exit: NR 58 = 8\n"
      "7/7 1.6: raw_syscalls:sys_enter: NR 61 (ffffffff, 7fff, 0, 0, 0, 0)\n"
      "7/7 1.6:  raw_syscalls:sys_exit: NR 61 = 8\n"
      "7/7 1.6: raw_syscalls:sys_enter: NR 56 (3d0f00, 0, 0, 0, 0, 0)\n"
      "7/7 1.6: PERF_RECORD_FORK(7:9):(7:7)\n"
      "7/7 1.6:  raw_syscalls:sys_exit: NR 56 = 9\n"
      "7/7 1.7: raw_syscalls:sys_enter: NR 435 (0, 0, 0, 0, 0, 0)\n"
      "7/7 1.7: PERF_RECORD_FORK(10:10):(7:7)\n"
      "7/9 1.8: page-faults:  9008  5010\n";
  const SmallImport got = import_small("perf", log);
  const std::string p = "7/7 ";
  EXPECT_EQ(got.records,
            exec_of("7/7", "p") + p +
                "mmap   hint=0x5000 length=4096 prot=r-x flags=0x12 fd=3 offset=0 result=0x5000 "
                "file=\"/bin/p\"\n" +
                p +
                "mmap   hint=0x0 length=8192 prot=r-- flags=0x2 fd=4 offset=4096 result=0x9000 "
                "file=\"/lib/a b\"\n" +
                p + "mprotect start=0x9000 length=4096 prot=rw- result=0\n" + p +
                "munmap start=0x9000 length=4096 result=-22\n" + p +
                "mmap   hint=0x7000 length=4096 prot=rw- flags=0x32 fd=-1 offset=0 "
                "result=0x7000\n" +
                p +
                "mmap   hint=0xa000 length=4096 prot=rw- flags=0x11 fd=3 offset=0 result=0xa000 "
                "file=\"/SYSV00000000\"\n" +
                p + "other  name=\"shmat\" result=40960\n" + p +
                "fork   child=8/8 clone_flags=0x4111 shares_memory=yes\n"
                "8/8 exit   status=768 whole_process=yes\n" +
                p + "wait   child=8 status=768\n" + p +
                "fork   child=7/9 clone_flags=0x3d0f00 shares_memory=yes\n" + p +
                "fork   child=10/10 clone_flags=0x11 shares_memory=no\n"
                "7/9 fetch 5010,4\n7/9 load 9008,8\n");
  EXPECT_EQ(got.remarked("mappings that are of calls"), 2u);
  EXPECT_EQ(got.remarked("processes made by clone3"), 1u);
  EXPECT_EQ(import_small("perf",
                         "7/7 1.2: raw_syscalls:sys_enter: NR 214 (5000)\n"
                         "7/7 1.2: raw_syscalls:sys_exit: NR 214 = 20480\n",
                         {{"perf.isa", "aarch64"}})
                .records,
            "7/7 brk    requested=0x5000 result=0x5000\n");
}

TEST(PerfScript, RefusesCallsWithTheLine) {
  const auto refusal = [](const std::string& rest, const Settings& settings = {}) {
    return small_error("perf", "7/7 1.2: raw_syscalls:sys_" + rest + "\n", settings);
  };
  EXPECT_THAT(refusal("enter: 0 ffffffff81417d70"), HasSubstr("in:1: a system call without its"));
  EXPECT_THAT(refusal("enter: NR 9"), HasSubstr("in:1: a system call without its"));
  EXPECT_THAT(refusal("enter: NR 9 (0, x"), HasSubstr("in:1: arguments that make no sense"));
  EXPECT_THAT(refusal("enter: NR 9 (0, 1"), HasSubstr("in:1: arguments that make no sense"));
  EXPECT_THAT(refusal("exit: NR 9 = x"), HasSubstr("in:1: a result that makes no sense"));
  EXPECT_THAT(refusal("enter: NR 9 (0)", {{"perf.isa", "ppc64"}}),
              HasSubstr("in:1: numbers of system calls are known of x86_64"));
}

}  // namespace perf_calls_test
}  // namespace mmusim::trace
