// Frames of programs' pages, and files in use, without page tables.
#include "kernel/page_frames.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <utility>
#include <vector>

#include "base/random.h"
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
  HugePool& pool = pools.add(kSmallHuge, 4, kSmallHuge);
  Rmap rmap{format, k4K};
  SwapSpace swap{format, 8};
  FrameCounts counts{memory};
  PageFrames frames{platform, sizes, pools, &rmap, &swap, counts, counters};
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

// Counted for one leaf, or for each page.
class HugePageFrames : public ::testing::TestWithParam<bool> {};

TEST_P(HugePageFrames, AHugePageGoesAsOneBlockIfNobodyKeepsAPartOfIt) {
  Frames p;
  const uint64_t before = p.memory.free_frames();
  const Pfn first = *p.frames.new_huge(p.mm, 4, GetParam());
  EXPECT_TRUE(p.frames.tracks_stores);
  EXPECT_EQ(p.memory.free_frames(), before - 16);
  p.counts.unmap(first, 4);
  p.frames.put_huge(first, 4);
  EXPECT_EQ(p.freed, (std::vector<std::pair<Pfn, unsigned>>{{first, 4}}));
  EXPECT_EQ(p.memory.free_frames(), before);
}

TEST_P(HugePageFrames, OfAHugePageThePartSomebodyKeepsStays) {
  Frames p;
  const uint64_t before = p.memory.free_frames();
  const Pfn first = *p.frames.new_huge(p.mm, 4, GetParam());
  ++p.memory.frame(first + 5).references;
  p.counts.unmap(first, 4);
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

INSTANTIATE_TEST_SUITE_P(Counted, HugePageFrames, ::testing::Bool());

// Leaves of all sizes over 64 frames, that come and go as in several address spaces, against counts
// kept for each frame.
class CountedLeaves {
 public:
  CountedLeaves() : first_(*memory_.allocate(6, mem::FrameUse::Anonymous, 1)) {
    memory_.frame(first_).references = 0;
  }

  void step() {
    const uint64_t what = random_.below(5);
    if (what < 2 || leaves_.empty())
      add(leaves_.empty() || random_.below(2) == 0 ? some_place() : some());
    else if (what == 2)
      remove();
    else if (what == 3)
      divide();
    else if (!gone_.empty())
      drop();
  }
  // Leaves of pages become one.
  void join() {
    const Leaf whole = some_place();
    if (whole.order == 0) return;
    for (uint64_t page = 0; page < uint64_t{1} << whole.order; ++page)
      add({whole.first + page, 0});
    counts_.join(first_ + whole.first, whole.order);
    leaves_.resize(leaves_.size() - (size_t{1} << whole.order));
    leaves_.push_back(whole);
  }
  void check() {
    for (uint64_t i = 0; i < kFrames; ++i) {
      ASSERT_EQ(counts_.mappings(first_ + i), covering(leaves_, i));
      ASSERT_EQ(counts_.references(first_ + i), covering(leaves_, i) + covering(gone_, i));
    }
  }
  void remove_all() {
    while (!leaves_.empty())
      remove();
    while (!gone_.empty())
      drop();
    for (uint64_t i = 0; i < kFrames; ++i) {
      EXPECT_EQ(memory_.frame(first_ + i).references, 0u);
      EXPECT_EQ(memory_.frame(first_ + i).mappings, 0u);
    }
  }

 private:
  static constexpr uint64_t kFrames = 64;
  struct Leaf {
    uint64_t first = 0;
    unsigned order = 0;
  };
  using Leaves = std::vector<Leaf>;

  static uint32_t covering(const Leaves& leaves, uint64_t frame) {
    return static_cast<uint32_t>(std::count_if(leaves.begin(), leaves.end(), [&](const Leaf& leaf) {
      return leaf.first == (frame & ~((uint64_t{1} << leaf.order) - 1));
    }));
  }
  Leaf some_place() {
    const auto order = static_cast<unsigned>(random_.below(7));
    return {random_.below(kFrames >> order) << order, order};
  }
  Leaf some() { return leaves_[random_.below(leaves_.size())]; }
  static Leaf take(Leaves& leaves, uint64_t i) {
    const Leaf leaf = leaves[i];
    leaves.erase(leaves.begin() + static_cast<int64_t>(i));
    return leaf;
  }
  void add(const Leaf& leaf) {
    leaves_.push_back(leaf);
    if (leaf.order != 0) return counts_.map(first_ + leaf.first, leaf.order);
    ++memory_.frame(first_ + leaf.first).mappings;
    ++memory_.frame(first_ + leaf.first).references;
  }
  // Its references go later.
  void remove() {
    const Leaf leaf = take(leaves_, random_.below(leaves_.size()));
    gone_.push_back(leaf);
    if (leaf.order == 0)
      --memory_.frame(first_ + leaf.first).mappings;
    else
      counts_.unmap(first_ + leaf.first, leaf.order);
  }
  void drop() {
    const Leaf leaf = take(gone_, random_.below(gone_.size()));
    if (leaf.order != 0)
      static_cast<void>(counts_.drop(first_ + leaf.first, leaf.order));
    else
      --memory_.frame(first_ + leaf.first).references;
  }
  void divide() {
    const uint64_t i = random_.below(leaves_.size());
    if (leaves_[i].order == 0) return;
    const Leaf leaf = take(leaves_, i);
    counts_.divide(first_ + leaf.first, leaf.order);
    for (uint64_t page = 0; page < uint64_t{1} << leaf.order; ++page)
      leaves_.push_back({leaf.first + page, 0});
  }

  mem::FrameMemory memory_{1 << 20, k4K};
  FrameCounts counts_{memory_};
  Pfn first_;
  Random random_{1};
  Leaves leaves_;
  Leaves gone_;  // with references still
};

TEST(FrameCounts, AreThoseOfEachFrame) {
  CountedLeaves counted;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 200; ++i) {
      if (i % 50 == 0) counted.join();
      counted.step();
      counted.check();
      if (HasFatalFailure()) return;
    }
    counted.remove_all();
  }
}

