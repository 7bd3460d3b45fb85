// Clearing, flushing and freeing in this order: batches, ranges and whole address spaces, without
// processes, faults or system calls.
#include "kernel/zap.h"

#include <gtest/gtest.h>
#include <vector>

#include "kernel/file_areas.h"
#include "kernel/huge_split.h"
#include "kernel/parts.h"

namespace mmusim::kernel {
namespace zap_test {

using namespace testing;

TEST(ZapBatch, NothingIsFreedBeforeItsFlush) {
  Parts b;
  const Vma& vma = b.add_area(0, 8, kVmRead | kVmWrite);
  const Pfn pfn = b.show_anonymous(vma, 3);
  ZapBatch batch(b.core, *b.mm);
  zap(batch, vma, b.span(0, 8));
  EXPECT_EQ(b.entry(3), pt::kNone);
  EXPECT_TRUE(b.frames->in_use(pfn)) << "the TLB still has it";
  EXPECT_EQ(b.mm->resident(), 0u);
  batch.finish();
  EXPECT_FALSE(b.frames->in_use(pfn));
  EXPECT_EQ(b.flushes_before_free, 1u);
  EXPECT_EQ(b.tlb.last_range, b.span(3, 4));
  batch.finish();  // nothing is left in it
  EXPECT_EQ(b.tlb.range_flushes, 1u);
}

TEST(ZapBatch, SinglePagesAreFlushedOneByOne) {
  Parts b;
  const Vma& vma = b.add_area(0, 8, kVmRead | kVmWrite);
  ZapBatch batch(b.core, *b.mm, ZapBatch::Scope::Pages);
  for (const unsigned page : {1u, 6u}) {
    const Pfn pfn = b.show_anonymous(vma, page);
    b.put(page, pt::kNone);
    --b.frames->frame(pfn).mappings;
    b.core.accounts.add_rss(*b.mm, PageKind::Anonymous, -1);
    batch.add(b.at(page), k4K, pfn);
  }
  batch.finish();
  EXPECT_EQ(b.tlb.page_flushes, 2u);
  EXPECT_EQ(b.tlb.range_flushes, 0u);
  EXPECT_EQ(b.freed, 2u);
}

TEST(ZapBatch, WhatOnlyLostRightsIsFlushedAndStays) {
  Parts b;
  const Vma& vma = b.add_area(0, 8, kVmRead | kVmWrite);
  const Pfn pfn = b.show_anonymous(vma, 2);
  ZapBatch batch(b.core, *b.mm, ZapBatch::Scope::Protect);
  batch.weaken(b.at(2), k4K);
  batch.finish();
  EXPECT_TRUE(b.tlb.held.empty());
  EXPECT_EQ(b.tlb.last_why, mmu::RangeFlush::Protect);
  EXPECT_TRUE(b.frames->in_use(pfn));
}

TEST(ZapBatch, ALargeRangeIsFreedInPieces) {
  Parts b;
  const uint64_t pages = 25000;
  const Vma& vma = b.add_area(0, pages, kVmRead | kVmWrite);
  for (uint64_t page = 0; page < pages; ++page)
    b.show_anonymous(vma, page);
  b.tlb.held.clear();  // the judge is slow
  ZapBatch batch(b.core, *b.mm);
  zap(batch, vma, b.span(0, pages));
  EXPECT_EQ(b.tlb.range_flushes, 2u);
  EXPECT_GE(b.freed, 20000u);
  EXPECT_LT(b.freed, pages);
  batch.finish();
  EXPECT_EQ(b.freed, pages);
}

TEST(ZapBatch, TablesGoAfterTheFlushThatSaysSo) {
  Parts b;
  const Vma& vma = b.add_area(0, 8, kVmRead | kVmWrite);
  b.show_anonymous(vma, 0);
  const uint64_t with_tables = b.tables->bytes_in_use();
  ZapBatch batch(b.core, *b.mm);
  zap(batch, vma, b.span(0, 8));
  batch.trim(b.span(0, 8), VirtAddr(0), VirtAddr(0));
  EXPECT_EQ(b.tables->bytes_in_use(), with_tables) << "walkers may still read them";
  batch.finish();
  EXPECT_LT(b.tables->bytes_in_use(), with_tables);
  EXPECT_TRUE(b.tlb.last_freed_tables);
}

// What stays of a private area of a file, in each way of zapping it.
TEST(Zap, TakesWhatItIsAskedFor) {
  struct Case {
    ZapPages which;
    bool page, copy, guard, slot, zeros;  // stays
  };
  for (const Case& c : {Case{ZapPages::All, false, false, false, false, false},
                        Case{ZapPages::Contents, false, false, true, false, false},
                        Case{ZapPages::OfFile, false, true, true, true, true}}) {
    SCOPED_TRACE(static_cast<int>(c.which));
    Parts b(kSwap);
    const FileId file = b.core.cache.named("file", FileKind::Regular);
    Vma& vma = b.add_area(0, 8, kVmRead | kVmWrite, file);
    b.mm->vmas.set_anon(vma, AnonVmaId(1), AnonVmaId(1), 1);
    b.show_file(vma, 0);
    b.show_anonymous(vma, 1);
    b.put(2, guard_entry(b.format));
    const SlotId slot = *b.core.swap->allocate();
    b.core.swap->add(slot);
    b.core.accounts.add_swapped(*b.mm, 1);
    b.put(3, b.core.swap->entry(slot));
    b.put(4, b.format.make_leaf({.pfn = *b.core.page_frames.zero_page(),
                                 .size = k4K,
                                 .rights = leaf_rights(b.core, vma, false, false),
                                 .special = true}));
    ZapBatch batch(b.core, *b.mm);
    zap(batch, vma, b.span(0, 8), c.which);
    batch.finish();
    EXPECT_EQ(b.entry(0) != pt::kNone, c.page);
    EXPECT_EQ(b.entry(1) != pt::kNone, c.copy);
    EXPECT_EQ(b.entry(2) != pt::kNone, c.guard);
    EXPECT_EQ(b.entry(3) != pt::kNone, c.slot);
    EXPECT_EQ(b.entry(4) != pt::kNone, c.zeros);
    EXPECT_EQ(b.core.swap->in_use(), c.slot ? 1u : 0u);
    EXPECT_EQ(b.mm->swapped, c.slot ? 1u : 0u);
    EXPECT_EQ(b.mm->rss(PageKind::File), 0u);
    EXPECT_EQ(b.mm->rss(PageKind::Anonymous), c.copy ? 1u : 0u);
  }
}

TEST(Zap, EverywhereReachesEachAddressSpaceAndThePartItShows) {
  Parts b;
  const FileId file = b.core.cache.named("file", FileKind::Regular);
  const Vma& low = b.add_area(0, 4, kVmRead | kVmShared, file, 10);    // pages 10 to 13
  const Vma& high = b.add_area(16, 20, kVmRead | kVmShared, file, 0);  // pages 0 to 3
  for (uint64_t page = 0; page < 4; ++page) {
    b.show_file(low, page);
    b.show_file(high, 16 + page);
  }
  std::vector<VirtRange> parts;
  each_area_of(b.core, file, {2, 12}, [&](AddressSpace& mm, const Vma&, VirtRange part) {
    EXPECT_EQ(&mm, b.mm.get());
    parts.push_back(part);
  });
  EXPECT_EQ(parts, (std::vector<VirtRange>{b.span(0, 2), b.span(18, 20)}));
  unmap_everywhere(b.core, file, {2, 12}, ZapPages::OfFile);
  EXPECT_EQ(b.mm->rss(PageKind::File), 4u);
  for (const unsigned page : {2u, 3u, 16u, 17u})
    EXPECT_NE(b.entry(page), pt::kNone);
  for (const unsigned page : {0u, 1u, 18u, 19u})
    EXPECT_EQ(b.entry(page), pt::kNone);
}

TEST(HugeSplit, UsesWhatWasSetAsideAndFlushesTheWhole) {
  Parts b(kLittle);
  const Vma& vma = b.add_area(0, 512, kVmRead | kVmWrite);
  const Pfn first = *b.core.page_frames.new_huge(*b.mm, 9, true);
  ASSERT_TRUE(b.core.huge_leaves.add(*b.mm, kHuge));
  const pt::Slot slot = b.mm->table->ensure(b.at(0), kHuge);
  ASSERT_EQ(b.mm->table->install(slot.handle, pt::kNone,
                                 b.format.make_leaf({.pfn = first,
                                                     .size = kHuge,
                                                     .rights = leaf_rights(b.core, vma, true, true),
                                                     .accessed = true})),
            pt::Status::Ok);
  b.core.accounts.add_rss(*b.mm, PageKind::Anonymous, 512);
  b.tlb.held[{CpuId(0), b.mm->id, b.at(0)}] = {first, Rights(Rights::kRead), kHuge};
  // Nothing else is left that a table could be made of.
  while (b.frames->allocate(0, mem::FrameUse::Reserved, 0)) {
  }
  split_huge_at(b.core, *b.mm, b.at(512), SplitCause::Unmap);  // its end: nothing lies across
  EXPECT_EQ(b.mm->huge_leaves, 1u);
  split_huge_at(b.core, *b.mm, b.at(100), SplitCause::Unmap);
  EXPECT_EQ(b.mm->huge_leaves, 0u);
  EXPECT_EQ(b.mm->deposit_bytes, 0u);
  EXPECT_TRUE(b.tlb.held.empty());
  EXPECT_EQ(b.mm->table->peek(b.at(100)).size, k4K);
  EXPECT_EQ(b.format.pfn_of(b.entry(100)), first + 100);
  EXPECT_EQ(b.mm->resident(), 512u);
}

TEST(Spaces, AreMadeOfWhatSoftwareTlbsGiveBack) {
  Parts b(kLittle);
  std::vector<Pfn> others;
  while (const auto pfn = b.frames->allocate(0, mem::FrameUse::SoftTlb, 0))
    others.push_back(*pfn);
  EXPECT_EQ(make_space(b.core), nullptr);
  b.tlb.on_shrink = [&] {
    for (int i = 0; i < 4; ++i) {
      b.frames->free(others.back(), 0);
      others.pop_back();
    }
    return true;
  };
  const auto made = make_space(b.core);
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(made->id, MmId(2)) << "the one that failed has no number";
  EXPECT_EQ(b.core.counters.spaces, 2u);
  EXPECT_EQ(b.core.spaces.at(made->id), made.get());
  tear_down(b.core, *made);
  EXPECT_EQ(b.core.counters.spaces, 1u);
  EXPECT_EQ(b.core.counters.spaces_peak, 2u);
}

}  // namespace zap_test
}  // namespace mmusim::kernel
