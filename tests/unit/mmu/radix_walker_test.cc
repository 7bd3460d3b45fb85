// Walks of radix tables of processors that do not exist, each with one of the ways in which real
// ones differ from x86 (whose own walks are in tests/unit/x86): words, addresses and outcomes are
// worked out by hand.
#include "mmu/radix_walker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

#include "tlb/geometry.h"

namespace mmusim::mmu {
namespace radix_walker_test {

constexpr Step kSteps[] = {{"walk", "Hardware walks", 0}};
constexpr WordKind kEntry{.name = "entry"};
constexpr uint64_t kAll = ~uint64_t{0};
constexpr VirtAddr kVa{0x4060'4ab8};  // indexes 1, 3, 4 where levels have 9 bits

// Three levels of 9 bits; rights in leaves only, and accessed and dirty bits the kernel's to set. A
// leaf is what has any right; its frame is in bits 53:10; bit 63 and 8 as its frame's last digit
// say that 16 of them translate alike.
constexpr uint64_t kV = 1, kR = 2, kW = 4, kX = 8, kU = 16, kG = 32, kA = 64, kD = 128;
constexpr uint64_t kN = uint64_t{1} << 63;
constexpr uint64_t leaf_at(uint64_t frame, uint64_t bits) {
  return frame << 10 | kV | bits;
}
constexpr uint64_t table_at(PhysAddr table) {
  return table.value() >> 12 << 10 | kV;
}

RadixFormat by_fault() {
  RadixFormat format;
  format.count = 3;
  format.present = kV;
  format.reserved = uint64_t{0x1ff} << 54;
  format.frame_mask = (uint64_t{1} << 54) - (uint64_t{1} << 10);
  format.frame_shift = 10;
  format.leaf_rights = {
      .read = {.set = kR}, .write = {.set = kW}, .exec = {.set = kX}, .user = {.set = kU}};
  format.accessed = kA;
  format.dirty = kD;
  format.global = kG;
  format.sets_accessed = false;
  format.sets_dirty = false;
  format.contiguous = [](pt::Entry e, unsigned level) {
    return level == 0 && (e & kN) != 0 && (e >> 10 & 0xf) == 8 ? 4u : 0u;
  };
  for (unsigned level = 0; level < 3; ++level)
    format.levels[level] = {.kind = &kEntry,
                            .shift = 12 + 9 * level,
                            .index_bits = 9,
                            .table_mask = kR | kW | kX,
                            .table_value = 0,
                            // The frame must be aligned.
                            .reserved_in_leaf = ((uint64_t{1} << 9 * level) - 1) << 10,
                            .reserved_in_table = level == 0 ? kAll : kU | kA | kD};
  return format;
}

// Two levels of 9 and 11 bits; pointers to tables may refuse the user, stores and fetches; the
// walker sets accessed bits, in leaves alone, the kernel dirty ones. A table is what has bit 1, a
// page too. In either level bit 52 says that four leaves translate alike.
constexpr uint64_t kValid = 1, kTable = 2, kUser = 1 << 6, kReadOnly = 1 << 7, kNonGlobal = 1 << 11,
                   kAccessed = 1 << 10;
constexpr uint64_t kWritten = uint64_t{1} << 55, kFour = uint64_t{1} << 52;
constexpr uint64_t kNoFetch = uint64_t{1} << 54;
constexpr uint64_t kTablesNoFetch = uint64_t{1} << 60, kTablesNoUser = uint64_t{1} << 61,
                   kTablesReadOnly = uint64_t{1} << 62;

RadixFormat with_refusals() {
  RadixFormat format;
  format.count = 2;
  format.present = kValid;
  format.frame_mask = 0xffff'ffff'c000;
  format.frame_shift = 14;
  format.page = PageShift(14);
  format.leaf_rights = {.read = {},
                        .write = {.clear = kReadOnly},
                        .exec = {.clear = kNoFetch},
                        .user = {.set = kUser}};
  format.table_rights = {.read = {},
                         .write = {.clear = kTablesReadOnly},
                         .exec = {.clear = kTablesNoFetch},
                         .user = {.clear = kTablesNoUser}};
  format.accessed = kAccessed;
  format.dirty = kWritten;
  format.sets_dirty = false;
  format.contiguous = [](pt::Entry e, unsigned) { return (e & kFour) != 0 ? 2u : 0u; };
  format.levels[0] = {.kind = &kEntry,
                      .shift = 14,
                      .index_bits = 11,
                      .table_mask = kTable,
                      .table_value = 0,
                      .reserved_in_table = kAll};
  format.levels[1] = {
      .kind = &kEntry, .shift = 25, .index_bits = 9, .table_mask = kTable, .table_value = kTable};
  return format;
}

class World : public ::testing::Test {
 protected:
  explicit World(const RadixFormat& format, unsigned page = 12)
      : frames(uint64_t{64} << page, PageShift(page)),
        path(kSteps, frames, sink, {}),
        walker(format, kCached, frames, path),
        root(new_table()) {}

  PhysAddr new_table() {
    return frames.address_of(frames.allocate(0, mem::FrameUse::Table, 1).value());
  }
  uint64_t& word(PhysAddr table, uint64_t index) { return *frames.words(table + index * 8); }
  WalkResult walk(VirtAddr va, AccessKind kind = AccessKind::Load,
                  Privilege who = Privilege::User) {
    return walker.walk(root, va, 7, kind, who);
  }
  FaultReason fault(VirtAddr va, AccessKind kind = AccessKind::Load) {
    return walk(va, kind).fault;
  }
  uint64_t reads() const { return sink.total(mem::Origin::Walker) - walker.counters().updates; }

  static constexpr uint32_t kCached[] = {0, 4, 4, 4, 4};
  mem::FrameMemory frames;
  mem::ReferenceSink sink;
  MissPath path;
  RadixWalker walker;
  PhysAddr root;
};

class ByFault : public World {
 protected:
  ByFault() : World(by_fault()), middle(new_table()), lowest(new_table()) {
    word(root, 1) = table_at(middle);
    word(middle, 3) = table_at(lowest);
  }
  PhysAddr middle;
  PhysAddr lowest;
};

TEST_F(ByFault, TheKernelSetsAccessedAndDirty) {
  word(lowest, 4) = leaf_at(0x123, kR | kW | kU);
  EXPECT_EQ(fault(kVa), FaultReason::Protection);
  EXPECT_EQ(fault(kVa, AccessKind::Store), FaultReason::Protection);
  EXPECT_EQ(word(lowest, 4), leaf_at(0x123, kR | kW | kU));

  word(lowest, 4) |= kA;
  const WalkResult loaded = walk(kVa);
  ASSERT_EQ(loaded.fault, FaultReason::None);
  EXPECT_EQ(loaded.leaf.pfn, Pfn(0x123));
  EXPECT_EQ(loaded.leaf.rights, Rights(Rights::kRead | Rights::kWrite | Rights::kUser));
  EXPECT_FALSE(loaded.leaf.dirty);
  EXPECT_EQ(fault(kVa, AccessKind::Store), FaultReason::Protection);

  word(lowest, 4) |= kD;
  EXPECT_TRUE(walk(kVa, AccessKind::Store).leaf.dirty);
  EXPECT_TRUE(walk(kVa).leaf.dirty);
  // Nothing was written by the walker, nor anything in the tables above.
  EXPECT_EQ(walker.counters().updates, 0u);
  EXPECT_EQ(word(root, 1), table_at(middle));
  EXPECT_EQ(sink.count(mem::Origin::Walker, 0, true), 0u);
  // Three walks from the root, of which two faulted and so left nothing in the walk caches.
  EXPECT_EQ(walker.counters().started[2], 3u);
  EXPECT_EQ(walker.counters().started[0], 3u);
}

TEST_F(ByFault, OnlyTheLeafsRightsCount) {
  word(lowest, 4) = leaf_at(0x123, kX | kU | kA);
  EXPECT_EQ(fault(kVa, AccessKind::Fetch), FaultReason::None);
  EXPECT_EQ(fault(kVa), FaultReason::Protection);  // execute only
  word(lowest, 4) = leaf_at(0x123, kR | kA);
  EXPECT_EQ(fault(kVa), FaultReason::Protection);  // the kernel's
  EXPECT_EQ(walk(kVa, AccessKind::Load, Privilege::Kernel).fault, FaultReason::None);
}

TEST_F(ByFault, LeavesStandAtAnyLevelAndAreAligned) {
  word(middle, 3) = leaf_at(0x4200, kR | kU | kA);
  const WalkResult two_megabytes = walk(kVa);
  EXPECT_EQ(two_megabytes.leaf.size, PageShift(21));
  EXPECT_EQ(two_megabytes.leaf.pfn, Pfn(0x4200));
  EXPECT_EQ(reads(), 2u);
  word(middle, 3) = leaf_at(0x4201, kR | kU | kA);
  EXPECT_EQ(fault(kVa), FaultReason::Malformed);
  word(root, 1) = leaf_at(0x80000, kR | kU | kA);
  walker.caches().invalidate_all();
  EXPECT_EQ(walk(kVa).leaf.size, PageShift(30));
  EXPECT_EQ(walk(kVa).leaf.pfn, Pfn(0x80000));
  word(root, 1) = leaf_at(0x80200, kR | kU | kA);
  EXPECT_EQ(fault(kVa), FaultReason::Malformed);
}

TEST_F(ByFault, WhatIsNoEntryIsMalformed) {
  word(lowest, 4) = table_at(middle);  // a table below the lowest level
  EXPECT_EQ(fault(kVa), FaultReason::Malformed);
  word(lowest, 4) = leaf_at(0x123, kR | kU | kA) | uint64_t{1} << 54;
  EXPECT_EQ(fault(kVa), FaultReason::Malformed);
  word(middle, 3) = table_at(lowest) | kA;
  EXPECT_EQ(fault(kVa), FaultReason::Malformed);
  word(middle, 3) = 0xfff00 << 10 | kV;
  EXPECT_EQ(fault(kVa), FaultReason::Malformed) << "a table outside table memory";
  word(middle, 3) &= ~kV;
  EXPECT_EQ(fault(kVa), FaultReason::NotPresent);
}

// Pages 0 to 15 of the table, of which page 4 is asked for, lie in frames 0x450 to 0x45f.
TEST_F(ByFault, SixteenLeavesAreOneToATlb) {
  for (uint64_t page = 0; page < 16; ++page)
    word(lowest, page) = leaf_at(0x458, kR | kU | kA) | kN;
  const WalkResult found = walk(kVa);
  ASSERT_EQ(found.fault, FaultReason::None);
  EXPECT_EQ(found.leaf.size, PageShift(16));
  EXPECT_EQ(found.leaf.pfn, Pfn(0x450));
  EXPECT_EQ(reads(), 3u);

  const std::vector<tlb::Geometry> arrays{
      {.entries = 4, .ways = 4, .pages = {PageShift(12), PageShift(16)}}};
  tlb::Level level(arrays, PageShift(12), /*with_filter=*/false);
  level.fill(kVa, 7, found.leaf);
  const auto hit = level.find(VirtAddr(0x4060'f000), 7);  // the last of them
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit.payload->size, PageShift(16));
  EXPECT_EQ(hit.payload->pfn, Pfn(0x450));
  EXPECT_FALSE(level.find(VirtAddr(0x4061'0000), 7));

  // Without the digit that says so, or above the lowest level, the bit means nothing.
  word(lowest, 4) = leaf_at(0x454, kR | kU | kA) | kN;
  EXPECT_EQ(walk(kVa).leaf.size, PageShift(12));
  EXPECT_EQ(walk(kVa).leaf.pfn, Pfn(0x454));
}

TEST_F(ByFault, WalkCachesKeepNoRightsWhereTablesHaveNone) {
  word(lowest, 4) = leaf_at(0x123, kR | kU | kA);
  word(lowest, 5) = leaf_at(0x124, kR | kW | kX | kU | kA | kD);
  EXPECT_EQ(fault(kVa), FaultReason::None);
  EXPECT_EQ(walk(kVa + 0x1000).leaf.rights,
            Rights(Rights::kRead | Rights::kWrite | Rights::kExec | Rights::kUser));
  EXPECT_EQ(reads(), 4u);
  std::vector<uint64_t> tables;
  walker.caches().for_each([&](tlb::Space space, PhysAddr table) {
    EXPECT_EQ(space, 7u);
    tables.push_back(table.value());
  });
  EXPECT_THAT(tables, testing::ElementsAre(lowest.value(), middle.value()));
  walker.caches().invalidate_space(8);
  EXPECT_EQ(fault(kVa), FaultReason::None);
  EXPECT_EQ(reads(), 5u);
  walker.caches().invalidate_space(7);
  EXPECT_EQ(fault(kVa), FaultReason::None);
  EXPECT_EQ(reads(), 8u);
}

// kVa is in block 32 (0x4060'4ab8 >> 25), page 0x181 of it (bits 24:14).
class WithRefusals : public World {
 protected:
  WithRefusals() : World(with_refusals(), 14), pages(new_table()) {
    word(root, 32) = pages.value() | kTable | kValid;
    word(pages, 0x181) = kPage;
  }
  static constexpr uint64_t kPage =
      uint64_t{0x77} << 14 | kTable | kValid | kUser | kNonGlobal | kAccessed | kWritten;
  PhysAddr pages;
};

TEST_F(WithRefusals, WhatTablesRefuseLeavesCannotAllow) {
  const WalkResult found = walk(kVa, AccessKind::Store);
  ASSERT_EQ(found.fault, FaultReason::None);
  EXPECT_EQ(found.leaf.pfn, Pfn(0x77));
  EXPECT_EQ(found.leaf.rights,
            Rights(Rights::kRead | Rights::kWrite | Rights::kExec | Rights::kUser));
  struct {
    uint64_t bit;
    unsigned left;
  } const cases[] = {{kTablesReadOnly, Rights::kRead | Rights::kExec | Rights::kUser},
                     {kTablesNoFetch, Rights::kRead | Rights::kWrite | Rights::kUser},
                     {kTablesNoUser, Rights::kRead | Rights::kWrite | Rights::kExec}};
  for (const auto& refused : cases) {
    word(root, 32) = pages.value() | kTable | kValid | refused.bit;
    walker.caches().invalidate_all();
    for (int round = 0; round < 2; ++round)  // the second out of the walk cache
      EXPECT_EQ(walk(kVa, AccessKind::Load, Privilege::Kernel).leaf.rights, Rights(refused.left));
    EXPECT_EQ(fault(kVa),
              refused.bit == kTablesNoUser ? FaultReason::Protection : FaultReason::None);
  }
}

TEST_F(WithRefusals, TheWalkerSetsAccessedInTheLeafAloneAndTheKernelDirty) {
  word(pages, 0x181) = kPage & ~kAccessed & ~kWritten;
  EXPECT_EQ(fault(kVa, AccessKind::Store), FaultReason::Protection);
  EXPECT_EQ(word(pages, 0x181), kPage & ~kAccessed & ~kWritten);
  EXPECT_EQ(fault(kVa), FaultReason::None);
  EXPECT_EQ(word(pages, 0x181), kPage & ~kWritten);
  EXPECT_EQ(word(root, 32), pages.value() | kTable | kValid);
  EXPECT_EQ(walker.counters().accessed_set[0], 1u);
  EXPECT_EQ(walker.counters().accessed_set[1], 0u);
  EXPECT_EQ(walker.counters().updates, 1u);
  EXPECT_EQ(walker.counters().dirty_set, 0u);
}

// The same with a bit by which a page that refuses stores says that it is clean, and nothing else
// that does.
constexpr uint64_t kStorable = uint64_t{1} << 53;

RadixFormat cleared_means_dirty(bool by_walker) {
  RadixFormat format = with_refusals();
  format.dirty = 0;
  format.dirty_by_right = kStorable;
  format.sets_dirty = by_walker;
  return format;
}

class ClearedMeansDirty : public World {
 protected:
  explicit ClearedMeansDirty(bool by_walker = true)
      : World(cleared_means_dirty(by_walker), 14), pages(new_table()) {
    word(root, 32) = pages.value() | kTable | kValid;
    leaf() = kPage | kReadOnly | kStorable;
  }
  uint64_t& leaf() { return word(pages, 0x181); }
  static constexpr uint64_t kPage =
      uint64_t{0x77} << 14 | kTable | kValid | kUser | kNonGlobal | kAccessed;
  static constexpr Rights kMay{Rights::kRead | Rights::kWrite | Rights::kExec | Rights::kUser};
  PhysAddr pages;
};

TEST_F(ClearedMeansDirty, ALoadFindsACleanPageThatMayBeStoredTo) {
  const WalkResult found = walk(kVa);
  ASSERT_EQ(found.fault, FaultReason::None);
  EXPECT_EQ(found.leaf.rights, kMay);
  EXPECT_FALSE(found.leaf.dirty);
  EXPECT_EQ(leaf(), kPage | kReadOnly | kStorable);
  EXPECT_EQ(walker.counters().updates, 0u);
}

TEST_F(ClearedMeansDirty, TheFirstStoreTakesTheRefusalBackAndTheNextFindsItSo) {
  for (int store = 0; store < 2; ++store) {
    const WalkResult found = walk(kVa, AccessKind::Store);
    ASSERT_EQ(found.fault, FaultReason::None);
    EXPECT_EQ(found.leaf.rights, kMay);
    EXPECT_TRUE(found.leaf.dirty);
    EXPECT_EQ(leaf(), kPage | kStorable);
    EXPECT_EQ(walker.counters().dirty_set, 1u);
    EXPECT_EQ(walker.counters().updates, 1u);
  }
  EXPECT_TRUE(walk(kVa).leaf.dirty);
}

TEST_F(ClearedMeansDirty, AccessedIsSetInTheSameWrite) {
  leaf() &= ~kAccessed;
  EXPECT_EQ(fault(kVa, AccessKind::Store), FaultReason::None);
  EXPECT_EQ(leaf(), kPage | kStorable);
  EXPECT_EQ(walker.counters().accessed_set[0], 1u);
  EXPECT_EQ(walker.counters().dirty_set, 1u);
  EXPECT_EQ(walker.counters().updates, 1u);
}

TEST_F(ClearedMeansDirty, WithoutTheBitARefusalIsOneAndWhatMayBeStoredToIsDirty) {
  leaf() = kPage | kReadOnly;
  EXPECT_EQ(fault(kVa, AccessKind::Store), FaultReason::Protection);
  EXPECT_EQ(leaf(), kPage | kReadOnly);
  EXPECT_FALSE(walk(kVa).leaf.rights.has(Rights::kWrite));
  leaf() = kPage;
  EXPECT_EQ(walk(kVa).leaf.rights, kMay);
  EXPECT_TRUE(walk(kVa).leaf.dirty);
}

TEST_F(ClearedMeansDirty, WhatItsTableRefusesOrIsNotTheUsersStaysClean) {
  word(root, 32) |= kTablesReadOnly;
  EXPECT_EQ(fault(kVa, AccessKind::Store), FaultReason::Protection);
  EXPECT_FALSE(walk(kVa).leaf.rights.has(Rights::kWrite));
  word(root, 32) &= ~kTablesReadOnly;
  walker.caches().invalidate_all();
  leaf() &= ~kUser;
  EXPECT_EQ(fault(kVa, AccessKind::Store), FaultReason::Protection);
  EXPECT_EQ(leaf(), (kPage & ~kUser) | kReadOnly | kStorable);
  EXPECT_EQ(walker.counters().updates, 0u);
}

class ClearedByTheKernel : public ClearedMeansDirty {
 protected:
  ClearedByTheKernel() : ClearedMeansDirty(false) {}
};

TEST_F(ClearedByTheKernel, AStoreToACleanPageIsAFaultThatAsksForIt) {
  EXPECT_EQ(fault(kVa, AccessKind::Store), FaultReason::Protection);
  EXPECT_EQ(leaf(), kPage | kReadOnly | kStorable);
  EXPECT_EQ(fault(kVa), FaultReason::None);
  leaf() &= ~kReadOnly;
  EXPECT_EQ(fault(kVa, AccessKind::Store), FaultReason::None);
  EXPECT_EQ(walker.counters().updates, 0u);
}

// Page 0x181 is the second of the four from 0x180 on; block 32 the first of four of 32M.
TEST_F(WithRefusals, FourLeavesAreOneAtEitherLevel) {
  word(pages, 0x181) = kPage | kFour;  // frame 0x77 is not the block's first, 0x74 is
  const WalkResult page = walk(kVa);
  EXPECT_EQ(page.leaf.size, PageShift(16));
  EXPECT_EQ(page.leaf.pfn, Pfn(0x74));
  walker.caches().invalidate_all();
  word(root, 32) = uint64_t{0x4000} << 14 | kValid | kUser | kAccessed | kFour;
  const WalkResult block = walk(kVa);
  EXPECT_EQ(block.leaf.size, PageShift(27));
  EXPECT_EQ(block.leaf.pfn, Pfn(0x4000));
}

TEST_F(WithRefusals, APageWithoutItsBitIsNone) {
  word(pages, 0x181) = kPage & ~kTable;
  EXPECT_EQ(fault(kVa), FaultReason::Malformed);
}

}  // namespace radix_walker_test
}  // namespace mmusim::mmu
