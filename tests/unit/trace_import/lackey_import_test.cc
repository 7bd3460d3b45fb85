// One test per trap of lackey's logs; lackey_processes_test.cc has the order between processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

#include "base/error.h"
#include "import_with.h"
#include "lackey_logs.h"
#include "trace/reader.h"

namespace mmusim::trace::lackey {
namespace lackey_import_test {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(LackeyImport, ReferencesAndTheEnd) {
  const Imported got =
      import_one("I  0401ab70,3\n S 1fff0006c8,8\nI  0401ab73,5\n L 0401b000,16\n M 0401b010,4\n" +
                 exit_group(7, 3) + "==7== \n==7== Counted 1 call to main()\n");
  EXPECT_THAT(got.records, ElementsAre("7/7 exec prog [prog]", "7/7 I 401ab70,3",
                                       "7/7 S 1fff0006c8,8", "7/7 I 401ab73,5", "7/7 L 401b000,16",
                                       "7/7 M 401b010,4", "7/7 exit 768"));
  EXPECT_EQ(got.result.input_records, 6u + 5 + 1 + 2);
  EXPECT_EQ(got.result.skipped_records, 0u);
  EXPECT_THAT(got.result.warnings, IsEmpty());
}

TEST(LackeyImport, MemoryEvents) {
  const Imported got = import_one(
      "SYSCALL[7,1](12) sys_brk ( 0x0 ) --> [pre-success] Success(0x4035000) \n"
      "SYSCALL[7,1](9) sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> [pre-success] "
      "Success(0x4835000) \n"
      "SYSCALL[7,1](10) sys_mprotect ( 0x4835000, 4096, 1 )[sync] --> Success(0x0) \n"
      "SYSCALL[7,1](25) sys_mremap ( 0x4a2c000, 1048576, 16777216, 0x1 ) --> [pre-success] "
      "Success(0x5a2c000) \n"
      "SYSCALL[7,1](25) sys_mremap ( 0x4a2c000, 4096, 4096, 0x3, 0x6a2c000 ) --> [pre-success] "
      "Success(0x6a2c000) \n"
      "SYSCALL[7,1](28) sys_madvise ( 0x4a2c000, 1048576, 4 ) --> [async] ... \n"
      "SYSCALL[7,1](28) ... [async] --> Success(0x0) \n"
      "SYSCALL[7,1](11) sys_munmap ( 0x1, 3 )[sync] --> Failure(0x16) \n"
      "SYSCALL[7,1](9) sys_mmap ( 0x2000, 1, 1, 18, 4294967295, 0 ) --> [pre-fail] Failure(0x9) "
      "\n" +
      exit_group(7, 0));
  EXPECT_THAT(got.records,
              ElementsAre("7/7 exec prog [prog]", "7/7 brk 0 = 4035000",
                          "7/7 mmap 0 8192 prot 3 flags 34 fd -1 at 0 = 4835000",
                          "7/7 mprotect 4835000 4096 prot 1 = 0",
                          "7/7 mremap 4a2c000 1048576 16777216 flags 1 0 = 5a2c000",
                          "7/7 mremap 4a2c000 4096 4096 flags 3 6a2c000 = 6a2c000",
                          "7/7 madvise 4a2c000 1048576 4 = 0", "7/7 munmap 1 3 = -22",
                          "7/7 mmap 2000 1 prot 1 flags 18 fd -1 at 0 = -9", "7/7 exit 0"));
}

// Locks, files that change, what a process says of itself; and what there is no event for.
TEST(LackeyImport, OtherMemoryEvents) {
  const Imported got = import_one(
      "SYSCALL[7,1](257) sys_openat ( 4294967196, 0x10a004(/tmp/f), 66 ) --> [async] ... \n"
      "SYSCALL[7,1](257) ... [async] --> Success(0x3) \n"
      "SYSCALL[7,1](77) sys_ftruncate ( 3, 8192 ) --> [async] ... \n"
      "SYSCALL[7,1](77) ... [async] --> Success(0x0) \n"
      "SYSCALL[7,1](76) sys_truncate ( 0x10a004(/tmp/g), 4096 ) --> [async] ... \n"
      "SYSCALL[7,1](76) ... [async] --> Success(0x0) \n"
      "SYSCALL[7,1](285) sys_fallocate ( 3, 3, 4096, 8192 )[sync] --> Success(0x0) \n"
      "SYSCALL[7,1](26) sys_msync ( 0x4a2c000, 4096, 4 ) --> [async] ... \n"
      "SYSCALL[7,1](26) ... [async] --> Success(0x0) \n"
      "SYSCALL[7,1](149) sys_mlock ( 0x4a2c000, 100 ) --> [async] ... \n"
      "SYSCALL[7,1](149) ... [async] --> Success(0x0) \n"
      "SYSCALL[7,1](150) sys_munlock ( 0x4a2c000, 100 )[sync] --> Success(0x0) \n"
      "SYSCALL[7,1](151) sys_mlockall ( 3 )[sync] --> Success(0x0) \n"
      "SYSCALL[7,1](152) sys_munlockall ( )[sync] --> Success(0x0) \n"
      "SYSCALL[7,1](157) sys_prctl ( 41, 1, 0, 0, 0 )[sync] --> Success(0x0) \n"
      "SYSCALL[7,1](157) sys_prctl ( 15, 4096 )[sync] --> Success(0x0) \n"
      "SYSCALL[7,1](323) sys_userfaultfd ( 0 )[sync] --> Success(0x4) \n"
      "SYSCALL[7,1](30) sys_shmat ( 0, 0x0, 0 )[sync] --> Failure(0x16) \n" +
      exit_group(7, 0));
  EXPECT_THAT(
      got.records,
      ElementsAre("7/7 exec prog [prog]", "7/7 truncate fd 3 8192 = 0 /tmp/f",
                  "7/7 truncate fd -1 4096 = 0 /tmp/g",
                  "7/7 fallocate fd 3 mode 3 4096 8192 = 0 /tmp/f", "7/7 msync 4a2c000 4096 4 = 0",
                  "7/7 mlock 0 4a2c000 100 0 = 0", "7/7 mlock 1 4a2c000 100 0 = 0",
                  "7/7 mlock 2 0 0 3 = 0", "7/7 mlock 3 0 0 0 = 0", "7/7 thp 1 0 = 0",
                  "7/7 other userfaultfd = 4", "7/7 exit 0"));
}

TEST(LackeyImport, FileNamesFollowDescriptors) {
  const std::string map =
      "SYSCALL[7,1](9) sys_mmap ( 0x0, 4096, 1, 2, {}, 0 ) --> [pre-success] "
      "Success(0x5000000) \n";
  const auto mapped = [&](int fd) { return fmt::format(fmt::runtime(map), fd); };
  const Imported got = import_one(
      "SYSCALL[7,1](257) sys_openat ( 4294967196, 0x10a004(/etc/a (b) --> x), 0 ) --> [async] ... "
      "\n"
      "SYSCALL[7,1](257) ... [async] --> Success(0x4) \n"
      "SYSCALL[7,1](32) sys_dup ( 4 )[sync] --> Success(0x5) \n"
      "SYSCALL[7,1](72) sys_fcntl[ARG3=='arg'] ( 4, 1030, 50 )[sync] --> Success(0x32) \n"
      "SYSCALL[7,1](33) sys_dup2 ( 4, 77 )[sync] --> Success(0x4d) \n"
      "SYSCALL[7,1](3) sys_close ( 4 )[sync] --> Success(0x0) \n"
      "SYSCALL[7,1](257) sys_openat ( 4294967196, 0x10a01e(/tmp/new\nline), 65536 ) --> [async] "
      "... "
      "\nSYSCALL[7,1](257) ... [async] --> Success(0x6) \n"
      "SYSCALL[7,1](257) sys_openat ( 6, 0x10a01e(in), 0 ) --> [async] ... \n"
      "SYSCALL[7,1](257) ... [async] --> Success(0x7) \n"
      "SYSCALL[7,1](2) sys_open ( 0x10a03f(/etc/hosts), 0 ) --> [async] ... \n"
      "SYSCALL[7,1](2) ... [async] --> Failure(0x2) \n" +
      mapped(4) + mapped(5) + mapped(50) + mapped(77) + mapped(7) + exit_group(7, 0));
  const std::string prefix = "7/7 mmap 0 4096 prot 1 flags 2 fd ";
  const std::string suffix = " at 0 = 5000000";
  EXPECT_THAT(got.records, ElementsAre("7/7 exec prog [prog]", prefix + "4" + suffix,
                                       prefix + "5" + suffix + " /etc/a (b) --> x",
                                       prefix + "50" + suffix + " /etc/a (b) --> x",
                                       prefix + "77" + suffix + " /etc/a (b) --> x",
                                       prefix + "7" + suffix + " /tmp/new\nline/in", "7/7 exit 0"));
}

TEST(LackeyImport, CallsThatAreNotImplemented) {
  const Imported got = import_one(
      "SYSCALL[7,1](334) unimplemented (by the kernel) syscall: 334! (ni_syscall)\n"
      " --> [pre-fail] Failure(0x26) \n"
      "SYSCALL[7,1](437) --7-- WARNING: unhandled amd64-linux syscall: 437\n"
      "--7-- You may be able to write your own handler.\n"
      " --> [pre-fail] Failure(0x26) \nI  04001000,1\n" +
      exit_group(7, 0));
  EXPECT_THAT(got.records, ElementsAre("7/7 exec prog [prog]", "7/7 I 4001000,1", "7/7 exit 0"));
}

// A reference or a call behind a result on the same line is another thread's; the newline that was
// missing comes when the first thread goes on.
TEST(LackeyImport, GluedLinesAndThreads) {
  const Imported got = import_one(
      "I  04000000,1\n"
      "SYSCALL[7,1](56) sys_clone ( 3d0f00, 0x522bf70, 0x522c990, 0x522c990, 0x522c6c0 ) --> "
      "[pre-success] Success(0x8) I  0494fb42,3\n"
      " L 0494fc00,8\n"
      "SYSCALL[7,2](273) sys_set_robust_list ( 0x522c9a0, 24 )[sync] --> Success(0x0) \n"
      "I  0494fb45,2\n"
      "SYSCALL[7,2](230) sys_clock_nanosleep( 0, 0, 0x522be80, 0x0 ) --> [async] ... \n"
      "\nI  04000001,1\n"
      "SYSCALL[7,1](56) sys_clone ( 3d0f00, 0x5b21f70, 0x5b22990, 0x5b22990, 0x5b226c0 ) --> "
      "[pre-success] Success(0x9) SYSCALL[7,2](230) ... [async] --> Success(0x0) \n"
      "I  0494fb47,2\n"
      "SYSCALL[7,2](60) exit( 0 ) --> [pre-success] Success(0x0) \n"
      "SYSCALL[7,3](11) sys_munmap ( 0x522d000, 4096 )[sync] --> Success(0x0) \n"
      "I  0494fb49,2\n"
      "\nI  04000002,1\n" +
      exit_group(7, 0));
  EXPECT_THAT(got.records,
              ElementsAre("7/7 exec prog [prog]", "7/7 I 4000000,1",
                          "7/7 fork 7/8 flags 3d0f00 shared", "7/8 I 494fb42,3", "7/8 L 494fc00,8",
                          "7/8 I 494fb45,2", "7/7 I 4000001,1", "7/7 fork 7/9 flags 3d0f00 shared",
                          "7/8 I 494fb47,2", "7/8 exit 0 thread", "7/9 munmap 522d000 4096 = 0",
                          "7/9 I 494fb49,2", "7/7 I 4000002,1", "7/7 exit 0"));
}

// Valgrind uses a thread number again once its thread has ended.
TEST(LackeyImport, ThreadNumbersAreReused) {
  const std::string clone =
      "SYSCALL[7,1](56) sys_clone ( 3d0f00, 0x1, 0x2, 0x3, 0x4 ) --> [pre-success] Success(0x{:x}) "
      "\n";
  const Imported got = import_one(
      fmt::format(fmt::runtime(clone), 8) +
      "SYSCALL[7,2](11) sys_munmap ( 0x1000, 1 )[sync] --> "
      "Success(0x0) \nSYSCALL[7,2](60) exit( 0 ) --> [pre-success] Success(0x0) \n" +
      fmt::format(fmt::runtime(clone), 9) +
      "SYSCALL[7,2](11) sys_munmap ( 0x2000, 1 )[sync] --> Success(0x0) \n" + exit_group(7, 0));
  EXPECT_THAT(got.records, Contains("7/8 munmap 1000 1 = 0"));
  EXPECT_THAT(got.records, Contains("7/9 munmap 2000 1 = 0"));
}

TEST(LackeyImport, TheLastThreadsExitEndsTheProcess) {
  const Imported got =
      import_one("SYSCALL[7,1](60) exit( 5 ) --> [pre-success] Success(0x0) \n==7== \n");
  EXPECT_THAT(got.records, ElementsAre("7/7 exec prog [prog]", "7/7 exit 1280"));
}

TEST(LackeyImport, KilledBySignal) {
  const Imported got = import_one(
      "SYSCALL[7,1](234) sys_tgkill ( 7, 7, 6 ) --> [async] ... \n==7== \n"
      "==7== Process terminating with default action of signal 6 (SIGABRT)\n");
  EXPECT_THAT(got.records, ElementsAre("7/7 exec prog [prog]", "7/7 exit 6"));
  EXPECT_THAT(got.result.warnings, IsEmpty());
}

TEST(LackeyImport, CutOffInTheMiddleOfALine) {
  const Imported got = import_one("I  04000000,1\nI  0400");
  EXPECT_THAT(got.records, ElementsAre("7/7 exec prog [prog]", "7/7 I 4000000,1", "7/7 exit 9"));
  ASSERT_THAT(got.result.warnings, SizeIs(2));
  EXPECT_THAT(got.result.warnings[0], HasSubstr("a.7.1:8: the log ends in the middle of a line"));
  EXPECT_THAT(got.result.warnings[1], HasSubstr("taken to be killed"));
}

TEST(LackeyImport, LongAccessesAreSplit) {
  const Imported got = import_one("I  04000000,1\n S 00001800,9000\n" + exit_group(7, 0));
  EXPECT_THAT(got.records, ElementsAre("7/7 exec prog [prog]", "7/7 I 4000000,1", "7/7 S 1800,4096",
                                       "7/7 S 2800,4096", "7/7 S 3800,808", "7/7 exit 0"));
}

TEST(LackeyImport, GarbageNamesFileAndLine) {
  EXPECT_THAT(error_of("I  04000000,1\nhello\n"), HasSubstr("a.7.1:8: neither a reference"));
  EXPECT_THAT(error_of(" L 04000000,1\n"), HasSubstr("a.7.1:7: a data access without"));
  EXPECT_THAT(error_of("I  04000000,0\n"), HasSubstr("a.7.1:7:"));
  EXPECT_THAT(error_of("I  04000000,33\n"), HasSubstr("a.7.1:7: an instruction of 33 bytes"));
  EXPECT_THAT(error_of("I  10000000000000000,1\n"), HasSubstr("a.7.1:7:"));
  EXPECT_THAT(error_of("I  04000000,1\n S 04000000,18446744073709551617\n"), HasSubstr("a.7.1:8:"));
  EXPECT_THAT(error_of("SYSCALL[8,1](12) sys_brk ( 0x0 ) --> [pre-success] Success(0x1) \n"),
              HasSubstr("a.7.1:7: a system call of another process"));
  EXPECT_THAT(error_of("SYSCALL[7,1](12) ... [async] --> Success(0x1) \n"),
              HasSubstr("a.7.1:7: the result of a system call that was not begun"));
  EXPECT_THAT(error_of("SYSCALL[7,1](9) sys_mmap ( 0x0 ) --> [pre-success] Success(0x1) \n"),
              HasSubstr("a.7.1:7: a system call with too few arguments"));
  EXPECT_THAT(error_of("I  04000000,1\n --> [pre-success] Success(0x0) \n"),
              HasSubstr("a.7.1:8: a result without a call"));
  EXPECT_THAT(error_of(std::string(300'000, 'x') + "\n"), HasSubstr("a.7.1:7: a line longer than"));
  EXPECT_THAT(error_of("SYSCALL[7,1](39) sys_getpid ()[sync] --> Success(0x7) \n"
                       "SYSCALL[7,2](39) sys_getpid ()[sync] --> Success(0x7) \n"),
              HasSubstr("a.7.1:8: a system call of a thread that was never created"));
}

TEST(LackeyImport, GarbageIsSkippedIfAskedFor) {
  Options options;
  options.strict = false;
  const Imported got =
      import_one("I  04000000,1\nhello\n" + std::string(300'000, 'x') +
                     "\nI  04000001,2\n L 00001000,0\n L 00001000,4\n" + exit_group(7, 0),
                 options);
  EXPECT_THAT(got.records, ElementsAre("7/7 exec prog [prog]", "7/7 I 4000000,1", "7/7 I 4000001,2",
                                       "7/7 L 1000,4", "7/7 exit 0"));
  EXPECT_EQ(got.result.skipped_records, 3u);
}

TEST(LackeyImport, FilesThatAreNoLogs) {
  const TemporaryDirectory directory;
  for (const char* content : {"", "hello\n", "==7== Memcheck, a memory error detector\n", "\n",
                              "==7== Lackey", "==0== Lackey, an example Valgrind tool\n"}) {
    const std::string path = directory.write("x.log", content);
    EXPECT_THROW(import({path}), Error) << content;
  }
  EXPECT_THROW(import({directory.path("missing")}), Error);
}

// The whole way: logs to a container and back.
TEST(LackeyImport, WritesAContainer) {
  const TemporaryDirectory directory;
  const std::vector<std::string> logs = {directory.write(
      "a.7.1", header(7, "prog x") + "I  0401ab70,3\n S 1fff0006c8,8\n" + exit_group(7, 0))};
  const ImportResult result = import_with("lackey", logs, directory.path("out.mmt"));
  EXPECT_EQ(result.totals.instructions, 1u);
  EXPECT_EQ(result.totals.stores, 1u);
  EXPECT_EQ(result.totals.events, 2u);
  Reader reader(directory.path("out.mmt"));
  EXPECT_EQ(reader.header().isa, "x86_64");
  EXPECT_EQ(reader.header().program, "prog x");
  EXPECT_EQ(reader.header().recorder, "lackey of Valgrind-3.19.0");
  EXPECT_EQ(reader.totals(), result.totals);
}

TEST(LackeyImport, NothingIsLeftWhenAnImportFails) {
  const TemporaryDirectory directory;
  const std::vector<std::string> logs = {
      directory.write("a.7.1", header(7, "prog") + "I  0401ab70,3\ngarbage\n")};
  EXPECT_THROW(import_with("lackey", logs, directory.path("out.mmt")), Error);
  EXPECT_FALSE(std::filesystem::exists(directory.path("out.mmt")));
}

// Valgrind says something while it prints a call, and does not end its line first.
TEST(LackeyImport, ReadsACallWithAMessageInIt) {
  const std::string call =
      "SYSCALL[7,1](11) sys_munmap ( 0xffffffffffffffff, 2097152 ){}Warning: client syscall munmap "
      "tried to modify addresses 0xffffffffffffffff-0x1ffffe\n --> [pre-fail] Failure(0x16) \n";
  for (const char* mark : {"==7== ", "--7-- ", "**7** "}) {
    const Imported imported = import_one("I  0401ab70,3\n" + fmt::format(fmt::runtime(call), mark) +
                                         "I  0401ab73,3\n" + exit_group(7, 0));
    EXPECT_THAT(imported.records, Contains(HasSubstr("401ab73")).Times(1));
    EXPECT_THAT(imported.result.warnings, IsEmpty());
  }
  // Two lines of it, and one that only looks like it: the file's name.
  const Imported imported = import_one(
      "I  0401ab70,3\n"
      "SYSCALL[7,1](2) sys_open ( 0x1(a==7== b), 0 )==7== Warning: one\n==7== two\n"
      " --> [pre-success] Success(0x3) \n"
      "SYSCALL[7,1](9) sys_mmap ( 0x0, 4096, 1, 2, 3, 0 ) --> [pre-success] Success(0x4a00000) \n"
      "I  0401ab73,3\n" +
      exit_group(7, 0));
  EXPECT_THAT(imported.records, Contains(HasSubstr("mmap")).Times(1));
  EXPECT_THAT(imported.records, Contains(HasSubstr("a==7== b")));
}

// ... or a reference, a result, the start of a line.
TEST(LackeyImport, ReadsAnyLineWithAMessageInIt) {
  const std::string message = "--7-- Warning: one\n==7== two\n";
  const Imported imported =
      import_one("I  0401" + message + "ab70,3\n S 00001000,1" + message + "6\nSYSCALL[7,1](1" +
                 message + "1) sys_munmap ( 0x1000, 4" + message + "096 )[sync] --> Succ" +
                 message + "ess(0x0) \nSYSCALL[7,1](231) exit_group( 3 )\n");
  EXPECT_THAT(imported.records,
              ElementsAre("7/7 exec prog [prog]", "7/7 I 401ab70,3", "7/7 S 1000,16",
                          "7/7 munmap 1000 4096 = 0", "7/7 exit 768"));
  EXPECT_THAT(imported.result.warnings, IsEmpty());
  EXPECT_EQ(imported.result.input_records, 6u + 4 + 10);
  EXPECT_THAT(error_of("I  0401" + message + "I  04010000,1\n"),
              HasSubstr("a.7.1:9: the rest of a line is missing"));
  EXPECT_THAT(error_of("I  04010000,1\n==8== Lackey, an example Valgrind tool\n"),
              HasSubstr("a.7.1:8: the log of another program begins here"));
}

// What an editor or a transfer does to a log.
TEST(LackeyImport, ReadsLinesThatEndInCarriageReturns) {
  std::string log = header(7, "prog");
  for (int i = 0; i < 30000; ++i)  // several buffers long
    log += i % 3 == 0 ? "I  0401ab70,3\n" : i % 3 == 1 ? " S 1fff0006c8,8\n" : " L 1fff0006c8,16\n";
  log += exit_group(7, 0);
  std::string changed = "\xef\xbb\xbf";
  for (const char c : log)
    changed += c == '\n' ? std::string("\r\n") : std::string(1, c);
  const TemporaryDirectory directory;
  const Imported plain = import({directory.write("a.7.1", log)});
  const Imported other = import({directory.write("b.7.1", changed)});
  EXPECT_THAT(plain.records, SizeIs(testing::Ge(30000u)));
  EXPECT_EQ(other.records, plain.records);
  EXPECT_EQ(other.result.input_records, plain.result.input_records);
}

TEST(LackeyLogs, OrderOfNames) {
  EXPECT_EQ(order_of("/t.1.2/a.12.2.zst").sequence, 2u);
  EXPECT_EQ(order_of("a.12.3-1").image, 3u);
  EXPECT_EQ(order_of("a.12").sequence, 0u);
  EXPECT_EQ(order_of("a").sequence, 0u);
  EXPECT_TRUE(order_of("a.12.2").before(order_of("a.12.1")));
  EXPECT_TRUE(order_of("a.12.0-2").before(order_of("a.12.1-1")));
  EXPECT_TRUE(order_of("a.12.9-1").before(order_of("a.12.10-1")));
  EXPECT_FALSE(order_of("a.12.1").before(order_of("a.12.10-1")));
}

}  // namespace lackey_import_test
}  // namespace mmusim::trace::lackey
