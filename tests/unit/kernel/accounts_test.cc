// What is counted of address spaces and their huge leaves, and the flushes asked for: each part by
// itself, without a kernel around it.
#include "kernel/accounts.h"

#include <gtest/gtest.h>

#include "kernel/flushes.h"
#include "kernel/hardware.h"
#include "kernel/huge_leaves.h"

namespace mmusim::kernel {
namespace accounts_test {

using namespace testing;

AddressSpace space_of(uint32_t id) {
  return {MmId(id), k4K, nullptr};
}

Vma area(uint64_t start, uint64_t pages, uint32_t flags) {
  Vma vma;
  vma.start = VirtAddr(start);
  vma.end = VirtAddr(start + pages * kPage);
  vma.flags = flags;
  return vma;
}

struct Counted {
  mem::FrameMemory frames{1 << 20, k4K};
  pt::TableAllocator tables{frames};
  Counters counters;
  Accounts accounts{tables, counters};
};

TEST(Accounts, ThePeakOfAllKindsIsOfOneTimeNotTheSumOfTheirPeaks) {
  Counted c;
  AddressSpace one = space_of(1);
  AddressSpace other = space_of(2);
  c.accounts.add_rss(one, PageKind::Anonymous, 10);
  c.accounts.add_rss(other, PageKind::Shmem, 1);
  c.accounts.add_rss(one, PageKind::Anonymous, -10);
  c.accounts.add_rss(other, PageKind::File, 8);
  EXPECT_EQ(c.counters.rss_peak[0], 10u);
  EXPECT_EQ(c.counters.rss_peak[1], 8u);
  EXPECT_EQ(c.counters.rss_total_peak, 11u);
  EXPECT_EQ(one.peak(), 10u);
  EXPECT_EQ(other.peak(), 9u);
  EXPECT_EQ(one.resident(), 0u);
}

TEST(Accounts, AreasAreCountedByWhatChangedSinceTheyWereLast) {
  Counted c;
  AddressSpace one = space_of(1);
  AddressSpace other = space_of(2);
  for (const unsigned start : {0x10000u, 0x20000u, 0x30000u})
    one.vmas.insert(area(start, 1, kVmRead));
  other.vmas.insert(area(0x10000, 1, kVmRead));
  c.accounts.note_vmas(one);
  c.accounts.note_vmas(other);
  c.accounts.note_vmas(one);  // nothing new
  EXPECT_EQ(c.counters.vmas, 4u);
  one.vmas.erase(VirtAddr(0x20000));
  one.vmas.erase(VirtAddr(0x30000));
  c.accounts.note_vmas(one);
  EXPECT_EQ(c.counters.vmas, 2u);
  EXPECT_EQ(c.counters.vmas_peak, 4u);
}

TEST(Accounts, RootsAreInNoPeakOfTables) {
  Counted c;
  AddressSpace mm = space_of(1);
  mm.root_bytes = kPage;
  ASSERT_TRUE(c.tables.allocate(kPage, mm.id));
  c.accounts.space_made(mm);
  c.accounts.note_tables();
  EXPECT_EQ(c.counters.table_bytes_peak, 0u);
  const auto table = c.tables.allocate(2 * kPage, mm.id);
  c.accounts.note_tables();
  c.tables.free(*table, 2 * kPage);
  c.accounts.note_tables();
  EXPECT_EQ(c.counters.table_bytes_peak, 2 * kPage);
  c.accounts.space_gone(mm);
  EXPECT_EQ(c.counters.root_bytes, 0u);
  EXPECT_EQ(c.counters.spaces, 0u);
  EXPECT_EQ(c.counters.spaces_peak, 1u);
}

class HugeLeavesTest : public ::testing::Test {
 protected:
  mem::FrameMemory frames{1 << 20, k4K};
  pt::TableAllocator tables{frames};
  Counters counters;
  const PageSizes sizes{.base = k4K, .huge = kHuge};
  HugeLeaves leaves{tables, sizes, counters};
};

TEST_F(HugeLeavesTest, ALeafThatCannotBeSplitLaterIsNotMadeAndKeepsNothing) {
  leaves.set_reserve(kHuge, {{.bytes = kPage, .count = 2}});
  AddressSpace mm = space_of(1);
  ASSERT_TRUE(leaves.add(mm, kHuge));
  while (frames.free_frames() > 1)
    ASSERT_TRUE(frames.allocate(0, mem::FrameUse::Reserved, 0));
  EXPECT_FALSE(leaves.add(mm, kHuge));  // after it had the first of two blocks
  EXPECT_EQ(frames.free_frames(), 1u);
  EXPECT_EQ(mm.huge_leaves, 1u);
  EXPECT_EQ(mm.deposits[kPage].count, 2u);
  EXPECT_EQ(mm.deposit_bytes, 2 * kPage);
  EXPECT_EQ(counters.huge_bytes, kHuge.bytes());
  leaves.remove(mm, kHuge);
  EXPECT_EQ(frames.free_frames(), 3u);
  EXPECT_EQ(counters.deposit_bytes, 0u);
}

TEST_F(HugeLeavesTest, NothingIsSetAsideForSharedMemoryAndThePool) {
  leaves.set_reserve(kHuge, {{.bytes = kPage, .count = 1}});
  AddressSpace mm = space_of(1);
  leaves.add_folio(mm);
  leaves.add_pool_pages(mm, kHuge, 2);
  EXPECT_EQ(tables.bytes_in_use(), 0u);
  EXPECT_EQ(mm.folio_leaves, 1u);
  EXPECT_EQ(mm.hugetlb_pages, 1024u);
  EXPECT_EQ(counters.huge_bytes, kHuge.bytes());
  EXPECT_EQ(counters.hugetlb_bytes, 2 * kHuge.bytes());
  leaves.remove_folio(mm);
  leaves.add_pool_pages(mm, kHuge, -2);
  EXPECT_EQ(mm.huge_leaves, 0u);
  EXPECT_EQ(counters.huge_bytes + counters.hugetlb_bytes, 0u);
}

TEST(Flushes, OnePageIsCodeIfItsAreaIs) {
  HoardingTlb tlb;
  Counters counters;
  const PageSizes sizes{.base = k4K, .huge = kHuge};
  Flushes flushes(tlb, sizes, counters);
  AddressSpace mm = space_of(1);
  mm.vmas.insert(area(0x10000, 1, kVmRead | kVmExec));
  mm.vmas.insert(area(0x11000, 1, kVmRead));
  flushes.page(mm, VirtAddr(0x10000), k4K);
  EXPECT_TRUE(tlb.last_code);
  flushes.page(mm, VirtAddr(0x11000), k4K);
  EXPECT_FALSE(tlb.last_code);
  flushes.page(mm, VirtAddr(0x12000), k4K);  // no area
  EXPECT_FALSE(tlb.last_code);
  EXPECT_EQ(counters.flush_single, 3u);
}

TEST(Flushes, RangesCountTheLeavesTheyMayHold) {
  HoardingTlb tlb;
  Counters counters;
  const PageSizes sizes{.base = k4K, .huge = kHuge};
  Flushes flushes(tlb, sizes, counters);
  const AddressSpace mm = space_of(1);
  const VirtRange block{VirtAddr(0x200000), VirtAddr(0x400000)};
  flushes.range(mm, block, k4K, false, mmu::RangeFlush::Unmap);
  flushes.range(mm, block, kHuge, true, mmu::RangeFlush::Change);
  EXPECT_EQ(counters.flush_ranges, 2u);
  EXPECT_EQ(counters.flush_pages, 513u);
  EXPECT_TRUE(tlb.last_freed_tables);
  EXPECT_EQ(tlb.last_why, mmu::RangeFlush::Change);
  flushes.space(mm);
  flushes.dead(mm);
  EXPECT_EQ(counters.flush_mms, 2u);
}

TEST(Flushes, HugePagesOfZerosAreLeavesButNotResident) {
  HoardingTlb tlb;
  Counters counters;
  const PageSizes sizes{.base = k4K, .huge = kHuge};
  Flushes flushes(tlb, sizes, counters);
  AddressSpace mm = space_of(1);
  mm.add_rss(PageKind::Anonymous, 512 + 3);
  mm.huge_leaves = 1;
  mm.huge_leaf_bytes = kHuge.bytes();
  flushes.resident(mm);
  EXPECT_EQ(tlb.told[mm.id], (std::pair<uint64_t, uint64_t>{3, 1}));
  mm.huge_leaves = 2;  // one of zeros
  mm.huge_leaf_bytes = 2 * kHuge.bytes();
  flushes.resident(mm);
  EXPECT_EQ(tlb.told[mm.id], (std::pair<uint64_t, uint64_t>{0, 2}));
  mm.hugetlb_pages = 1024;
  flushes.resident(mm);
  EXPECT_EQ(tlb.told[mm.id], (std::pair<uint64_t, uint64_t>{0, 4}));
}

TEST(Flushes, SmallSuperpagesAreToldAsBasePages) {
  HoardingTlb tlb;
  Counters counters;
  const PageSizes sizes{.base = k4K, .huge = kHuge};
  mem::FrameMemory frames{1 << 20, k4K};
  pt::TableAllocator tables{frames};
  HugeLeaves leaves{tables, sizes, counters};
  leaves.set_reserve(PageShift(16), {});
  Flushes flushes(tlb, sizes, counters);
  AddressSpace mm = space_of(1);
  mm.add_rss(PageKind::Anonymous, 16 + 3);
  ASSERT_TRUE(leaves.add(mm, PageShift(16)));
  leaves.add_pool_pages(mm, PageShift(16), 2);
  leaves.add_pool_pages(mm, PageShift(24), 1);  // eight huge pages' worth
  flushes.resident(mm);
  EXPECT_EQ(tlb.told[mm.id], (std::pair<uint64_t, uint64_t>{16 + 3 + 32, 8}));
}

}  // namespace accounts_test
}  // namespace mmusim::kernel
