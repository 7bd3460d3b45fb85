#include "tlb/level.h"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <set>
#include <vector>

#include "base/random.h"

namespace mmusim::tlb {
namespace level_test {

constexpr PageShift k4K{12};
constexpr PageShift k64K{16};
constexpr PageShift k16M{24};

Geometry array(uint32_t entries, uint32_t ways, std::vector<PageShift> pages) {
  Geometry geometry;
  geometry.entries = entries;
  geometry.ways = ways;
  geometry.pages = std::move(pages);
  return geometry;
}

Leaf leaf(uint64_t pfn, PageShift size, bool global = false) {
  return {.pfn = Pfn(pfn), .size = size, .rights = Rights(Rights::kRead), .global = global};
}

// Of the entry found; 0: none is.
uint64_t frame_at(Level& level, VirtAddr va, Space space) {
  const Level::Hit hit = level.find(va, space);
  return hit ? hit.payload->pfn.value() : 0;
}

TEST(Level, SpacesAreApartAndGlobalEntriesAreNot) {
  Level level({array(8, 8, {k4K, k64K})}, k4K, false);
  level.fill(VirtAddr(0x1000), 5, leaf(1, k4K));
  level.fill(VirtAddr(0x20000), 5, leaf(16, k64K, true));
  EXPECT_TRUE(level.find(VirtAddr(0x1fff), 5));
  EXPECT_FALSE(level.find(VirtAddr(0x1fff), 6));
  EXPECT_EQ(level.find(VirtAddr(0x2ffff), 6).payload->pfn, Pfn(16));
  level.invalidate_space(5);
  EXPECT_FALSE(level.find(VirtAddr(0x1000), 5));
  EXPECT_TRUE(level.find(VirtAddr(0x20000), 5));
  level.invalidate_page(VirtAddr(0x21000), 9);
  EXPECT_FALSE(level.find(VirtAddr(0x20000), 5));
  EXPECT_EQ(level.invalidated(), 2u);
}

// All 64 bits of an address are compared, and spaces of 56 bits.
TEST(Level, TagsAreWhole) {
  Level level({array(4, 4, {k4K})}, k4K, false);
  const Space wide = (Space{1} << 55) + 3;
  level.fill(VirtAddr(0xf000000000001000), wide, leaf(7, k4K));
  EXPECT_TRUE(level.find(VirtAddr(0xf000000000001000), wide));
  EXPECT_FALSE(level.find(VirtAddr(0x7000000000001000), wide));
  EXPECT_FALSE(level.find(VirtAddr(0xf000000000001000), 3));
}

// Against a list of what was filled and not removed, in the order of use, with entries at both ends
// of all addresses; of levels that are seldom full, and that mostly are.
TEST(Level, FindsWhatIsThereAndNothingElse) {
  struct Entry {
    VirtAddr base;
    PageShift size;
    Space space = 0;
    bool global = false;
  };
  for (const unsigned room : {64u, 8u}) {
    Level level({array(room, room, {k4K, k64K, k16M})}, k4K, false);
    std::vector<Entry> entries;
    Random random(7);
    const auto address = [&] {
      const uint64_t low = random.below(4) << 24 | random.below(3) << 16 | random.below(3) << 12;
      return VirtAddr(random.below(2) == 0 ? low : ~low);
    };
    const auto matches = [](const Entry& e, VirtAddr va, Space space) {
      return e.base == align_down(va, e.size) && (e.global || e.space == space);
    };
    unsigned found = 0;
    for (unsigned step = 0; step < 20000; ++step) {
      SCOPED_TRACE(step);
      const VirtAddr va = address();
      const Space space = random.below(3);
      // The one that is probed first: of the least size, own before global.
      auto there = entries.end();
      for (auto e = entries.begin(); e != entries.end(); ++e)
        if (matches(*e, va, space) &&
            (there == entries.end() ||
             std::pair(e->size, e->global) < std::pair(there->size, there->global)))
          there = e;
      const bool expected = there != entries.end();
      const Level::Hit hit = level.find(va, space);
      ASSERT_EQ(static_cast<bool>(hit), expected) << "of " << room;
      if (expected) {
        ++found;
        level.touch(hit);
        std::rotate(there, there + 1, entries.end());
      }
      if (random.below(2) == 0) {
        level.invalidate_page(va, space);
        std::erase_if(entries, [&](const Entry& e) { return matches(e, va, space); });
      } else if (!expected) {
        const PageShift size = std::array{k4K, k64K, k16M}[random.below(3)];
        const bool global = random.below(4) == 0;
        level.fill(va, space, leaf(va.value() >> 12, size, global));
        if (entries.size() == room) entries.erase(entries.begin());
        entries.push_back({align_down(va, size), size, space, global});
      }
      if (random.below(300) == 0) {
        level.invalidate_all();
        entries.clear();
      } else if (random.below(1000) == 0) {
        level.invalidate_non_global();
        std::erase_if(entries, [](const Entry& e) { return !e.global; });
      }
    }
    EXPECT_GT(found, 2000u);
  }
}

// Most look-ups and flushes are where entries of one size alone may be, and ask for that one: until
// another has come there, or a fragment has.
TEST(Level, OneSizeIsAloneUntilAnotherComes) {
  constexpr VirtAddr kThere(0x20000);
  Level level({array(8, 8, {k4K, k64K})}, k4K, false, /*locked=*/1);
  const auto one_alone = [&] {
    level.unlock(0);
    level.invalidate_all();
    level.fill(VirtAddr(0x10000), 1, leaf(1, k4K));
    level.fill(VirtAddr(0x40000), 1, leaf(2, k4K));
    for (unsigned i = 0; i < 3; ++i)
      EXPECT_FALSE(level.find(kThere, 1));
  };
  one_alone();
  level.fill(kThere, 1, leaf(16, k64K));
  EXPECT_EQ(frame_at(level, kThere + 0x1000, 1), 16u);
  level.invalidate_page(kThere + 0x2000, 1);
  EXPECT_FALSE(level.find(kThere, 1));
  one_alone();
  level.fill(kThere, 2, leaf(16, k64K, true));
  EXPECT_TRUE(level.find(kThere, 1));
  one_alone();
  level.fill(kThere, 2, leaf(16, k4K, true));
  EXPECT_TRUE(level.find(kThere, 1));
  level.invalidate_page(kThere, 1);
  EXPECT_FALSE(level.find(kThere, 2));
  one_alone();
  level.lock(0, kThere, 1, leaf(4096, k16M));
  EXPECT_TRUE(level.find(kThere, 1));
  EXPECT_EQ(frame_at(level, VirtAddr(0x10000), 1), 4096u);

  // Large pages on both sides.
  one_alone();
  level.fill(VirtAddr(0x0), 1, leaf(0, k64K));
  level.fill(VirtAddr(0x30000), 1, leaf(48, k64K));
  EXPECT_FALSE(level.find(kThere, 1));
  EXPECT_EQ(frame_at(level, VirtAddr(0x3f000), 1), 48u);

  Level small({array(8, 8, {k4K})}, k4K, false);
  small.fill(VirtAddr(0x10000), 1, leaf(1, k4K));
  EXPECT_FALSE(small.find(kThere, 1));
  small.fill(kThere, 1, leaf(16, k64K));
  EXPECT_TRUE(small.find(kThere, 1));
  small.invalidate_page(kThere + 0x5000, 1);
  EXPECT_FALSE(small.find(kThere, 1));
}

// Nor is it alone where it was before the array was empty: an entry made there must be found when
// all sizes are asked again.
TEST(Level, NoSizeIsAloneInAnEmptyArray) {
  Level level({array(2, 2, {k4K, k64K})}, k4K, false);
  level.fill(VirtAddr(0x10000), 1, leaf(1, k4K));
  level.fill(VirtAddr(0x40000), 1, leaf(2, k4K));
  EXPECT_FALSE(level.find(VirtAddr(0x20000), 1));
  level.invalidate_all();
  level.fill(VirtAddr(0x30000), 1, leaf(3, k4K));
  level.fill(VirtAddr(0x31000), 1, leaf(4, k4K));
  EXPECT_FALSE(level.find(VirtAddr(0x20000), 1));
  level.fill(VirtAddr(0x20000), 1, leaf(5, k4K));
  level.fill(VirtAddr(0x100000), 1, leaf(16, k64K));
  EXPECT_EQ(frame_at(level, VirtAddr(0x20000), 1), 5u);
}

TEST(Level, ALeafGoesWhereTheLargestFittingSizeIsHeld) {
  Level level({array(4, 4, {k4K}), array(2, 2, {k64K})}, k4K, false);
  EXPECT_TRUE(level.holds(k16M));
  EXPECT_FALSE(level.holds(PageShift(10)));
  level.fill(VirtAddr(0x1234567), 1, leaf(0x1000, k16M));
  const auto hit = level.find(VirtAddr(0x1230000), 1);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit.payload->size, k64K);
  EXPECT_EQ(hit.payload->leaf, k16M);
  EXPECT_EQ(hit.payload->pfn, Pfn(0x1230));
  EXPECT_FALSE(level.find(VirtAddr(0x1240000), 1));
  // Any address of the leaf takes its fragments.
  level.invalidate_page(VirtAddr(0x1000000), 1);
  EXPECT_FALSE(level.find(VirtAddr(0x1230000), 1));
}

TEST(Level, ARangeTakesWhatItTouches) {
  Level level({array(8, 8, {k4K, k64K})}, k4K, false);
  level.fill(VirtAddr(0x10000), 1, leaf(16, k64K));
  level.fill(VirtAddr(0x20000), 1, leaf(32, k4K));
  level.fill(VirtAddr(0x21000), 1, leaf(33, k4K));
  level.fill(VirtAddr(0x20000), 2, leaf(34, k4K));
  level.fill(VirtAddr(~uint64_t{0xfff}), 1, leaf(35, k4K));
  level.invalidate_range({VirtAddr(0x1f000), VirtAddr(0x21000)}, 1);
  EXPECT_FALSE(level.find(VirtAddr(0x10000), 1));
  EXPECT_FALSE(level.find(VirtAddr(0x20000), 1));
  EXPECT_TRUE(level.find(VirtAddr(0x21000), 1));
  EXPECT_TRUE(level.find(VirtAddr(0x20000), 2));
  EXPECT_TRUE(level.find(VirtAddr(~uint64_t{0xfff}), 1));
}

TEST(Level, LockedEntriesStay) {
  Level level({array(2, 2, {k4K})}, k4K, true, 2);
  level.lock(1, VirtAddr(0x5000000), 0, leaf(0x4000, k16M));
  for (uint64_t page = 0; page < 8; ++page)
    level.fill(VirtAddr(page << 12), 1, leaf(page, k4K));
  EXPECT_EQ(level.evictions(), 6u);
  level.invalidate_all();
  level.invalidate_range({VirtAddr(0), VirtAddr(uint64_t{1} << 40)}, 0);
  const auto hit = level.find(VirtAddr(0x5ffffff), 0);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit.payload->pfn, Pfn(0x4000));
  std::set<bool> locked;
  level.for_each([&](const EntryView& entry) { locked.insert(entry.locked); });
  EXPECT_EQ(locked, std::set<bool>{true});
  // Another one in the slot; then none.
  level.lock(1, VirtAddr(0x7000), 3, leaf(9, k4K));
  EXPECT_FALSE(level.find(VirtAddr(0x5ffffff), 0));
  EXPECT_TRUE(level.find(VirtAddr(0x7000), 3));
  level.unlock(1);
  EXPECT_FALSE(level.find(VirtAddr(0x7000), 3));
}

