// One test per rule of the order in which the logs of several processes become one trace.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lackey_logs.h"

namespace mmusim::trace::lackey {
namespace lackey_processes_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// fork, exec in the child, and the wait; with turns of one instruction.
TEST(LackeyProcesses, ForkExecWait) {
  Options options;
  options.quantum = 1;
  const Imported got = import_many(
      {{"a.7.1", header(7, "sh") + "I  00000001,1\n" + fork_line(7, 8) +
                     "I  00000002,1\nI  00000003,1\n" + wait_lines(7, 8) + "I  00000004,1\n" +
                     exit_group(7, 0)},
       {"a.8.2", header(8, "sh", 7) + kForked +
                     "I  00000011,1\nSYSCALL[8,1](59) sys_execve ( 0x1(/no), 0x2, 0x3 ) --> "
                     "[pre-fail] Failure(0x2) \nI  00000012,1\nSYSCALL[8,1](59) sys_execve ( "
                     "0x10a02c(/bin/echo), 0x1fff0004c0, 0x1fff000738 )"},
       {"a.8.1", header(8, "echo hi\\ there x_y", 7) + "I  00000021,1\n" + exit_group(8, 2)}},
      options);
  EXPECT_THAT(
      got.records,
      ElementsAre("7/7 exec sh [sh]", "7/7 I 1,1", "7/7 fork 8/8 flags 1200011", "8/8 I 11,1",
                  "7/7 I 2,1", "8/8 I 12,1", "8/8 exec /bin/echo [echo|hi there|x_y]", "7/7 I 3,1",
                  "8/8 I 21,1", "8/8 exit 512", "7/7 wait 8 512", "7/7 I 4,1", "7/7 exit 0"));
  EXPECT_THAT(got.result.warnings, IsEmpty());
}

TEST(LackeyProcesses, VforkCallerWaitsForExecOrEnd) {
  const Imported got = import_many(
      {{"a.7.1", header(7, "sh") + vfork_line(7, 8) + "I  00000002,1\n" + vfork_line(7, 9) +
                     "I  00000003,1\n" + exit_group(7, 0)},
       {"a.8.2", header(8, "sh", 7) + kForked +
                     "I  00000011,1\nSYSCALL[8,1](59) sys_execve ( 0x1(/bin/true), 0x2, 0x3 )"},
       {"a.8.1", header(8, "/bin/true", 7) + "I  00000021,1\n" + exit_group(8, 0)},
       {"a.9.2", header(9, "sh", 7) + kForked + "I  00000031,1\n" + exit_group(9, 1)}});
  EXPECT_THAT(got.records, ElementsAre("7/7 exec sh [sh]", "7/7 fork 8/8 flags 4111 shared",
                                       "8/8 I 11,1", "8/8 exec /bin/true [/bin/true]", "8/8 I 21,1",
                                       "8/8 exit 0", "7/7 I 2,1", "7/7 fork 9/9 flags 4111 shared",
                                       "9/9 I 31,1", "9/9 exit 256", "7/7 I 3,1", "7/7 exit 0"));
}

TEST(LackeyProcesses, WaitidTakesTheChildThatEnded) {
  const std::string waitid =
      "SYSCALL[7,1](247) sys_waitid( {}, {}, 0x1fff000570, {}, 0x0 ) --> [async] ... \n"
      "SYSCALL[7,1](247) ... [async] --> Success(0x0) \n";
  const Imported got =
      import_many({{"a.7.1", header(7, "sh") + fork_line(7, 8) + fork_line(7, 9) +
                                 fmt::format(fmt::runtime(waitid), 0, 0, 5) +  // P_ALL, WNOHANG
                                 fmt::format(fmt::runtime(waitid), 1, 9, 0x1000004) +  // WNOWAIT
                                 fmt::format(fmt::runtime(waitid), 1, 9, 4) +
                                 fmt::format(fmt::runtime(waitid), 0, 0, 4) + exit_group(7, 0)},
                   {"a.8.2", header(8, "sh", 7) + kForked + exit_group(8, 1)},
                   {"a.9.2", header(9, "sh", 7) + kForked + exit_group(9, 2)}});
  std::vector<std::string> waits;
  for (const std::string& record : got.records) {
    if (record.find(" wait ") != std::string::npos) waits.push_back(record);
  }
  EXPECT_THAT(waits, ElementsAre("7/7 wait 9 512", "7/7 wait 8 256"));
}

// SIGCHLD comes while the parent waits: the wait's result is never printed. It was done if the
// handler returns behind the call, and begins anew if it returns to it.
TEST(LackeyProcesses, ResultsLostToASignal) {
  const std::string handler =
      "I  0011adc0,6\nSYSCALL[7,1](1) sys_write ( 1, 0x1, 1 ) --> [async] ... \n"
      "SYSCALL[7,1](1) ... [async] --> Success(0x1) \nI  04883057,2\n"
      "SYSCALL[7,1](15) sys_rt_sigreturn ( ) --> [pre-success] NoWriteResult \n";
  const auto wait = [](int pid) {
    return fmt::format(
        "I  0491abd1,2\nSYSCALL[7,1](61) sys_wait4 ( {}, 0x1fff00094c, 0, 0x0 ) --> [async] ... \n",
        pid);
  };
  const Imported got = import_many(
      {{"a.7.1", header(7, "sh") + fork_line(7, 8) + fork_line(7, 9) + wait(-1) + handler +
                     wait(-1) + handler + "I  0491abd3,6\n" + wait(9) + handler +
                     "I  0491abd3,6\n" +
                     "I  0491abd1,2\nSYSCALL[7,1](28) sys_madvise ( 0x1000, 4096, 4 ) --> [async] "
                     "... \n" +
                     handler + "I  0491abd3,6\n" + exit_group(7, 0)},
       {"a.8.2", header(8, "sh", 7) + kForked + "I  00000011,1\n" + exit_group(8, 1)},
       {"a.9.2", header(9, "sh", 7) + kForked + "I  00000021,1\n" + exit_group(9, 2)}});
  const std::vector<std::string> in_handler = {"7/7 I 11adc0,6", "7/7 I 4883057,2"};
  std::vector<std::string> without_handler;
  for (const std::string& record : got.records) {
    if (record != in_handler[0] && record != in_handler[1]) without_handler.push_back(record);
  }
  EXPECT_THAT(
      without_handler,
      ElementsAre("7/7 exec sh [sh]", "7/7 fork 8/8 flags 1200011", "7/7 fork 9/9 flags 1200011",
                  "7/7 I 491abd1,2", "7/7 I 491abd1,2", "8/8 I 11,1", "8/8 exit 256", "9/9 I 21,1",
                  "9/9 exit 512", "7/7 wait 8 256", "7/7 I 491abd3,6", "7/7 I 491abd1,2",
                  "7/7 wait 9 512", "7/7 I 491abd3,6", "7/7 I 491abd1,2",
                  "7/7 madvise 1000 4096 4 = 0", "7/7 I 491abd3,6", "7/7 exit 0"));
  EXPECT_THAT(got.result.warnings, IsEmpty());
}

// An exec after an exec: the recorder moved the earlier logs aside.
TEST(LackeyProcesses, ImagesInOrder) {
  const auto image = [](int n) {
    return header(8, "p" + std::to_string(n), 7) + "I  0000000" + std::to_string(n) + ",1\n";
  };
  const Imported got = import_many({{"a.7.1", header(7, "sh") + fork_line(7, 8) + exit_group(7, 0)},
                                    {"a.8.0-2", header(8, "sh", 7) + kForked + "I  00000009,1\n"},
                                    {"a.8.1-1", image(1)},
                                    {"a.8.2-1", image(2)},
                                    {"a.8.10-1", image(3)},
                                    {"a.8.1", image(4) + exit_group(8, 0)}});
  EXPECT_THAT(got.records, ElementsAre("7/7 exec sh [sh]", "7/7 fork 8/8 flags 1200011",
                                       "7/7 exit 0", "8/8 I 9,1", "8/8 exec p1 [p1]", "8/8 I 1,1",
                                       "8/8 exec p2 [p2]", "8/8 I 2,1", "8/8 exec p3 [p3]",
                                       "8/8 I 3,1", "8/8 exec p4 [p4]", "8/8 I 4,1", "8/8 exit 0"));
}

TEST(LackeyProcesses, ProcessesWithoutLogsAndLogsWithoutProcesses) {
  const Imported got = import_many(
      {{"a.7.1", header(7, "sh") + fork_line(7, 8) + wait_lines(7, 8) + exit_group(7, 0)},
       {"a.9.2", header(9, "sh", 7) + kForked + exit_group(9, 0)}});
  EXPECT_THAT(got.records,
              ElementsAre("7/7 exec sh [sh]", "7/7 fork 8/8 flags 1200011", "8/8 exit 9",
                          "7/7 wait 8 9", "7/7 exit 0", "9/9 exec sh [sh]", "9/9 exit 0"));
  EXPECT_THAT(got.result.warnings,
              ElementsAre(HasSubstr("Process 8 has no log"), HasSubstr("how process 9 began")));
}

// Two that wait for each other: nothing hangs, and the wait that cannot be met leaves no event.
TEST(LackeyProcesses, WaitsThatCannotBeMet) {
  const Imported got = import_many(
      {{"a.7.1", header(7, "sh") + fork_line(7, 8) + wait_lines(7, 8) + exit_group(7, 0)},
       {"a.8.2", header(8, "sh", 7) + kForked + wait_lines(8, 7) + exit_group(8, 0)}});
  EXPECT_THAT(got.records, ElementsAre("7/7 exec sh [sh]", "7/7 fork 8/8 flags 1200011",
                                       "7/7 exit 0", "8/8 wait 7 0", "8/8 exit 0"));
}

}  // namespace lackey_processes_test
}  // namespace mmusim::trace::lackey
