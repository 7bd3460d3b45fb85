// The page walk: how many loads from where, which bits it sets, what it refuses.
#include <gtest/gtest.h>

#include "tests/unit/x86/machine.h"

namespace mmusim::x86::testing {
namespace walker_test {

using mmu::FaultReason;

constexpr uint64_t kVa = 0x00007f1234567000;  // indexes 254, 72, 418, 359

class WalkerTest : public ::testing::Test {
 protected:
  // Loads a walk of `va` makes.
  uint64_t loads(Machine& machine, Walker& walker, PhysAddr root, uint64_t va) {
    const uint64_t before = machine.walker_reads();
    EXPECT_EQ(walker.walk(root, VirtAddr(va), 1, AccessKind::Load).fault, FaultReason::None);
    return machine.walker_reads() - before;
  }
};

TEST_F(WalkerTest, FromTheRootOneLoadPerLevel) {
  Machine machine;
  Walker walker(machine.options(), machine.frames(), machine.path());
  const PhysAddr root = machine.new_table();
  machine.map(root, kVa, 0x1234, kData);
  machine.map(root, 0x00004000'40000000, 0x200, kData, 1);
  machine.map(root, 0x00002000'40000000, 0x40000, kData, 2);

  EXPECT_EQ(loads(machine, walker, root, kVa), 4u);
  for (unsigned level = 0; level < 4; ++level)
    EXPECT_EQ(machine.walker_reads(level), 1u);
  EXPECT_EQ(loads(machine, walker, root, 0x00004000'40000000), 3u);
  EXPECT_EQ(loads(machine, walker, root, 0x00002000'40000000), 2u);
  EXPECT_EQ(walker.counters().started[3], 3u);
}

TEST_F(WalkerTest, FromTheDeepestCacheEntry) {
  Machine machine;
  Walker walker(machine.options(), machine.frames(), machine.path());
  const PhysAddr root = machine.new_table();
  for (const uint64_t va :
       {kVa, kVa + 0x1000, kVa + 0x200000, kVa + 0x40000000, kVa + 0x8000000000})
    machine.map(root, va, 0x1234, kData);
  machine.map(root, 0x00007f1280000000, 0x400, kData, 1);    // new gigabyte, 2M leaf
  machine.map(root, 0x00007f1280200000, 0x600, kData, 1);    // same gigabyte
  machine.map(root, 0x00007f12c0000000, 0x80000, kData, 2);  // same 512G, 1G leaf

  EXPECT_EQ(loads(machine, walker, root, kVa), 4u);
  EXPECT_EQ(loads(machine, walker, root, kVa + 0x1000), 1u);        // PDE
  EXPECT_EQ(loads(machine, walker, root, kVa + 0x200000), 2u);      // PDPTE
  EXPECT_EQ(loads(machine, walker, root, kVa + 0x40000000), 3u);    // PML4E
  EXPECT_EQ(loads(machine, walker, root, kVa + 0x8000000000), 4u);  // nothing
  EXPECT_EQ(loads(machine, walker, root, 0x00007f1280000000), 2u);  // PML4E, 2M
  EXPECT_EQ(loads(machine, walker, root, 0x00007f1280200000), 1u);  // PDPTE, 2M
  EXPECT_EQ(loads(machine, walker, root, 0x00007f12c0000000), 1u);  // PML4E, 1G
  // A leaf is never in a paging-structure cache: the same again.
  EXPECT_EQ(loads(machine, walker, root, 0x00007f1280200000), 1u);
  const auto& started = walker.counters().started;
  EXPECT_EQ(started[0], 1u);
  EXPECT_EQ(started[1], 3u);
  EXPECT_EQ(started[2], 3u);
  EXPECT_EQ(started[3], 2u);
}

TEST_F(WalkerTest, FiveLevelsAddOneLoad) {
  Machine machine("[paging]\nlevels = 5\n");
  Walker walker(machine.options(), machine.frames(), machine.path());
  const PhysAddr root = machine.new_table();
  constexpr uint64_t kHigh = 0x00a5'7f12'3456'7000;
  machine.map(root, kHigh, 7, kData);
  machine.map(root, kHigh + 0x8000000000, 8, kData);
  EXPECT_EQ(loads(machine, walker, root, kHigh), 5u);
  EXPECT_EQ(loads(machine, walker, root, kHigh + 0x8000000000), 4u);  // PML5E
}

TEST_F(WalkerTest, WithoutCachesAlwaysFromTheRoot) {
  Machine machine("[psc]\npde.entries = 0\npdpte.entries = 0\npml4e.entries = 0\n");
  Walker walker(machine.options(), machine.frames(), machine.path());
  const PhysAddr root = machine.new_table();
  machine.map(root, kVa, 0x1234, kData);
  EXPECT_EQ(loads(machine, walker, root, kVa), 4u);
  EXPECT_EQ(loads(machine, walker, root, kVa), 4u);
}

TEST_F(WalkerTest, CachesAreTaggedWithThePcid) {
  Machine machine;
  Walker walker(machine.options(), machine.frames(), machine.path());
  const PhysAddr root = machine.new_table();
  machine.map(root, kVa, 0x1234, kData);
  EXPECT_EQ(loads(machine, walker, root, kVa), 4u);
  const uint64_t before = machine.walker_reads();
  walker.walk(root, VirtAddr(kVa), 2, AccessKind::Load);
  EXPECT_EQ(machine.walker_reads() - before, 4u);
}

TEST_F(WalkerTest, CacheReplacementIsLeastRecentlyUsed) {
  Machine machine("[psc]\npde.entries = 2\npdpte.entries = 0\npml4e.entries = 0\n");
  Walker walker(machine.options(), machine.frames(), machine.path());
  const PhysAddr root = machine.new_table();
  const uint64_t a = kVa, b = kVa + 0x200000, c = kVa + 0x400000;
  for (const uint64_t va : {a, b, c})
    machine.map(root, va, 0x1234, kData);
  EXPECT_EQ(loads(machine, walker, root, a), 4u);
  EXPECT_EQ(loads(machine, walker, root, b), 4u);
  EXPECT_EQ(loads(machine, walker, root, a), 1u);
  EXPECT_EQ(loads(machine, walker, root, c), 4u);  // b makes room
  EXPECT_EQ(loads(machine, walker, root, a), 1u);
  EXPECT_EQ(loads(machine, walker, root, b), 4u);
}

TEST_F(WalkerTest, SetsAccessedAtEveryLevelAndDirtyInTheLeaf) {
  Machine machine;
  Walker walker(machine.options(), machine.frames(), machine.path());
  const PhysAddr root = machine.new_table();
  for (unsigned level = 3; level > 0; --level)
    machine.entry(root, kVa, level, kP | kW | kU) = machine.new_table().value() | kP | kW | kU;
  machine.entry(root, kVa, 0) = 0x1234000 | kP | kW | kU;

  ASSERT_EQ(walker.walk(root, VirtAddr(kVa), 1, AccessKind::Load).fault, FaultReason::None);
  for (unsigned level = 0; level < 4; ++level) {
    EXPECT_EQ(machine.entry(root, kVa, level) & (kA | kD), kA) << level;
    EXPECT_EQ(machine.walker_writes(level), 1u) << level;
  }
  // The next load finds nothing to set; a store sets D by one write.
  ASSERT_EQ(walker.walk(root, VirtAddr(kVa), 1, AccessKind::Load).fault, FaultReason::None);
  EXPECT_EQ(machine.walker_writes(0), 1u);
  const mmu::WalkResult stored = walker.walk(root, VirtAddr(kVa), 1, AccessKind::Store);
  EXPECT_TRUE(stored.leaf.dirty);
  EXPECT_EQ(machine.entry(root, kVa, 0), 0x1234000 | kP | kW | kU | kA | kD);
  EXPECT_EQ(machine.walker_writes(0), 2u);
  EXPECT_EQ(walker.counters().updates, 5u);
  EXPECT_EQ(walker.counters().dirty_set, 1u);

  // A and D of a fresh leaf together are one write.
  machine.entry(root, kVa + 0x1000, 0) = 0x1235000 | kP | kW | kU;
  walker.walk(root, VirtAddr(kVa + 0x1000), 1, AccessKind::Modify);
  EXPECT_EQ(machine.entry(root, kVa + 0x1000, 0), 0x1235000 | kP | kW | kU | kA | kD);
  EXPECT_EQ(walker.counters().updates, 6u);
}

TEST_F(WalkerTest, AnAccessRefusedLeavesTheLeafAloneButNotTheTables) {
  Machine machine;
  Walker walker(machine.options(), machine.frames(), machine.path());
  const PhysAddr root = machine.new_table();
  machine.entry(root, kVa, 0, kP | kW | kU) = 0x1234000 | kP | kU;
  EXPECT_EQ(walker.walk(root, VirtAddr(kVa), 1, AccessKind::Store).fault, FaultReason::Protection);
  EXPECT_EQ(machine.entry(root, kVa, 0), 0x1234000 | kP | kU);
  for (unsigned level = 1; level < 4; ++level)
    EXPECT_EQ(machine.entry(root, kVa, level) & kA, kA);
  // Nothing was cached: a walk that is allowed starts at the root.
  EXPECT_EQ(loads(machine, walker, root, kVa), 4u);
}

// R/W and U/S and-ed, XD or-ed over the levels: take each away at each level in turn.
TEST_F(WalkerTest, RightsCombineOverTheLevelsAndThroughTheCaches) {
  for (unsigned level = 0; level < 4; ++level) {
    for (const uint64_t bit : {kW, kU, kNX}) {
      Machine machine;
      Walker walker(machine.options(), machine.frames(), machine.path());
      const PhysAddr root = machine.new_table();
      machine.map(root, kVa, 0x1234, kP | kW | kU);
      machine.entry(root, kVa, level) ^= bit;
      for (int round = 0; round < 2; ++round) {  // the second starts in the PDE cache
        const auto fault = [&](AccessKind kind) {
          return walker.walk(root, VirtAddr(kVa), 1, kind).fault;
        };
        const FaultReason refused = FaultReason::Protection;
        EXPECT_EQ(fault(AccessKind::Load), bit == kU ? refused : FaultReason::None);
        EXPECT_EQ(fault(AccessKind::Store), bit == kNX ? FaultReason::None : refused);
        EXPECT_EQ(fault(AccessKind::Fetch), bit == kW ? FaultReason::None : refused);
      }
      if (bit == kU) continue;
      EXPECT_EQ(
          walker.walk(root, VirtAddr(kVa), 1, AccessKind::Load).leaf.rights,
          Rights(Rights::kRead | Rights::kUser | (bit == kW ? Rights::kExec : Rights::kWrite)));
    }
  }
}

TEST_F(WalkerTest, NotPresentAtEachLevelStopsThere) {
  for (unsigned level = 0; level < 4; ++level) {
    Machine machine;
    Walker walker(machine.options(), machine.frames(), machine.path());
    const PhysAddr root = machine.new_table();
    machine.map(root, kVa, 0x1234, kData);
    machine.entry(root, kVa, level) &= ~kP;
    EXPECT_EQ(walker.walk(root, VirtAddr(kVa), 1, AccessKind::Load).fault, FaultReason::NotPresent);
    EXPECT_EQ(machine.walker_reads(), 4u - level);
  }
}

TEST_F(WalkerTest, ReservedBitsAreMalformed) {
  const auto fault = [](unsigned level, uint64_t entry, const char* config) {
    Machine machine(config);
    Walker walker(machine.options(), machine.frames(), machine.path());
    const PhysAddr root = machine.new_table();
    machine.entry(root, kVa, level) = entry;
    return walker.walk(root, VirtAddr(kVa), 1, AccessKind::Load).fault;
  };
  const uint64_t leaf = kP | kU | kA;
  EXPECT_EQ(fault(3, kPS | leaf, ""), FaultReason::Malformed);             // PS in a PML4E
  EXPECT_EQ(fault(1, 0x2000 | kPS | leaf, ""), FaultReason::Malformed);    // 2M: bit 13
  EXPECT_EQ(fault(1, 0x1000 | kPS | leaf, ""), FaultReason::None);         // bit 12 is PAT
  EXPECT_EQ(fault(2, 0x200000 | kPS | leaf, ""), FaultReason::Malformed);  // 1G: bit 21
  EXPECT_EQ(fault(2, kPS | leaf, ""), FaultReason::None);
  EXPECT_EQ(fault(2, kPS | leaf, "[paging]\ngigabyte_pages = false\n"), FaultReason::Malformed);
  EXPECT_EQ(fault(0, uint64_t{1} << 46 | leaf, ""), FaultReason::Malformed);  // MAXPHYADDR 46
  EXPECT_EQ(fault(0, uint64_t{1} << 46 | leaf, "[paging]\nphysical_bits = 47\n"),
            FaultReason::None);
  EXPECT_EQ(fault(1, 0xfff00000 | kTable, ""), FaultReason::Malformed)
      << "a table outside table memory";
}

// Walks go by the leaf before, where the next one says the same.
TEST_F(WalkerTest, LeavesAlikeAreJudgedAllTheSame) {
  Machine machine("");
  Walker walker(machine.options(), machine.frames(), machine.path());
  const PhysAddr root = machine.new_table();
  const auto walk = [&](uint64_t leaf, AccessKind kind = AccessKind::Load) {
    machine.entry(root, kVa, 0) = leaf;
    return walker.walk(root, VirtAddr(kVa), 1, kind);
  };
  const uint64_t leaf = kP | kU | kA;
  EXPECT_EQ(walk(0x5000 | leaf).leaf.pfn, Pfn(5));
  EXPECT_EQ(walk(0x6000 | leaf).leaf.pfn, Pfn(6));
  EXPECT_EQ(walk(uint64_t{1} << 46 | leaf).fault, FaultReason::Malformed);
  EXPECT_EQ(walk(0x7000 | leaf).leaf.pfn, Pfn(7));
  EXPECT_EQ(walk(0x8000 | leaf).fault, FaultReason::None);
  EXPECT_EQ(walk(0x8000 | leaf, AccessKind::Store).fault, FaultReason::Protection);

  const uint64_t clean = leaf | kW;
  EXPECT_FALSE(walk(0x5000 | clean).leaf.dirty);
  EXPECT_FALSE(walk(0x6000 | clean).leaf.dirty);
  EXPECT_TRUE(walk(0x6000 | clean, AccessKind::Store).leaf.dirty);
  EXPECT_EQ(machine.entry(root, kVa, 0), 0x6000 | clean | kD);

  const uint64_t dirty = clean | kD;
  EXPECT_TRUE(walk(0x5000 | dirty, AccessKind::Store).leaf.rights.has(Rights::kWrite));
  machine.entry(root, kVa, 1) &= ~uint64_t{kW};
  walker.caches().invalidate_all();
  EXPECT_EQ(walk(0x5000 | dirty, AccessKind::Store).fault, FaultReason::Protection);
  EXPECT_FALSE(walk(0x5000 | dirty).leaf.rights.has(Rights::kWrite));
}

}  // namespace walker_test
}  // namespace mmusim::x86::testing
