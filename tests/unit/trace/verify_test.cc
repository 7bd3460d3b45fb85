// What verify remarks on: each kind by hand, and nothing on histories that make sense.
#include "trace/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "history.h"
#include "plain_pages.h"

namespace mmusim::trace {
namespace verify_test {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::TemporaryFile;

constexpr ThreadId kFirst{Pid(1), Tid(1)};
constexpr ThreadId kSecond{Pid(2), Tid(2)};

// A program with text, data and stack, whose first instruction is number 0.
ExecEvent program() {
  return {"/bin/a",
          {},
          {{{VirtAddr(0x1000), VirtAddr(0x3000)}, 5, 2, 0, "/bin/a"},
           {{VirtAddr(0x3000), VirtAddr(0x4000)}, 3, 2, 0x2000, "/bin/a"},
           {{VirtAddr(0x4000), VirtAddr(0x5000)}, 1, 2, 0, "/bin/b"},
           {{VirtAddr(0x7f0000), VirtAddr(0x7f2000)}, 3, 0x122, 0, "[stack]"}},
          VirtAddr(0x10000),
          {}};
}

// Each remark as "key count@first".
template <class Write>
std::vector<std::string> remarks_on(Write write) {
  const TemporaryFile file;
  Writer writer(file.path(), testing::test_header());
  writer.thread(kFirst);
  writer.event(program());
  write(writer);
  writer.finish();
  const VerifyReport report = verify(file.path());
  std::vector<std::string> lines;
  uint64_t count = 0;
  for (const OddityRemark& remark : report.remarks) {
    lines.push_back(fmt::format("{} {}@{}", key_of(remark.oddity), remark.count, remark.first));
    EXPECT_FALSE(remark.example.empty());
    count += remark.count;
  }
  EXPECT_EQ(count, report.remark_count);
  return lines;
}

std::vector<std::string> remarks_on_event(const Event& event) {
  return remarks_on([&](Writer& writer) {
    writer.instruction(VirtAddr(0x1000), 4);
    writer.event(event);
  });
}

TEST(VerifyReferences, AreInAreasThatAllowThem) {
  EXPECT_THAT(remarks_on([](Writer& writer) {
                writer.instruction(VirtAddr(0x1000), 4);
                writer.access(AccessKind::Load, VirtAddr(0x1000), 4);
                writer.access(AccessKind::Store, VirtAddr(0x3ff8), 8);
                writer.access(AccessKind::Load, VirtAddr(0x3ffe), 4);
                writer.access(AccessKind::Modify, VirtAddr(0x7eff00), 8);  // the stack grows
                writer.access(AccessKind::Load, VirtAddr(0x7ef000), 8);
              }),
              IsEmpty());
  EXPECT_THAT(remarks_on([](Writer& writer) {
                writer.instruction(VirtAddr(0x1000), 4);
                writer.access(AccessKind::Load, VirtAddr(0x6000), 4);
                writer.instruction(VirtAddr(0x5ffc), 4);
                writer.access(AccessKind::Load, VirtAddr(0x4ffe), 4);  // over the end
                writer.access(AccessKind::Store, VirtAddr(0x900000), 4);
              }),
              ElementsAre("outside_areas 4@0"));
  EXPECT_THAT(remarks_on([](Writer& writer) {
                writer.instruction(VirtAddr(0x1000), 4);
                writer.access(AccessKind::Store, VirtAddr(0x1000), 4);
                writer.access(AccessKind::Store, VirtAddr(0x3ffe), 4);  // half of it may be
                writer.instruction(VirtAddr(0x3000), 4);
              }),
              ElementsAre("no_right 3@0"));
  // Events change what may be: a page goes, one comes, one gets a right.
  EXPECT_THAT(remarks_on([](Writer& writer) {
                writer.instruction(VirtAddr(0x1000), 4);
                writer.access(AccessKind::Load, VirtAddr(0x4000), 4);
                writer.event(MunmapEvent{VirtAddr(0x4000), 4096, 0});
                writer.instruction(VirtAddr(0x1004), 4);
                writer.access(AccessKind::Load, VirtAddr(0x4000), 4);
                writer.event(MmapEvent{VirtAddr(0), 4096, 1, 0x22, -1, 0, 0x4000, ""});
                writer.instruction(VirtAddr(0x1008), 4);
                writer.access(AccessKind::Load, VirtAddr(0x4000), 4);
                writer.access(AccessKind::Store, VirtAddr(0x4000), 4);
                writer.event(MprotectEvent{VirtAddr(0x4000), 4096, 3, 0});
                writer.instruction(VirtAddr(0x100c), 4);
                writer.access(AccessKind::Store, VirtAddr(0x4000), 4);
              }),
              ElementsAre("outside_areas 1@1", "no_right 1@2"));
}

TEST(VerifyReferences, AreOnlyLookedUpWhereTheImageIsKnown) {
  const TemporaryFile file;
  Writer writer(file.path(), testing::test_header());
  writer.thread(kFirst);
  writer.event(ExecEvent{});
  writer.instruction(VirtAddr(0x1000), 4);
  writer.event(program());
  writer.instruction(VirtAddr(0x1000), 4);
  writer.access(AccessKind::Load, VirtAddr(0x1000), 4);
  writer.finish();
  const VerifyReport report = verify(file.path());
  EXPECT_EQ(report.references_checked, 2u);
  EXPECT_EQ(report.remark_count, 0u);
}

TEST(VerifyResults, ArePlausible) {
  const auto mmap = [](uint64_t hint, uint32_t flags, uint64_t length, int64_t result) {
    return MmapEvent{VirtAddr(hint), length, 3, flags, -1, 0, result, ""};
  };
  EXPECT_THAT(remarks_on_event(mmap(0, 0x22, 4096, 0x100000)), IsEmpty());
  EXPECT_THAT(remarks_on_event(mmap(0, 0x22, 4096, 0x3000)), ElementsAre("mapped_over 1@1"));
  EXPECT_THAT(remarks_on_event(mmap(0x3000, 0x32, 4096, 0x3000)), IsEmpty());
  EXPECT_THAT(remarks_on_event(mmap(0x6000, 0x32, 4096, 0x8000)),
              ElementsAre("mapped_elsewhere 1@1"));
  EXPECT_THAT(remarks_on_event(mmap(0, 0x22, 4096, 0x100010)), ElementsAre("odd_range 1@1"));
  EXPECT_THAT(remarks_on_event(mmap(0, 0x22, 0, 0x100000)), ElementsAre("odd_range 1@1"));
  EXPECT_THAT(remarks_on_event(mmap(0, 0x22, UINT64_MAX - 5000, 0x100000)),
              ElementsAre("odd_range 1@1"));
  EXPECT_THAT(remarks_on_event(mmap(0, 0x22, 4096, -12)), IsEmpty());
  EXPECT_THAT(remarks_on_event(mmap(0, 0x22, 4096, -600)), ElementsAre("odd_result 1@1"));
  EXPECT_THAT(remarks_on_event(MunmapEvent{VirtAddr(0x3000), 4096, 7}),
              ElementsAre("odd_result 1@1"));
  EXPECT_THAT(remarks_on_event(MunmapEvent{VirtAddr(0x3001), 4096, 0}),
              ElementsAre("odd_range 1@1"));
  EXPECT_THAT(remarks_on_event(MunmapEvent{VirtAddr(0x3001), 4096, -22}), IsEmpty());
  EXPECT_THAT(remarks_on_event(MprotectEvent{VirtAddr(0x3000), 1, 1, 0}), IsEmpty());
  EXPECT_THAT(remarks_on_event(MadviseEvent{VirtAddr(0x3000), 4096, 4, -4000}),
              ElementsAre("odd_result 1@1"));
  EXPECT_THAT(remarks_on_event(LockEvent{0, VirtAddr(0x3001), 5, 0, 0}), IsEmpty());
  EXPECT_THAT(remarks_on_event(ProcessMadviseEvent{Pid(1), VirtAddr(0x3000), 4096, 4, 4096}),
              IsEmpty());
  const auto mremap = [](uint64_t from, uint64_t length, uint64_t new_length, int64_t to) {
    return MremapEvent{VirtAddr(from), length, new_length, 1, VirtAddr(0), to};
  };
  EXPECT_THAT(remarks_on_event(mremap(0x4000, 4096, 8192, 0x4000)), IsEmpty());
  EXPECT_THAT(remarks_on_event(mremap(0x3000, 4096, 8192, 0x3000)), ElementsAre("mapped_over 1@1"));
  EXPECT_THAT(remarks_on_event(mremap(0x3000, 4096, 8192, 0x100000)), IsEmpty());
  EXPECT_THAT(remarks_on_event(mremap(0x8000, 4096, 8192, 0x100000)),
              ElementsAre("moved_nothing 1@1"));
  EXPECT_THAT(remarks_on_event(BrkEvent{VirtAddr(0x12000), VirtAddr(0x12000)}), IsEmpty());
  EXPECT_THAT(remarks_on_event(BrkEvent{VirtAddr(0), VirtAddr(0x10000)}), IsEmpty());
  EXPECT_THAT(remarks_on_event(BrkEvent{VirtAddr(0x12000), VirtAddr(0x11000)}),
              ElementsAre("odd_break 1@1"));
  EXPECT_THAT(remarks_on_event(BrkEvent{VirtAddr(0x2000), VirtAddr(0x2000)}),
              ElementsAre("odd_break 1@1"));
  EXPECT_THAT(remarks_on_event(BrkEvent{VirtAddr(0x7f1000), VirtAddr(0x7f1000)}),
              ElementsAre("mapped_over 1@1"));
  const auto image = [](uint64_t begin, uint64_t end) {
    ExecEvent e = program();
    e.image.push_back({{VirtAddr(begin), VirtAddr(end)}, 1, 2, 0, ""});
    return e;
  };
  EXPECT_THAT(remarks_on_event(image(0x8000, 0x9000)), IsEmpty());
  EXPECT_THAT(remarks_on_event(image(0x8000, 0x8000)), ElementsAre("odd_image 1@1"));
  EXPECT_THAT(remarks_on_event(image(0x4000, 0x9000)), ElementsAre("odd_image 1@1"));
  EXPECT_THAT(remarks_on_event(image(0x8000, 0x9001)), ElementsAre("odd_image 1@1"));
}

TEST(VerifyLives, AreFromForkToExit) {
  const ForkEvent fork{kSecond, 17, false};
  const auto run = [](Writer& writer, ThreadId thread) {
    writer.thread(thread);
    writer.instruction(VirtAddr(0x1000), 4);
  };
  EXPECT_THAT(remarks_on([&](Writer& writer) {
                writer.event(fork);
                run(writer, kSecond);
                writer.event(ExitEvent{});
                run(writer, kFirst);
                writer.event(WaitEvent{Pid(2), 0});
                writer.event(fork);  // the number is free again
                run(writer, kSecond);
              }),
              IsEmpty());
  EXPECT_THAT(remarks_on([&](Writer& writer) {
                run(writer, kFirst);
                writer.event(fork);
                writer.event(WaitEvent{Pid(2), 0});
                writer.event(WaitEvent{Pid(3), 0});
              }),
              ElementsAre("never_runs 1@1", "waits_for_stranger 1@1", "waits_too_early 1@1"));
  EXPECT_THAT(remarks_on([&](Writer& writer) {
                run(writer, kFirst);
                run(writer, kSecond);
                run(writer, {Pid(1), Tid(5)});
              }),
              ElementsAre("not_born 2@1"));
  EXPECT_THAT(remarks_on([&](Writer& writer) {
                run(writer, kFirst);
                writer.event(fork);
                run(writer, kSecond);
                run(writer, kFirst);
                writer.event(fork);
                run(writer, kSecond);
                writer.event(ExitEvent{});
                run(writer, kSecond);
              }),
              ElementsAre("after_end 1@4", "born_alive 1@3"));
  // A thread ends its process, and another goes on.
  EXPECT_THAT(remarks_on([&](Writer& writer) {
                writer.event(ForkEvent{{Pid(1), Tid(2)}, 0x50f00, true});
                run(writer, {Pid(1), Tid(2)});
                run(writer, kFirst);
                writer.event(ExitEvent{0, true});
                run(writer, {Pid(1), Tid(2)});
              }),
              ElementsAre("after_end 1@2"));
}

TEST(Verify, HasNothingAgainstWhatMakesSense) {
  const TemporaryFile file;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Writer writer(file.path(), testing::test_header());
    testing::PlainHistory(seed).write(writer, 200);
    writer.finish();
    const VerifyReport report = verify(file.path());
    for (const OddityRemark& remark : report.remarks) {
      // Children may not get their turn, and rights go.
      if (remark.oddity == Oddity::NeverRuns || remark.oddity == Oddity::NoRight) continue;
      ADD_FAILURE() << "seed " << seed << ": " << remark.example;
    }
  }
}

}  // namespace verify_test
}  // namespace mmusim::trace
