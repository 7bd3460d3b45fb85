// Rules of Linux that random scripts found missing, one test each; the numbers are what a real
// kernel (6.18) gave.
#include "kernel/machine.h"

namespace mmusim::kernel::testing {
namespace random_findings_test {

using namespace abi;

constexpr uint64_t kBase = 0x100000000000;
constexpr trace::ThreadId kP1 = thread_of(1);
constexpr uint32_t kRw = kProtRead | kProtWrite;
constexpr uint32_t kFixed = kMapPrivate | kMapAnonymous | kMapFixed;
constexpr uint32_t kMoveTo = kRemapMayMove | kRemapFixed;

class Findings : public ::testing::Test {
 protected:
  void TearDown() override { m.expect_nothing_leaks(); }
  static VirtAddr at(uint64_t page) { return VirtAddr(kBase + page * kPage); }
  int64_t map(uint64_t page, uint64_t pages, uint32_t prot = kRw, uint32_t flags = kFixed) {
    return m.sys().mmap(kP1, at(page), pages * kPage, prot, flags);
  }
  int64_t move(uint64_t page, uint64_t pages, uint64_t new_pages, uint32_t flags, uint64_t to = 0) {
    return m.sys().mremap(kP1, at(page), pages * kPage, new_pages * kPage, flags, at(to));
  }
  size_t areas() { return m.mm(1).vmas.size(); }
  uint64_t anonymous() { return m.mm(1).rss(PageKind::Anonymous); }
  const Vma& area(uint64_t page) { return *m.mm(1).vmas.find(at(page)); }
  Machine m{"[kernel]\nimply = false\n"};
};

// Between two areas with pages of their own, which cannot be one, an area without any that fits
// both becomes part of the lower.
TEST_F(Findings, TheLowerNeighbourComesFirst) {
  map(0, 4);
  map(4, 4, kProtRead);
  map(8, 4);
  ASSERT_EQ(m.store(kP1, at(0).value()), Result::Ok);
  ASSERT_EQ(m.store(kP1, at(8).value()), Result::Ok);
  ASSERT_NE(area(0).anon, area(8).anon);
  EXPECT_EQ(m.sys().mprotect(kP1, at(4), 4 * kPage, kRw), 0);
  EXPECT_EQ(area(4).start, at(0));
  EXPECT_EQ(area(8).start, at(8));
}

// A leaf table goes along whole if what moves reaches its end and all else in it is empty.
TEST_F(Findings, AMoveTakesTheTableAlongWhereItCan) {
  constexpr uint64_t kTable = 512;
  const auto tables = [&] { return m.mm(1).page_table_bytes() / kPage; };
  map(kTable - 1, 1);
  ASSERT_EQ(m.store(kP1, at(kTable - 1).value()), Result::Ok);
  ASSERT_EQ(tables(), 3u);
  EXPECT_GE(move(kTable - 1, 1, 1, kMoveTo | kRemapDontUnmap, 9 * kTable - 1), 0);
  EXPECT_EQ(tables(), 3u) << "the old table is the new one";
  EXPECT_EQ(m.load(kP1, at(9 * kTable - 1).value()), Result::Ok);
  EXPECT_EQ(m.sys().munmap(kP1, at(kTable - 1), kPage), 0);
  // Elsewhere in the table, or beside something: leaf by leaf.
  EXPECT_GE(move(9 * kTable - 1, 1, 1, kMoveTo | kRemapDontUnmap, 20 * kTable - 2), 0);
  EXPECT_EQ(tables(), 4u);
  map(50 * kTable - 1, 1);
  ASSERT_EQ(m.store(kP1, at(50 * kTable - 1).value()), Result::Ok);
  map(60 * kTable - 4, 1);
  EXPECT_EQ(tables(), 5u);
  EXPECT_GE(move(50 * kTable - 1, 1, 1, kMoveTo | kRemapDontUnmap, 60 * kTable - 1), 0);
  EXPECT_EQ(tables(), 6u);
  EXPECT_EQ(anonymous(), 2u);
}

// Rights an area has already change nothing of it, not even what it is charged for.
TEST_F(Findings, ProtectingToTheSameRightsLeavesTheChargeAlone) {
  map(0, 12);
  for (uint64_t page = 0; page < 12; ++page)
    ASSERT_EQ(m.store(kP1, at(page).value()), Result::Ok);
  EXPECT_EQ(m.sys().mprotect(kP1, at(4), 4 * kPage, kProtRead), 0);
  EXPECT_GE(move(0, 12, 12, kMoveTo | kRemapDontUnmap, 100), 0);
  EXPECT_EQ(areas(), 6u);
  // The outer two, without pages now, are no longer charged; the middle one is.
  EXPECT_EQ(m.sys().mprotect(kP1, at(0), 12 * kPage, kProtRead), 0);
  EXPECT_EQ(areas(), 6u);
}

// What is mapped already is looked at before whether such memory can grow.
TEST_F(Findings, APlaceIsFoundBeforeTheKindIsLookedAt) {
  map(0, 1);
  const uint32_t wrong = kMapShared | kMapAnonymous | kMapFixedNoReplace | kMapGrowsDown;
  EXPECT_EQ(map(0, 1, kRw, wrong), -kEEXIST);
  EXPECT_EQ(map(0, 1, kRw, kMapAnonymous | kMapFixedNoReplace), -kEEXIST);
  EXPECT_EQ(map(1, 1, kRw, wrong), -kEINVAL);
  EXPECT_EQ(map(1, 1, kRw, kMapAnonymous | kMapFixedNoReplace), -kEINVAL);
}

TEST_F(Findings, OnlyPrivateAnonymousMemoryGrows) {
  EXPECT_EQ(map(0, 1, kRw, kMapShared | kMapAnonymous | kMapFixed | kMapGrowsDown), -kEINVAL);
  EXPECT_GE(map(0, 1, kRw, kFixed | kMapGrowsDown), 0);
}

TEST_F(Findings, AMoveThatKeepsTheOldAreaUnlocksItAndForgetsItsPages) {
  map(0, 8);
  ASSERT_EQ(m.sys().mlock(kP1, at(0), 8 * kPage), 0);
  EXPECT_GE(move(0, 8, 8, kMoveTo | kRemapDontUnmap, 100), 0);
  EXPECT_FALSE(area(0).has(kVmLocked));
  EXPECT_EQ(area(0).anon, AnonVmaId(0));
  EXPECT_TRUE(area(100).has(kVmLocked));
  // Several areas at once, too.
  map(200, 4);
  map(204, 4, kProtRead);
  EXPECT_GE(move(200, 8, 8, kMoveTo | kRemapDontUnmap, 300), 0);
  EXPECT_EQ(areas(), 6u);
}

TEST_F(Findings, WhatShrinksAndMovesNeedsOneAreaForWhatIsLeftOnly) {
  map(0, 4);
  map(4, 4, kProtRead);
  EXPECT_EQ(move(0, 8, 5, kMoveTo, 100), -kEFAULT);
  EXPECT_EQ(areas(), 2u);  // refused before anything goes
  EXPECT_GE(move(0, 8, 4, kMoveTo, 100), 0);
  EXPECT_EQ(areas(), 1u);
  // Whether the places overlap is looked at before whether anything is there.
  EXPECT_EQ(move(500, 8, 8, kMoveTo, 504), -kEINVAL);
}

TEST_F(Findings, LockedMemoryIsFaultedInWhenItGrowsOrBecomesWritable) {
  map(0, 4);
  ASSERT_EQ(m.sys().mlock(kP1, at(0), 4 * kPage), 0);
  EXPECT_EQ(anonymous(), 4u);
  EXPECT_GE(move(0, 4, 6, 0), 0);
  EXPECT_EQ(anonymous(), 6u);
  map(10, 4, kProtRead);
  ASSERT_EQ(m.sys().mlock(kP1, at(10), 4 * kPage), 0);
  EXPECT_EQ(anonymous(), 6u);
  ASSERT_EQ(m.sys().mprotect(kP1, at(10), 4 * kPage, kRw), 0);
  EXPECT_EQ(anonymous(), 10u);
  EXPECT_EQ(m.sys().madvise(kP1, at(10), 4 * kPage, kAdviceDontNeed), -kEINVAL);
  EXPECT_EQ(m.sys().madvise(kP1, at(10), 4 * kPage, kAdviceDontNeedLocked), 0);
  // At a hole: what lies before it is marked, nothing is faulted in.
  map(20, 1);
  EXPECT_EQ(m.sys().mlock(kP1, at(20), 2 * kPage), -kENOMEM);
  EXPECT_TRUE(area(20).has(kVmLocked));
  EXPECT_EQ(anonymous(), 6u);
  EXPECT_EQ(m.sys().munlock(kP1, at(20), kPage), 0);
  EXPECT_FALSE(area(20).has(kVmLocked));
}

TEST_F(Findings, LockedSharedMemoryShownAgainIsFaultedInAtOnce) {
  map(0, 4, kRw, kMapShared | kMapAnonymous | kMapFixed);
  ASSERT_EQ(m.sys().mlock(kP1, at(0), 4 * kPage), 0);
  EXPECT_GE(move(0, 0, 4, kMoveTo, 100), 0);
  EXPECT_EQ(m.mm(1).rss(PageKind::Shmem), 8u);
}

TEST_F(Findings, AStackHasItsAnonVmaBeforeItGrows) {
  // Two pieces of one area that grow together again stay two: the upper one was not next to the
  // lower one when it got its anon_vma.
  map(0, 8, kRw, kFixed | kMapGrowsDown);
  ASSERT_EQ(m.sys().munmap(kP1, at(3), 3 * kPage), 0);
  EXPECT_EQ(m.access(kP1, at(1), AccessKind::Store), Result::Ok);
  EXPECT_EQ(m.access(kP1, at(3), AccessKind::Store), Result::Ok);
  EXPECT_EQ(area(3).start, at(3));
  EXPECT_NE(area(3).anon, area(1).anon);
}

TEST(KernelWithoutAZeroPage, AReadGetsAPageOfItsOwn) {
  Machine m("[kernel]\nimply = false\nzero_page = false\n");
  m.sys().mmap(kP1, VirtAddr(kBase), 4 * kPage, kRw, kFixed);
  EXPECT_EQ(m.access(kP1, VirtAddr(kBase), AccessKind::Load), Result::Ok);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 1u);
  const uint64_t faults = m.process(1).faults.minor;
  EXPECT_EQ(m.access(kP1, VirtAddr(kBase), AccessKind::Store), Result::Ok);
  EXPECT_EQ(m.process(1).faults.minor, faults);
  m.expect_nothing_leaks();
}

}  // namespace random_findings_test
}  // namespace mmusim::kernel::testing