// Smaller leaves of any size, where nobody else has one.
TEST(FrameCounts, AreJoined) {
  Frames p;
  const Pfn first = *p.frames.reserve(4);
  for (const unsigned order : {2u, 3u}) {
    p.counts.start(first + 8, order);
    if (order == 2) p.counts.start(first + 12, order);
    for (uint64_t i = 0; i < 8; ++i) {
      p.memory.frame(first + i).references = 1;
      p.memory.frame(first + i).mappings = 1;
      p.memory.frame(first + i).exclusive = true;
    }
    p.counts.join(first, 4);
    for (uint64_t i = 0; i < 16; ++i) {
      EXPECT_EQ(p.counts.references(first + i), 1u);
      EXPECT_EQ(p.memory.frame(first + i).references, 0u);
    }
    EXPECT_TRUE(p.counts.is_exclusive(first + 11));
    p.counts.unmap(first, 4);
    EXPECT_TRUE(p.counts.drop(first, 4));
  }
}

// A leaf of a block is one address space's alone until it is shared, and again when the others are
// gone; so are pages it is divided into.
TEST(FrameCounts, ABlockIsOnesOrOfMany) {
  Frames p;
  FrameCounts& counts = p.counts;
  const Pfn first = *p.frames.new_huge(p.mm, 4, true);
  EXPECT_TRUE(counts.is_exclusive(first + 15));
  counts.map(first, 4);
  EXPECT_FALSE(counts.is_exclusive(first + 15));
  EXPECT_FALSE(counts.claim(first, 4));
  counts.divide(first, 4);  // the other's
  p.frames.put(first + 3);
  EXPECT_FALSE(counts.claim(first, 4));
  for (uint64_t i = 0; i < 16; ++i)
    if (i != 3) p.frames.put(first + i);
  EXPECT_TRUE(counts.claim(first, 4));
  EXPECT_TRUE(counts.is_exclusive(first + 3));
  counts.divide(first, 4);
  for (uint64_t i = 0; i < 16; ++i)
    EXPECT_TRUE(p.memory.frame(first + i).exclusive);
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
