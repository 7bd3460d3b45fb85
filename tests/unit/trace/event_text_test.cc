// Events as text: what was written comes back, and what a hand wrote wrongly is named.
#include "trace/event_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/printable.h"
#include "history.h"
#include "trace/text_fields.h"

namespace mmusim::trace {
namespace event_text_test {

using ::testing::HasSubstr;

std::string text_of(const Event& event) {
  fmt::memory_buffer out;
  write_fields(out, event);
  return fmt::to_string(out);
}

// The event that `text` describes, or none and why.
std::optional<Event> event_of(const char* kind, std::string_view text, std::string* problem) {
  std::optional<Event> event = event_named(kind);
  EXPECT_TRUE(event.has_value()) << kind;
  *problem = read_fields(text, *event);
  return problem->empty() ? event : std::nullopt;
}

std::string problem_of(const char* kind, std::string_view text) {
  std::string problem;
  EXPECT_FALSE(event_of(kind, text, &problem).has_value());
  return problem;
}

TEST(EventText, WhatWasWrittenComesBack) {
  for (uint64_t seed = 1; seed <= 4000; ++seed) {
    const Event event = testing::random_event(seed, seed % std::variant_size_v<Event>);
    const std::string text = text_of(event);
    ASSERT_EQ(printable(text), text) << "one line, and harmless";
    std::string problem;
    const auto again = event_of(name_of(event), text, &problem);
    ASSERT_TRUE(again.has_value()) << problem << " in " << text;
    ASSERT_EQ(*again, event) << text;
  }
}

TEST(EventText, HasDefaultsForHands) {
  std::string problem;
  EXPECT_EQ(event_of("mmap", "length=0x3000 result=0x10000000", &problem),
            Event(MmapEvent{VirtAddr(0), 0x3000, 3, 0x22, -1, 0, 0x10000000, ""}));
  EXPECT_EQ(event_of("fork", " child=8 ", &problem), Event(ForkEvent{{Pid(8), Tid(8)}, 17, false}));
  EXPECT_EQ(event_of("exit", "", &problem), Event(ExitEvent{}));
  const auto exec = event_of(
      "exec", R"(image=[0x1000-0x2000 r-x; 0x2000-0x3000 rw- "a;]" ] program="a\x41\"\\n\n")",
      &problem);
  ASSERT_TRUE(exec.has_value()) << problem;
  EXPECT_EQ(std::get<ExecEvent>(*exec),
            (ExecEvent{"aA\"\\n\n",
                       {},
                       {{{VirtAddr(0x1000), VirtAddr(0x2000)}, 5, 2, 0, ""},
                        {{VirtAddr(0x2000), VirtAddr(0x3000)}, 3, 2, 0, "a;]"}},
                       VirtAddr(0),
                       VirtAddr(0)}));
}

TEST(EventText, SaysWhatIsWrong) {
  EXPECT_EQ(event_named("mmapp"), std::nullopt);
  EXPECT_EQ(problem_of("munmap", "start=0x1000"), "length= is missing");
  EXPECT_EQ(problem_of("munmap", "start=0x1000 length=4096 start=0x2000"), "start is given twice");
  EXPECT_THAT(problem_of("munmap", "start=0x1000 length=4096 lenth=1"),
              HasSubstr("lenth= has no meaning here (there are start, length, result)"));
  EXPECT_EQ(problem_of("munmap", "start=1000z length=1"), "start=1000z: not a number");
  EXPECT_EQ(problem_of("munmap", "start=0x10000000000000000 length=1"),
            "start=0x10000000000000000: not a number");
  EXPECT_EQ(problem_of("munmap", "0x1000 4096"), "'0x1000' is not NAME=VALUE");
  EXPECT_EQ(problem_of("wait", "child=4294967296"), "child=4294967296: out of range");
  EXPECT_EQ(problem_of("exit", "status=2147483648"), "status=2147483648: out of range");
  EXPECT_EQ(problem_of("exit", "whole_process=1"), "whole_process=1: neither yes nor no");
  EXPECT_EQ(problem_of("mprotect", "start=0x0 length=1 prot=wr-"), "prot=wr-: no rights (as rw-)");
  EXPECT_EQ(problem_of("marker", "text=a"), "text=a: not a text in double quotes");
  EXPECT_EQ(problem_of("marker", R"(text="a)"), "text does not end");
  EXPECT_EQ(problem_of("marker", R"(text="a\q")"), R"(text="a\q": not a text in double quotes)");
  EXPECT_EQ(problem_of("marker", R"(text="a"b)"), "no blank behind text");
  EXPECT_THAT(problem_of("exec", R"(program="a" image=[0x1000 r-x])"), HasSubstr("its items are"));
  EXPECT_THAT(problem_of("exec", R"(program="a" arguments=["a" b])"), HasSubstr("its items are"));
  EXPECT_EQ(problem_of("exec", R"(program="a" arguments=["]" )"), "arguments does not end");
}

}  // namespace event_text_test
}  // namespace mmusim::trace
