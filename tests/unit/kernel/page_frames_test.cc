// Frames of programs' pages, and files in use, without page tables.
#include "kernel/page_frames.h"

#include <gtest/gtest.h>
#include <utility>
#include <vector>

#include "kernel/file_use.h"
#include "kernel/hardware.h"

namespace mmusim::kernel {
namespace page_frames_test {

using namespace testing;

// 16 MiB, huge pages of 64 KiB, and swap space.
struct Frames {
  static constexpr PageShift kSmallHuge{16};

  Frames() {
    platform.frames = &memory;
    platform.format = &format;
    platform.before_free = [this](Pfn first, unsigned order) {
      EXPECT_TRUE(memory.in_use(first)) << "too late";
      freed.emplace_back(first, order);
    };
    platform.transfer = [this](const PageTransfer& page) { transfers.push_back(page); };
    cache.report_to(rmap);
  }

  mem::FrameMemory memory{16 << 20, k4K};
  ToyFormat format;
  Platform platform;
  Settings settings;
  PageSizes sizes{.base = k4K, .huge = kSmallHuge};
  Counters counters;
  PageCache cache{memory, 1, true};
  HugePools pools{memory};
  HugePool& pool = pools.add(kSmallHuge, 4);
  Rmap rmap{format, k4K};
  SwapSpace swap{format, 8};
  PageFrames frames{platform, sizes, pools, &rmap, &swap, counters};
  FileUse files{platform, settings, sizes, cache, pools, frames, &swap, counters};
  AddressSpace mm{MmId(1), k4K, nullptr};
  std::vector<std::pair<Pfn, unsigned>> freed;
  std::vector<PageTransfer> transfers;
};

TEST(PageFrames, AFrameGoesWithItsLastReferenceAndIsForgottenEverywhere) {
  Frames p;
  const Pfn pfn = *p.frames.new_anonymous(p.mm);
  p.rmap.pages.add(pfn, {.id = 1});
  const SlotId slot = *p.swap.allocate();
  p.swap.add(slot);
  p.swap.remember(slot, pfn);
  ++p.memory.frame(pfn).references;
  p.frames.put(pfn);
  EXPECT_TRUE(p.freed.empty());
  EXPECT_TRUE(p.memory.in_use(pfn));
  p.frames.put(pfn);
  EXPECT_EQ(p.freed, (std::vector<std::pair<Pfn, unsigned>>{{pfn, 0}}));
  EXPECT_FALSE(p.memory.in_use(pfn));
  EXPECT_EQ(p.rmap.pages.find(pfn), nullptr);
  EXPECT_FALSE(p.swap.copy_of(slot));
  EXPECT_EQ(p.counters.frames_freed, 1u);
}

TEST(PageFrames, AHugePageGoesAsOneBlockIfNobodyKeepsAPartOfIt) {
  Frames p;
  const uint64_t before = p.memory.free_frames();
  const Pfn first = *p.frames.new_huge(p.mm, 4);
  EXPECT_TRUE(p.frames.tracks_stores);
  EXPECT_EQ(p.memory.free_frames(), before - 16);
  p.frames.put_huge(first, 4);
  EXPECT_EQ(p.freed, (std::vector<std::pair<Pfn, unsigned>>{{first, 4}}));
  EXPECT_EQ(p.memory.free_frames(), before);
}

TEST(PageFrames, OfAHugePageThePartSomebodyKeepsStays) {
  Frames p;
  const uint64_t before = p.memory.free_frames();
  const Pfn first = *p.frames.new_huge(p.mm, 4);
  ++p.memory.frame(first + 5).references;
  p.frames.put_huge(first, 4);
  EXPECT_EQ(p.freed.size(), 15u);
  for (const auto& [pfn, order] : p.freed) {
    EXPECT_NE(pfn, first + 5);
    EXPECT_EQ(order, 0u);
  }
  EXPECT_TRUE(p.memory.in_use(first + 5));
  p.frames.put(first + 5);
  EXPECT_EQ(p.memory.free_frames(), before);
  EXPECT_EQ(p.counters.frames_freed, 16u);
}

TEST(PageFrames, ThereIsOnePageOfZerosOfEachSize) {
  Frames p;
  const uint64_t before = p.memory.free_frames();
  EXPECT_EQ(*p.frames.zero_page(), *p.frames.zero_page());
  EXPECT_EQ(*p.frames.huge_zero_page(), *p.frames.huge_zero_page());
  EXPECT_EQ(p.memory.free_frames(), before - 17);
  p.frames.free_zero_pages();
  EXPECT_EQ(p.freed.size(), 2u);
  EXPECT_EQ(p.memory.free_frames(), before);
}

Vma area_of(FileId file, uint64_t pgoff, uint64_t pages) {
  Vma vma;
  vma.start = VirtAddr(0x100000);
  vma.end = vma.start + pages * kPage;
  vma.flags = kVmRead | kVmShared;
  vma.file = file;
  vma.pgoff = pgoff;
  return vma;
}

TEST(FileUse, AHiddenFileEndsWithItsLastUseAndItsPagesWithIt) {
  Frames p;
  const uint64_t before = p.memory.free_frames();
  const FileId id = p.files.shared_memory(4 * kPage);
  EXPECT_EQ(p.cache.file(id).pages, 4u);
  p.files.pin(id);
  p.files.area_added(area_of(id, 0, 4), 4);
  p.files.unpin(id);
  bool read = false;
  ASSERT_TRUE(p.files.page(id, 2, read));
  EXPECT_FALSE(read);
  p.files.area_removed(area_of(id, 0, 4), 1);
  EXPECT_EQ(p.cache.files(), 1u);
  p.files.area_removed(area_of(id, 1, 3), 3);
  EXPECT_EQ(p.cache.files(), 0u);
  EXPECT_EQ(p.memory.free_frames(), before);
}

TEST(FileUse, AFileOfUnknownLengthReachesAsFarAsItIsShown) {
  Frames p;
  const FileId unknown = p.cache.named("unknown", FileKind::Regular);
  p.files.area_added(area_of(unknown, 3, 2), 2);
  EXPECT_EQ(p.cache.file(unknown).pages, 5u);
  p.files.area_added(area_of(unknown, 0, 1), 1);
  EXPECT_EQ(p.cache.file(unknown).pages, 5u);
  const FileId known = p.cache.named("known", FileKind::Regular);
  p.cache.file(known).length_known = true;
  p.cache.file(known).pages = 1;
  p.files.area_added(area_of(known, 3, 2), 2);
  EXPECT_EQ(p.cache.file(known).pages, 1u);
}

TEST(FileUse, WhatWasReclaimedIsReadBackAndItsSlotIsFree) {
  Frames p;
  const FileId id = p.files.shared_memory(4 * kPage);
  const SlotId slot = *p.swap.allocate();
  p.swap.add(slot);
  p.cache.file(id).away[1] = slot;
  bool read = false;
  const Pfn pfn = *p.files.page(id, 1, read);
  EXPECT_TRUE(read);
  ASSERT_EQ(p.transfers.size(), 1u);
  EXPECT_EQ(p.transfers[0].pfn, pfn);
  EXPECT_EQ(p.transfers[0].slot, slot.value());
  EXPECT_FALSE(p.transfers[0].out);
  EXPECT_EQ(p.swap.in_use(), 0u);
  EXPECT_EQ(p.counters.swap_reads, 1u);
  read = false;
  EXPECT_EQ(*p.files.page(id, 1, read), pfn);
  EXPECT_FALSE(read);
}

TEST(FileUse, ADroppedSpanTakesItsSlotsAlongAndNoOthers) {
  Frames p;
  const FileId id = p.files.shared_memory(8 * kPage);
  for (const unsigned index : {1u, 2u, 5u}) {
    const SlotId slot = *p.swap.allocate();
    p.swap.add(slot);
    p.cache.file(id).away[index] = slot;
  }
  bool read = false;
  const Pfn kept = *p.files.page(id, 0, read);
  const Pfn dropped = *p.files.page(id, 3, read);
  p.files.drop_span(id, {1, 5});
  EXPECT_EQ(p.swap.in_use(), 1u);
  EXPECT_TRUE(p.memory.in_use(kept));
  EXPECT_FALSE(p.memory.in_use(dropped));
  p.files.drop_all();
  EXPECT_EQ(p.swap.in_use(), 0u);
  EXPECT_FALSE(p.memory.in_use(kept));
}

TEST(FileUse, WhatThePoolCannotReserveLeavesNoFileBehind) {
  Frames p;
  ASSERT_TRUE(p.pool.fill(2));
  EXPECT_FALSE(p.files.pool_memory(Frames::kSmallHuge, 3 * Frames::kSmallHuge.bytes(), false));
  EXPECT_EQ(p.cache.files(), 0u);
  EXPECT_EQ(p.counters.hugetlb_refused, 1u);
  EXPECT_TRUE(p.files.pool_memory(Frames::kSmallHuge, 3 * Frames::kSmallHuge.bytes(), true));
  const auto reserved =
      p.files.pool_memory(Frames::kSmallHuge, 2 * Frames::kSmallHuge.bytes(), false);
  ASSERT_TRUE(reserved);
  Vma owner = area_of(*reserved, 0, 32);
  owner.flags = kVmHugeTlb | kVmHugeOwner;
  p.files.area_added(owner, 32);
  EXPECT_EQ(p.pool.reserved(), 2u);
  p.files.area_removed(owner, 32);
  EXPECT_EQ(p.pool.reserved(), 0u);
}

}  // namespace page_frames_test
}  // namespace mmusim::kernel
