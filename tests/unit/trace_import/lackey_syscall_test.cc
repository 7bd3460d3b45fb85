// System call lines taken apart: samples are as Valgrind 3.19 printed them.
#include "trace/import/lackey_syscall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mmusim::trace::lackey {
namespace lackey_syscall_test {

using ::testing::ElementsAre;

TEST(LackeySyscall, Head) {
  const auto head = parse_call_head("SYSCALL[3704,12](257) sys_openat ( 1 )");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->pid, 3704u);
  EXPECT_EQ(head->tid, 12u);
  EXPECT_EQ(head->number, 257u);
  EXPECT_EQ(head->bytes, 22u);
  for (const char* wrong :
       {"SYSCALL[,1](9) x", "SYSCALL[1,](9) x", "SYSCALL[1,1](9)x", "SYSCALL[1,1](-9) x",
        "SYSCALL[4294967296,1](9) x", "SYSCALL[1,1](99999999999999999999) x", "SYSCALL[1,1", ""}) {
    EXPECT_FALSE(parse_call_head(wrong)) << wrong;
  }
}

TEST(LackeySyscall, Results) {
  const struct {
    const char* text;
    Outcome outcome;
    uint64_t value;
    size_t end;
  } cases[] = {
      {"x ( ) --> [pre-success] Success(0x4835000) \n", Outcome::Success, 0x4835000, 43},
      {"x ()[sync] --> Success(0xee3) I  04001000,2\n", Outcome::Success, 0xee3, 30},
      {"... [async] --> Failure(0x2) \n", Outcome::Failure, 2, 29},
      {" --> [pre-success] Success(0x0:0x4000000) \n", Outcome::Success, 0x4000000, 42},
      {"x ( 1 ) --> [async] ... \n", Outcome::Waiting, 0, 24},
      {"sys_rt_sigreturn ( ) --> [pre-success] NoWriteResult \n", Outcome::NoWrite, 0, 53},
      {"x ( 1 )\n", Outcome::None, 0, 0},
      {"x --> [pre-success] Success(0x12", Outcome::None, 0, 0},
      {"x --> [pre-success] Success(0x12345678123456789) ", Outcome::None, 0, 0},
      {"x ( 0x1(a --> b) ) --> [async] ... \n", Outcome::Waiting, 0, 35},
  };
  for (const auto& c : cases) {
    const CallResult result = find_result(c.text);
    EXPECT_EQ(result.outcome, c.outcome) << c.text;
    EXPECT_EQ(result.value, c.value) << c.text;
    EXPECT_EQ(result.end, c.end) << c.text;
  }
}

TEST(LackeySyscall, Arguments) {
  Call call = parse_call("sys_mmap ( 0x0, 16400, 1, 2050, 6, 0 )");
  EXPECT_TRUE(call.complete);
  EXPECT_EQ(call.name, "sys_mmap");
  EXPECT_THAT(call.arguments, ElementsAre(0, 16400, 1, 2050, 6, 0));

  call = parse_call("sys_clone ( 3d0f00, 0x522bf70, 0x522c990, 0x522c990, 0x522c6c0 )");
  EXPECT_THAT(call.arguments, ElementsAre(0x3d0f00, 0x522bf70, 0x522c990, 0x522c990, 0x522c6c0));
  EXPECT_EQ(call.created_child, 0u);

  call = parse_call(
      "sys_clone ( 1200011, 0x0, 0x0, 0x4a29a10, 0x0 )   clone(fork): process 3811 created child "
      "3812\n");
  EXPECT_EQ(call.arguments.at(0), 0x1200011u);
  EXPECT_EQ(call.created_child, 3812u);

  call = parse_call("exit_group( 0 )");
  EXPECT_EQ(call.name, "exit_group");
  EXPECT_THAT(call.arguments, ElementsAre(0));

  call = parse_call("sys_fcntl[ARG3=='arg'] ( 4, 1030, 50 )[sync]");
  EXPECT_EQ(call.name, "sys_fcntl");
  EXPECT_THAT(call.arguments, ElementsAre(4, 1030, 50));

  call = parse_call("sys_getpid ()[sync]");
  EXPECT_TRUE(call.complete);
  EXPECT_TRUE(call.arguments.empty());

  call = parse_call("sys_lseek ( 3, -2, 1 )");
  EXPECT_THAT(call.arguments, ElementsAre(3, ~uint64_t{1}, 1));

  EXPECT_FALSE(parse_call("unimplemented (by the kernel) syscall: 334! (ni_syscall)\n").complete);
  EXPECT_FALSE(parse_call("sys_munmap ( 0x1, 99999999999999999999 )").complete);
  EXPECT_FALSE(parse_call("sys_munmap ( 0x1, ").complete);
  EXPECT_FALSE(parse_call("x ( 1, 2, 3, 4, 5, 6, 7, 8, 9 )").complete);
  EXPECT_FALSE(parse_call("").complete);
}

// A file name may contain whatever separates arguments.
TEST(LackeySyscall, FileNames) {
  for (const char* name : {"/etc/passwd", "", "/tmp/a (b) --> x", "rel,file", "a), 7 )b", "(null)",
                           "/tmp/new\nline", "x ), 0"}) {
    const Call call =
        parse_call(std::string("sys_openat ( 4294967196, 0x10a004(") + name + "), 524288, 0 )");
    EXPECT_TRUE(call.complete) << name;
    EXPECT_EQ(call.path, name);
    EXPECT_THAT(call.arguments, ElementsAre(4294967196, 0x10a004, 524288, 0)) << name;
  }
  const Call call = parse_call("sys_execve ( 0x10a02c(/bin/echo), 0x1fff0004c0, 0x1fff000738 )");
  EXPECT_EQ(call.path, "/bin/echo");
  EXPECT_EQ(call.arguments.size(), 3u);
}

}  // namespace lackey_syscall_test
}  // namespace mmusim::trace::lackey