// Four sets of one way. By the low bits pages 4 apart meet; XORed with the next two bits, page
// 0b0100 is in set 0 ^ 1 and page 0b0101, 1 ^ 1, in set 0.
TEST(Level, SetsByLowBitsOrXored) {
  Geometry geometry = array(4, 1, {k4K});
  for (const Index index : {Index::Low, Index::Xor}) {
    geometry.index = index;
    Level level({geometry}, k4K, false);
    level.fill(VirtAddr(0x0000), 1, leaf(1, k4K));
    level.fill(VirtAddr(0x4000), 1, leaf(2, k4K));
    EXPECT_EQ(level.evictions(), index == Index::Low ? 1u : 0u);
    EXPECT_TRUE(level.find(VirtAddr(0x4000), 1));
    level.fill(VirtAddr(0x5000), 1, leaf(3, k4K));
    EXPECT_EQ(static_cast<bool>(level.find(VirtAddr(0x0000), 1)), false);
    level.invalidate_page(VirtAddr(0x5000), 1);
    EXPECT_FALSE(level.find(VirtAddr(0x5000), 1));
    EXPECT_TRUE(level.find(VirtAddr(0x4000), 1));
  }
}

TEST(Level, LockedEntriesTakenOutOfAnArray) {
  Level level({array(2, 1, {k4K}), array(4, 4, {k64K, k16M})}, k4K, true, 2);
  for (uint64_t i = 0; i < 4; ++i)
    level.fill(VirtAddr(i << 16), 1, leaf(16 * i, k64K));
  level.lock(0, VirtAddr(0x7f00'0000), 0, leaf(0, k16M));
  level.take_out(1, 1);
  EXPECT_EQ(level.evictions(), 1u);
  EXPECT_FALSE(level.find(VirtAddr(0x3'0000), 1));  // it was in the last way
  level.fill(VirtAddr(0x4'0000), 1, leaf(64, k64K));
  EXPECT_EQ(level.evictions(), 2u);
  EXPECT_FALSE(level.find(VirtAddr(0x0'0000), 1));
  level.fill(VirtAddr(0x1000), 1, leaf(1, k4K));  // the other array is whole
  level.fill(VirtAddr(0x2000), 1, leaf(2, k4K));
  EXPECT_EQ(level.evictions(), 2u);
  EXPECT_TRUE(level.find(VirtAddr(0x7f00'0000), 0));
}

TEST(Level, WhatIsRemovedOrChangedLeavesTheFilter) {
  Level level({array(2, 2, {k4K})}, k4K, true, 1);
  const auto hit = level.fill(VirtAddr(0x3000), 1, leaf(3, k4K));
  level.filter_install(hit, 3, true, false);
  EXPECT_TRUE(level.filter().view().hits(3, false, level.filter().tick()));
  level.changed(hit);
  EXPECT_FALSE(level.filter().view().hits(3, false, level.filter().tick()));
  level.filter_install(hit, 3, true, true);
  EXPECT_TRUE(level.filter().view().hits(3, true, level.filter().tick()));
  level.invalidate_page(VirtAddr(0x3000), 1);
  EXPECT_FALSE(level.filter().view().hits(3, true, level.filter().tick()));
}

}  // namespace level_test
}  // namespace mmusim::tlb
