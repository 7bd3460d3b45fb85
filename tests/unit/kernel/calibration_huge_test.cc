// The same as calibration_test.cc for transparent huge pages, enabled where advised.
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace calibration_huge_test {

TEST(CalibrationHuge, HugePages) {
  Script s;
  s.map_huge(kBase, 8 * kM);
  s.step("4 MiB written", [&] { s.write(kBase, 1024); }, {.faults = 2, .anon = 4096, .tables = 16});
  s.step("RO for one", [&] { s.m.sys().mprotect(kP1, VirtAddr(kBase), k2M, kProtRead); },
         {.areas = 1});
  s.step("RW again, rewritten",
         [&] {
           s.m.sys().mprotect(kP1, VirtAddr(kBase), k2M, kRw);
           s.write(kBase, 512);
         },
         {.areas = -1});
  s.step("RO for half of it", [&] { s.m.sys().mprotect(kP1, VirtAddr(kBase), kM, kProtRead); },
         {.areas = 1});
  s.step("RW again, rewritten",
         [&] {
           s.m.sys().mprotect(kP1, VirtAddr(kBase), kM, kRw);
           s.write(kBase, 512);
         },
         {.areas = -1});
  s.step("munmap 1 page of the other", [&] { s.unmap(kBase + k2M + kPage, kPage); },
         {.anon = -4, .areas = 1});
  s.step("DONTNEED of 1 more", [&] { s.advise(kBase + k2M + 2 * kPage, kPage, kAdviceDontNeed); },
         {.anon = -4});
  EXPECT_EQ(s.m.counters().huge_splits, 2u);
  s.step("munmap all", [&] { s.unmap(kBase, 8 * kM); },
         {.anon = -4088, .tables = -16, .areas = -2});
  s.end();
}

TEST(CalibrationHuge, HugeZeroPage) {
  Script s;
  s.map_huge(kBase, 4 * kM);
  s.step("read 2 MiB", [&] { s.read(kBase, 512); }, {.faults = 1, .tables = 12});
  s.step("read the next 2 MiB", [&] { s.read(kBase + k2M, 512); }, {.faults = 1, .tables = 4});
  s.step("write one page", [&] { s.write(kBase + kPage, 1); }, {.faults = 1, .anon = 2048});
  s.end();
}

TEST(CalibrationHuge, MovingHugePages) {
  Script s;
  const uint64_t aligned = kBase + 64 * kM, odd = kBase + 128 * kM + kPage;
  s.map_huge(kBase, 4 * kM);
  s.write(kBase, 1024);
  const auto move = [&](uint64_t from, uint64_t to, uint64_t bytes) {
    EXPECT_EQ(s.m.sys().mremap(kP1, VirtAddr(from), bytes, bytes, kRemapMayMove | kRemapFixed,
                               VirtAddr(to)),
              static_cast<int64_t>(to));
  };
  s.step("aligned", [&] { move(kBase, aligned, 4 * kM); }, {});
  s.step("rewritten", [&] { s.write(aligned, 1024); }, {});
  EXPECT_EQ(s.m.counters().huge_splits, 0u);
  s.step("not aligned", [&] { move(aligned, odd, 4 * kM); }, {.tables = 4});
  s.step("rewritten", [&] { s.write(odd, 1024); }, {});
  s.step("munmap", [&] { s.unmap(odd, 4 * kM); }, {.anon = -4096, .tables = -20, .areas = -1});
  s.step("4 MiB again, of which 1 page moves out",
         [&] {
           s.map_huge(kBase, 4 * kM);
           s.write(kBase, 1024);
           move(kBase, aligned, kPage);
         },
         {.faults = 2, .anon = 4096, .tables = 20, .areas = 2});
  s.end();
}

TEST(CalibrationHuge, ForkOfHugePages) {
  Script s;
  s.map_huge(kBase, k2M);
  s.write(kBase, 512);
  const Counted copied{.anon = 2048, .tables = 12, .areas = 1};
  s.step(
      "fork", [&] { s.m.sys().fork(kP1, kP2); }, copied, 2);
  s.step(
      "the child reads", [&] { s.read(kBase, 512, kP2); }, {}, 2);
  s.step(
      "the child writes 1", [&] { s.write(kBase, 1, kP2); }, {.faults = 1}, 2);
  s.step(
      "the child writes the rest", [&] { s.write(kBase + kPage, 511, kP2); }, {.faults = 511}, 2);
  s.step("the parent, alone now, writes", [&] { s.write(kBase, 512); }, {.faults = 1});
  s.m.sys().exit(kP2, 0);
  s.m.sys().wait(kP1, Pid(2));

  s.step(
      "fork", [&] { s.m.sys().fork(kP1, kP2); }, copied, 2);
  s.step(
      "the child writes 1", [&] { s.write(kBase, 1, kP2); }, {.faults = 1}, 2);
  s.step("the parent, sharing the others, writes", [&] { s.write(kBase, 512); }, {.faults = 512});
  s.m.sys().exit(kP2, 0);
  s.m.sys().wait(kP1, Pid(2));
  s.unmap(kBase, k2M);

  s.map_huge(kBase, k2M);
  s.write(kBase, 512);
  s.step(
      "fork", [&] { s.m.sys().fork(kP1, kP2); }, copied, 2);
  s.step("the parent unmaps", [&] { s.unmap(kBase, k2M); },
         {.anon = -2048, .tables = -12, .areas = -1});
  s.step(
      "the child writes all", [&] { s.write(kBase, 512, kP2); }, {.faults = 1}, 2);
  s.end();
}

TEST(CalibrationHuge, OnlyWholeHugePagesOfAnAreaAreHuge) {
  Script s;
  s.step("3 MiB from the middle of one",
         [&] {
           s.map_huge(kBase + kM, 3 * kM);
           s.write(kBase + kM, 768);
         },
         {.faults = 257, .anon = 3072, .tables = 16, .areas = 1});
  s.end();
}

TEST(CalibrationHuge, ATableInTheWayKeepsPagesSmall) {
  Script s;
  s.step("one page written before the advice, dropped after it, all written",
         [&] {
           s.map(kBase, 4 * kM);
           s.write(kBase, 1);
           s.advise(kBase, 4 * kM, kAdviceHugePage);
           s.advise(kBase, kPage, kAdviceDontNeed);
           s.write(kBase, 512);
         },
         {.faults = 513, .anon = 2048, .tables = 12, .areas = 1});
  s.step("collapsed", [&] { s.advise(kBase, k2M, kAdviceCollapse); }, {});
  EXPECT_EQ(s.m.counters().huge_collapses, 1u);
  s.end();
}

TEST(CalibrationHuge, Collapse) {
  Script s;
  s.map(kBase, 4 * kM);
  s.step("where nothing was ever written",
         [&] { s.advise(kBase + kM, 2 * kM, kAdviceCollapse, -kEINVAL); }, {});
  s.write(kBase, 100);
  s.step("of 4 MiB, half of it without a table",
         [&] { s.advise(kBase, 4 * kM, kAdviceCollapse, -kEINVAL); }, {.anon = 1648});
  s.step("again", [&] { s.advise(kBase, k2M, kAdviceCollapse); }, {});
  s.step("of no whole huge page", [&] { s.advise(kBase + kM, 2 * kM, kAdviceCollapse); }, {});
  s.step("rewritten", [&] { s.write(kBase, 512); }, {});
  s.step("write 1 in the other half", [&] { s.write(kBase + k2M, 1); },
         {.faults = 1, .anon = 4, .tables = 4});
  s.step("collapse it", [&] { s.advise(kBase + k2M, k2M, kAdviceCollapse); }, {.anon = 2044});
  s.step("munmap", [&] { s.unmap(kBase, 4 * kM); }, {.anon = -4096, .tables = -16, .areas = -1});
  s.step("not where advised against",
         [&] {
           s.map(kBase, 4 * kM);
           s.write(kBase, 1);
           s.advise(kBase, 4 * kM, kAdviceNoHugePage);
           s.advise(kBase, k2M, kAdviceCollapse, -kEINVAL);
         },
         {.faults = 1, .anon = 4, .tables = 12, .areas = 1});
  s.step("nor of nothing",
         [&] {
           s.unmap(kBase, 4 * kM);
           s.advise(kBase, k2M, kAdviceCollapse, -kENOMEM);
         },
         {.anon = -4, .tables = -12, .areas = -1});
  s.end();
}

// A block without a leaf table ends the call; one without the table above it does not.
TEST(CalibrationHuge, CollapseStopsAtAMissingTable) {
  Script s;
  s.map(kBase, kG + 4 * kM);
  s.write(kBase + k2M, 1);
  s.step("behind it", [&] { s.advise(kBase, 4 * kM, kAdviceCollapse, -kEINVAL); }, {});
  s.unmap(kBase, kG + 4 * kM);
  s.map(kBase + kG - k2M, 4 * kM);
  s.write(kBase + kG, 1);
  s.step("behind a missing upper table",
         [&] { s.advise(kBase + kG - k2M, 4 * kM, kAdviceCollapse, -kEINVAL); }, {.anon = 2044});
  s.end();
}

TEST(CalibrationHuge, HugePagesPopulatedAndAdvisedInPart) {
  Script s;
  s.map_huge(kBase, 4 * kM);
  s.step("POPULATE_WRITE", [&] { s.advise(kBase, 4 * kM, kAdvicePopulateWrite); },
         {.faults = 2, .anon = 4096, .tables = 16});
  s.step("DONTFORK for half of one", [&] { s.advise(kBase, kM, kAdviceDontFork); }, {.areas = 1});
  EXPECT_EQ(s.m.counters().huge_splits, 1u);
  s.step("rewritten", [&] { s.write(kBase, 1024); }, {});
  s.end();
}

// A kernel without zero pages, as some virtual machines have: reading is as good as writing.
TEST(CalibrationHuge, WithoutZeroPages) {
  Script s("[kernel]\nzero_page = false\n");
  s.step("read 100 pages",
         [&] {
           s.map(kBase, 4 * kM);
           s.read(kBase, 100);
         },
         {.faults = 100, .anon = 400, .tables = 12, .areas = 1});
  s.step("write them", [&] { s.write(kBase, 100); }, {});
  s.unmap(kBase, 4 * kM);
  s.map_huge(kBase, 4 * kM);
  s.step("read 2 MiB of huge pages", [&] { s.read(kBase, 512); },
         {.faults = 1, .anon = 2048, .tables = 12});
  s.step("write", [&] { s.write(kBase, 512); }, {});
  s.step("read the next", [&] { s.read(kBase + k2M, 512); },
         {.faults = 1, .anon = 2048, .tables = 4});
  s.step("DONTNEED 1 page of it", [&] { s.advise(kBase + k2M, kPage, kAdviceDontNeed); },
         {.anon = -4});
  s.step("write all of it", [&] { s.write(kBase + k2M, 512); }, {.faults = 1, .anon = 4});
  s.end();
}

}  // namespace calibration_huge_test
}  // namespace mmusim::kernel::testing
