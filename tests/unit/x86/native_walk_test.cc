// Hardware that walks page tables of other kinds as they are: references and cycles counted by
// hand, what its walk cache saves, and what empties that.
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "arch/x86/architecture.h"
#include "base/random.h"
#include "tests/unit/arch_world.h"

namespace mmusim::x86::testing {
namespace native_walk_test {

using mmusim::testing::ArchWorld;
using mmusim::testing::kR;
using mmusim::testing::kRW;

constexpr uint64_t kReference = 14;  // cycles
constexpr VirtAddr kVa{0x0000200000000000};

template <class Arch>
class WorldOf : public ArchWorld<Arch> {
 public:
  WorldOf(const std::string& backend, const std::string& text, unsigned cpus = 1)
      : ArchWorld<Arch>("[mem]\nbytes = 64M\n[x86]\ndirect_map = false\n[paging]\nwalk = native\n",
                        text, backend, cpus) {}

  struct Took {
    uint64_t reads = 0;
    uint64_t writes = 0;
    uint64_t cycles = 0;
    bool operator==(const Took&) const = default;
    friend std::ostream& operator<<(std::ostream& out, const Took& took) {
      return out << took.reads << " reads, " << took.writes << " writes, " << took.cycles
                 << " cycles";
    }
  };
  // What the walker does for an access that must go well.
  Took take(VirtAddr va, AccessKind kind = AccessKind::Load) {
    const Took before = now();
    EXPECT_TRUE(this->access(va, kind).ok());
    const Took after = now();
    return {after.reads - before.reads, after.writes - before.writes, after.cycles - before.cycles};
  }
  // ... of so many reads, one after the other.
  static Took in_turn(uint64_t reads) { return {reads, 0, reads * kReference}; }
  // Not of TLBs: the page's entries go, and what walks of it begin at.
  void forget_page(VirtAddr va) { this->tlbs().flush_local_page(CpuId(0), MmId(0), va); }

 private:
  Took now() {
    return {this->reads(mem::Origin::Walker), this->writes(mem::Origin::Walker),
            this->sink().cycles(mem::Origin::Walker)};
  }
};
using World = WorldOf<Architecture>;

constexpr const char* kFlat = "[pt.mlpt]\nlevels = 12:18:leaf,30:18\n";
constexpr uint64_t kGiB = uint64_t{1} << 30;

// Two levels of 2^18 entries.
TEST(NativeWalk, AFlattenedRadixTable) {
  World world("mlpt", kFlat);
  for (const uint64_t at : {uint64_t{0}, uint64_t{0x5000}, kGiB, kGiB + 0x3000})
    world.map(kVa + at, 0x100 + at / 0x1000 % 16, kRW);
  EXPECT_EQ(world.take(kVa), World::in_turn(2));
  EXPECT_EQ(world.take(kVa), World::in_turn(0));           // in the TLB
  EXPECT_EQ(world.take(kVa + 0x5000), World::in_turn(1));  // its leaf table is known
  EXPECT_EQ(world.take(kVa + kGiB), World::in_turn(2));
  EXPECT_EQ(world.take(kVa + kGiB + 0x3000), World::in_turn(1));
  EXPECT_EQ(world.sink().count(mem::Origin::Walker, 1, false), 2u);
  EXPECT_EQ(world.sink().count(mem::Origin::Walker, 0, false), 4u);
  EXPECT_EQ(world.counter("walker.walks"), 4u);
  EXPECT_EQ(world.counter("walker.table_cache_hits"), 2u);
  EXPECT_EQ(world.counter("walker.longest"), 2u);
  EXPECT_EQ(world.counter("shadow.lookups"), 0u);
  EXPECT_EQ(world.counter("mmu.soft.bytes"), 0u);
  EXPECT_EQ(world.counter("mmu.walks"), 4u);
}

// A and D are the walker's to write, where the entry lies.
TEST(NativeWalk, SetsAccessedAndDirtyInTheTable) {
  World world("mlpt", kFlat);
  world.map(kVa, 0x100, kRW, /*used=*/false);
  EXPECT_EQ(world.take(kVa), (World::Took{2, 1, 3 * kReference}));
  EXPECT_TRUE(world.format().is_accessed(world.table().peek(kVa).entry));
  EXPECT_FALSE(world.format().is_dirty(world.table().peek(kVa).entry));
  // A dirty assist, which begins at the leaf table.
  EXPECT_EQ(world.take(kVa, AccessKind::Store), (World::Took{1, 1, 2 * kReference}));
  EXPECT_TRUE(world.format().is_dirty(world.table().peek(kVa).entry));
  EXPECT_EQ(world.counter("walker.dirty_assists"), 1u);
  EXPECT_EQ(world.counter("walker.accessed_set"), 1u);
  EXPECT_EQ(world.counter("walker.dirty_set"), 1u);
  EXPECT_EQ(world.counter("walker.updates"), 2u);
  // Both at once.
  world.map(kVa + 0x1000, 0x101, kRW, /*used=*/false);
  EXPECT_EQ(world.take(kVa + 0x1000, AccessKind::Store), (World::Took{1, 1, 2 * kReference}));
}

TEST(NativeWalk, FaultsAsOverItsOwnTable) {
  World world("mlpt", kFlat);
  world.map(kVa, 0x100, kR, /*used=*/false);
  world.map(kVa + 0x1000, 0x101, 0);  // PROT_NONE
  EXPECT_EQ(world.access(kVa + kGiB, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  EXPECT_EQ(world.reads(mem::Origin::Walker), 1u);
  EXPECT_EQ(world.access(kVa + 0x1000, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  // Nothing was kept of either walk, nor is of this one, which leaves A alone.
  EXPECT_EQ(world.access(kVa, AccessKind::Store).fault, mmu::FaultReason::Protection);
  EXPECT_EQ(world.access(kVa, AccessKind::Fetch).fault, mmu::FaultReason::Protection);
  EXPECT_EQ(world.reads(mem::Origin::Walker), 7u);
  EXPECT_EQ(world.writes(mem::Origin::Walker), 0u);
  EXPECT_EQ(world.access(VirtAddr(uint64_t{1} << 60), AccessKind::Load).fault,
            mmu::FaultReason::NonCanonical);
  EXPECT_EQ(world.counter("shadow.lookups"), 0u);
  EXPECT_EQ(world.counter("path.page_fault"), 5u);
}

// Its own geometry but for large leaves it does not use: what the radix walker does, word by word.
TEST(NativeWalk, ReadsWhatTheRadixWalkerReads) {
  const std::string small =
      "[psc]\npde.entries = 0\npdpte.entries = 0\npml4e.entries = 0\n"
      "[tlb.l1d]\nentries = 4\nways = 4\n[tlb.l2]\nentries = 8\nways = 4\n";
  World radix("mlpt", small);
  World native("mlpt", small + "[pt.mlpt]\nlevels = 12:9:leaf,21:9,30:9,39:9\n");
  EXPECT_EQ(radix.counter("walker.from_root"), 0u);
  Random random(7);
  std::vector<VirtAddr> pages;
  for (uint64_t i = 0; i < 24; ++i) {
    pages.push_back(VirtAddr((random.next() & 0x7fff'ffff'f000) >> (i % 3 * 8) & ~uint64_t{0xfff}));
    for (World* world : {&radix, &native})
      world->map(pages.back(), 0x100 + i, i % 5 == 0 ? kR : kRW, /*used=*/false);
  }
  for (unsigned i = 0; i < 2000; ++i) {
    const VirtAddr va = pages[random.below(pages.size())] + random.below(0x1000);
    const AccessKind kind = random.below(3) == 0 ? AccessKind::Store : AccessKind::Load;
    const mmu::Translation one = radix.access(va, kind);
    const mmu::Translation other = native.access(va, kind);
    ASSERT_EQ(one.fault, other.fault);
    ASSERT_EQ(one.pfn, other.pfn);
  }
  for (unsigned level = 0; level < 4; ++level)
    for (const bool write : {false, true})
      EXPECT_EQ(radix.sink().count(mem::Origin::Walker, level, write),
                native.sink().count(mem::Origin::Walker, level, write));
  for (const char* name : {"walker.walks", "walker.loads", "walker.from_root", "walker.updates",
                           "walker.dirty_assists", "mmu.cycles", "tlb.l2.misses"})
    EXPECT_EQ(radix.counter(name), native.counter(name)) << name;
  EXPECT_GT(native.counter("walker.updates"), 20u);
}

TEST(NativeWalk, WhatEmptiesTheWalkCache) {
  World world("mlpt", kFlat);
  for (unsigned mm = 0; mm < 2; ++mm)
    for (uint64_t i = 0; i < 8; ++i)
      world.map(kVa + i * 0x1000, 0x100 + i, kRW, true, mm);
  uint64_t page = 0;
  const auto next = [&page] { return kVa + page++ * 0x1000; };
  EXPECT_EQ(world.take(next()), World::in_turn(2));
  EXPECT_EQ(world.take(next()), World::in_turn(1));
  // INVLPG of any page takes all of the PCID's.
  world.mmu().invlpg(VirtAddr(0x1000));
  EXPECT_EQ(world.take(next()), World::in_turn(2));
  // A page fault elsewhere takes nothing; one in the block does.
  EXPECT_FALSE(world.access(kVa + 2 * kGiB, AccessKind::Load).ok());
  EXPECT_EQ(world.take(next()), World::in_turn(1));
  EXPECT_FALSE(world.access(kVa + 0x100000, AccessKind::Load).ok());
  EXPECT_EQ(world.take(next()), World::in_turn(2));
  // Another address space has its own, and finds them again.
  world.run(1);
  EXPECT_EQ(world.take(kVa), World::in_turn(2));
  world.run(0);
  EXPECT_EQ(world.take(next()), World::in_turn(1));
  world.tlbs().flush_mm(MmId(0));
  EXPECT_EQ(world.take(next()), World::in_turn(2));
  world.run(1);
  EXPECT_EQ(world.take(kVa + 0x1000), World::in_turn(1));
}

TEST(NativeWalk, WithoutPcidsASwitchEmptiesTheWalkCache) {
  World world("mlpt", std::string(kFlat) + "[x86]\npcid = false\n");
  for (unsigned mm = 0; mm < 2; ++mm)
    for (uint64_t page = 0; page < 2; ++page)
      world.map(kVa + page * 0x1000, 0x100 + page, kRW, true, mm);
  EXPECT_EQ(world.take(kVa), World::in_turn(2));
  world.run(1);
  world.run(0);
  EXPECT_EQ(world.take(kVa + 0x1000), World::in_turn(2));
}

// The least recently used of all entries goes, whatever it is of.
TEST(NativeWalk, TheWalkCacheIsOneForAllLevels) {
  World world("mlpt",
              "[psc]\npde.entries = 1\npdpte.entries = 1\npml4e.entries = 0\n"
              "[pt.mlpt]\nlevels = 12:9:leaf,21:9,30:18\n");
  for (const uint64_t at : {0x0u, 0x1000u, 0x200000u, 0x2000u})
    world.map(kVa + at, 0x100 + at / 0x1000, kRW);
  EXPECT_EQ(world.take(kVa), World::in_turn(3));             // keeps two: 2^30, 2^21
  EXPECT_EQ(world.take(kVa + 0x1000), World::in_turn(1));    // the second is the one used last
  EXPECT_EQ(world.take(kVa + 0x200000), World::in_turn(2));  // from the first; takes the second's
  EXPECT_EQ(world.take(kVa + 0x2000), World::in_turn(2));
}

// Tables of 2^8 slots, always: 52 bits of page number as 4 + 6 * 8.
TEST(NativeWalk, AGuardedTable) {
  World world("gpt", "[pt.gpt]\norder = 8\n");
  world.map(kVa, 0x100, kRW);
  EXPECT_EQ(world.take(kVa), World::in_turn(1));  // the root's guard is all of the page number
  // The root, which is at hand, leads to a table of the last 8 bits.
  world.map(kVa + 0x1000, 0x101, kRW);
  world.map(kVa + 0x2000, 0x102, kRW);
  EXPECT_EQ(world.take(kVa + 0x1000), World::in_turn(1));
  EXPECT_EQ(world.take(kVa + 0x2000), World::in_turn(1));
  // A table above it, for bits 27 to 20. The other was the first, which is not worth knowing; now
  // it is.
  world.map(kVa + (5 << 20), 0x103, kRW);
  world.map(kVa + 0x3000, 0x104, kRW);
  EXPECT_EQ(world.take(kVa + 0x3000), World::in_turn(2));
  world.map(kVa + 0x4000, 0x105, kRW);
  EXPECT_EQ(world.take(kVa + 0x4000), World::in_turn(1));
  // Another above that, for bits 35 to 28: the table known is where it was, and serves as much.
  world.map(kVa + (uint64_t{5} << 28), 0x106, kRW);
  world.map(kVa + 0x5000, 0x107, kRW);
  EXPECT_EQ(world.take(kVa + 0x5000), World::in_turn(1));
  EXPECT_EQ(world.take(kVa + (uint64_t{5} << 28)), World::in_turn(1));  // its prefix has the rest
  EXPECT_EQ(world.counter("flush.replaced_tables"), 0u);
  // 16 bytes at once.
  EXPECT_EQ(world.counter("walker.loads"), 8u);
  EXPECT_EQ(world.counter("walker.beside"), 0u);
}

// A table that is replaced is known no longer, on any CPU, before its memory is used again.
TEST(NativeWalk, AGuardedTableThatChangesItsForm) {
  World world("gpt", "[pt.gpt]\nlines = false\n", 3);
  const auto page = [](uint64_t i) { return kVa + i * 0x1000; };
  // Another far away, so that the table in question is not the first.
  for (const unsigned mm : {0u, 1u})
    world.map(kVa + (uint64_t{1} << 40), 0x300 + mm, kRW, true, mm);
  world.map(page(0), 0x100, kRW);
  world.map(page(1), 0x101, kRW);
  world.map(page(0), 0x200, kRW, true, 1);
  world.map(page(1), 0x201, kRW, true, 1);
  EXPECT_EQ(world.take(page(0)), World::in_turn(2));
  world.run(0, 1);
  ASSERT_TRUE(world.access(page(0), AccessKind::Load, false, 1).ok());
  world.run(1, 2);
  ASSERT_TRUE(world.access(page(0), AccessKind::Load, false, 2).ok());
  EXPECT_EQ(world.counter("flush.replaced_tables"), 0u);
  world.tlbs().work_on(CpuId(0));
  // Two slots become four.
  world.map(page(2), 0x102, kRW);
  EXPECT_EQ(world.counter("flush.replaced_tables"), 1u);
  EXPECT_EQ(world.counter("flush.by_page"), 1u);
  EXPECT_EQ(world.counter("flush.invlpg"), 2u);
  EXPECT_EQ(world.counter("flush.interrupts"), 1u);
  for (unsigned cpu = 0; cpu < 2; ++cpu)
    EXPECT_EQ(world.access(page(1), AccessKind::Load, false, cpu).pfn, Pfn(0x101));
  // The other address space's table is where it was.
  const uint64_t before = world.reads(mem::Origin::Walker);
  EXPECT_EQ(world.access(page(1), AccessKind::Load, false, 2).pfn, Pfn(0x201));
  EXPECT_EQ(world.reads(mem::Origin::Walker), before + 1);
  // Nobody knows a table of a dead address space.
  world.run(0, 2);
  world.tlbs().forget(MmId(1));
  EXPECT_EQ(world.counter("flush.replaced_tables"), 1u);
}

// A leaf that stands in several slots gets its bits in each.
TEST(NativeWalk, CopiesOfALeafAreAllWritten) {
  World world("gpt", "[pt.gpt]\norder = 8\n");
  world.map(kVa, 0x1000, kRW, /*used=*/false, 0, PageShift(14));
  world.map(kVa + 0x4000, 0x300, kRW);
  EXPECT_EQ(world.take(kVa + 0x3008, AccessKind::Store), (World::Took{1, 4, 5 * kReference}));
  EXPECT_EQ(world.counter("walker.updates"), 4u);
  EXPECT_EQ(world.counter("walker.dirty_set"), 1u);
  for (uint64_t page = 0; page < 4; ++page)
    EXPECT_TRUE(world.format().is_dirty(world.table().peek(kVa + page * 0x1000).entry));
  // The TLB holds pieces of 4K, of which the walk of any finds D set.
  EXPECT_EQ(world.take(kVa, AccessKind::Store), World::in_turn(1));
}

// A bucket, then the node: its tag and its entry at once.
TEST(NativeWalk, AHashedTable) {
  World world("hashed", "");
  world.map(kVa, 0x100, kRW);
  EXPECT_EQ(world.take(kVa), (World::Took{3, 0, 2 * kReference}));
  EXPECT_EQ(world.counter("walker.beside"), 1u);
  EXPECT_EQ(world.counter("walker.table_cache_hits"), 0u);
  // A second node of the bucket goes before it: tag and link of that one, then tag and entry.
  uint64_t page = 0;
  const auto words = [&] {
    pt::WalkPath path;
    static_cast<void>(world.table().walk(kVa, path));
    return path.count();
  };
  while (words() == 3) {
    ++page;
    world.map(kVa + page * 0x1000, 0x200 + page, kRW);
  }
  world.forget_page(kVa);
  EXPECT_EQ(world.take(kVa), (World::Took{5, 0, 3 * kReference}));
  EXPECT_EQ(world.take(kVa + page * 0x1000), (World::Took{3, 0, 2 * kReference}));
  EXPECT_EQ(world.counter("walker.longest"), 5u);
  // Nothing: as many words as the chain has, none of which waits for a node that is not there.
  EXPECT_FALSE(world.access(kVa + kGiB * 3, AccessKind::Load).ok());
}

// A size that there are nodes of is searched after the smaller one was not found.
TEST(NativeWalk, AHashedTableOfTwoSizes) {
  World world("hashed", "");
  world.map(kVa, 0x100, kRW);
  world.map(kVa + 4 * (1 << 20), 0x4000, kRW, true, 0, k2M);
  EXPECT_EQ(world.take(kVa + 4 * (1 << 20) + 0x5000), (World::Took{4, 0, 3 * kReference}));
  EXPECT_EQ(world.counter("walker.leaves.2m"), 1u);
}

TEST(NativeWalk, OneHashedTableForAll) {
  World world("hashed", "[pt.hashed]\nscope = global\n");
  world.map(kVa, 0x100, kRW);
  // The tag is two words.
  EXPECT_EQ(world.take(kVa), (World::Took{4, 0, 2 * kReference}));
}

// The pages of a block share a node.
TEST(NativeWalk, AClusteredTable) {
  World world("clustered", "");
  world.map(kVa, 0x100, kRW);
  world.map(kVa + 0x5000, 0x105, kRW, /*used=*/false);
  EXPECT_EQ(world.take(kVa), (World::Took{3, 0, 2 * kReference}));
  EXPECT_EQ(world.take(kVa + 0x5000), (World::Took{3, 1, 3 * kReference}));
}

// With caches, of words read at the same time the slowest counts.
TEST(NativeWalk, CyclesWithCaches) {
  World world("hashed", "[cache]\nenabled = true\n");
  world.map(kVa, 0x100, kRW);
  const World::Took first = world.take(kVa);
  EXPECT_EQ(first.reads, 3u);
  world.forget_page(kVa);
  // All in the first level by now.
  EXPECT_EQ(world.take(kVa), (World::Took{3, 0, 2 * world.sink().costs().l1}));
}

// No PDPTE registers, and no page directories from the start.
TEST(NativeWalk, WithPaeToo) {
  WorldOf<I386> world("gpt", "[paging]\nlevels = 3\n[pt.gpt]\norder = 8\n");
  constexpr VirtAddr kLow{0x40000000};
  world.map(kLow, 0x100, kRW);
  world.map(kLow + 0x1000, 0x101, kRW, /*used=*/false);
  EXPECT_EQ(world.take(kLow), WorldOf<I386>::in_turn(1));
  EXPECT_EQ(world.take(kLow + 0x1000), (WorldOf<I386>::Took{1, 1, 2 * kReference}));
  world.tlbs().flush_mm(MmId(0));
  EXPECT_EQ(world.take(kLow), WorldOf<I386>::in_turn(1));
}

TEST(NativeWalk, WithTwoLevelsOfFourBytes) {
  WorldOf<I386> world("mlpt", "[paging]\nlevels = 2\n[pt.mlpt]\nlevels = 12:5:leaf,17:15\n");
  constexpr VirtAddr kLow{0x40000000};
  world.map(kLow, 0x100, kRW);
  world.map(kLow + 0x1000, 0x101, kRW, /*used=*/false);
  world.map(kLow + 0x2000, 0x102, kRW);
  EXPECT_EQ(world.take(kLow), WorldOf<I386>::in_turn(2));
  // The entry's neighbours are left alone.
  EXPECT_EQ(world.take(kLow + 0x1000, AccessKind::Store), (WorldOf<I386>::Took{1, 1, 28}));
  EXPECT_EQ(world.take(kLow + 0x2000), WorldOf<I386>::in_turn(1));
  EXPECT_EQ(world.access(kLow + 0x2000, AccessKind::Load).pfn, Pfn(0x102));
}

}  // namespace native_walk_test
}  // namespace mmusim::x86::testing
