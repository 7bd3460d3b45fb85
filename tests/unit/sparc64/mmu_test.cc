// Paths of a sun4u machine, counted by hand: 64 MB of memory, UltraSPARC I's TLBs, TSBs as Linux
// has them, read by virtual addresses.
#include <gtest/gtest.h>
#include <string>

#include "machine.h"

namespace mmusim::sparc64::testing {
namespace mmu_test {

constexpr VirtAddr kVa(0x1000'0000);
constexpr uint64_t kEtrap = 97 + 7 + 69;  // with sparc64_realfault_common, and rtrap

TEST(Sparc64Mmu, FirstAccessWalksAndFillsTheTsb) {
  World world;
  world.map(kVa, 0x100, kRW);
  const Cost cost = cost_of(world, [&] {
    const mmu::Translation t = world.access(kVa, AccessKind::Load);
    ASSERT_TRUE(t.ok());
    EXPECT_EQ(t.pfn, Pfn(0x100));
    EXPECT_TRUE(t.rights.has(Rights::kWrite));
  });
  // dtlb_miss 10 (1 read: tag and TTE), tsb_miss 18 (1: the huge TSB's register), walk 34 with its
  // 4 words (1 write, 1 read: the root), tsb_insert 13 (1 read, 3 writes), tlb_reload 3,
  // dtlb_load 2.
  EXPECT_EQ(cost, (Cost{10 + 18 + 34 + 13 + 3 + 2, 1, 0, 8, 4}));
  const PhysAddr entry = world.tlbs().base_tsb(MmId(0))->entry_of(kVa);
  EXPECT_EQ(*world.frames().words(entry), 0x1000'0000u >> 22);
  EXPECT_EQ(*world.frames().words(entry + 8), 1ull << 63 | 0x100ull << 13 | 0xfb2);
  // Now it hits.
  EXPECT_TRUE(world.mmu().load_hits(kVa));
  EXPECT_TRUE(world.mmu().store_hits(kVa));
  EXPECT_FALSE(world.mmu().fetch_hits(kVa));
}

TEST(Sparc64Mmu, TsbHits) {
  World world;
  world.map(kVa, 0x100, kRX);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  world.mmu().demap_page(kVa, world.tlbs().context(MmId(0)));
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok()); }),
            (Cost{12, 1, 0, 1, 0}));
  // The other side: exec_check 4 besides.
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Fetch).ok()); }),
            (Cost{16, 1, 0, 1, 0}));
  EXPECT_EQ(world.counter("tsb.lookups"), 3u);
  EXPECT_EQ(world.counter("tsb.hits"), 2u);
  EXPECT_EQ(world.counter("tsb.walks"), 1u);
}

TEST(Sparc64Mmu, WithoutATsbEveryMissWalks) {
  World world("[sparc64]\ntsb = none\n");
  world.map(kVa, 0x100, kRX);
  for (unsigned i = 0; i < 2; ++i) {
    // dtlb_walk 18 and, for a PTE, 6 (1 read: the root) and 4 words of 5, dtlb_load 2.
    EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok()); }),
              (Cost{46, 1, 0, 5, 0}));
    world.mmu().demap_page(kVa, world.tlbs().context(MmId(0)));
  }
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Fetch).ok()); }),
            (Cost{50, 1, 0, 5, 0}));
  EXPECT_EQ(world.tlbs().base_tsb(MmId(0)), nullptr);
}

TEST(Sparc64Mmu, Faults) {
  World world;
  world.map(kVa, 0x100, kRW);
  // Not there, but its table is: the walk reads 4 words in 29 instructions, then dtlb_fault 19.
  mmu::Translation t;
  EXPECT_EQ(cost_of(world, [&] { t = world.access(kVa + 0x2000, AccessKind::Load); }),
            (Cost{10 + 18 + 29 + 19 + kEtrap, 1, 0, 7, 1}));
  EXPECT_EQ(t.fault, mmu::FaultReason::NotPresent);
  // Nor is there a table of the 8M around it, nor of the 8G: an empty PMD, 18, and PUD, 13.
  EXPECT_EQ(cost_of(world, [&] { t = world.access(kVa + 0x80'0000, AccessKind::Load); }),
            (Cost{10 + 18 + 18 + 19 + kEtrap, 1, 0, 6, 1}));
  EXPECT_EQ(cost_of(world, [&] { t = world.access(kVa + 0x2'0000'0000, AccessKind::Load); }),
            (Cost{10 + 18 + 13 + 19 + kEtrap, 1, 0, 5, 1}));
  EXPECT_EQ(t.fault, mmu::FaultReason::NotPresent);
  // Old, that is not valid.
  world.map(kVa + 0x4000, 0x102, kRW, /*used=*/false);
  EXPECT_EQ(world.access(kVa + 0x4000, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  // Not executable: found, put into the TSB, then refused (exec_check 4, itlb_fault 14); the second
  // time by what the TSB says.
  EXPECT_EQ(cost_of(world, [&] { t = world.access(kVa, AccessKind::Fetch); }),
            (Cost{10 + 18 + 34 + 13 + 3 + 4 + 14 + kEtrap, 1, 0, 8, 4}));
  EXPECT_EQ(t.fault, mmu::FaultReason::Protection);
  EXPECT_EQ(cost_of(world, [&] { t = world.access(kVa, AccessKind::Fetch); }),
            (Cost{10 + 4 + 14 + kEtrap, 1, 0, 1, 0}));
  // In the hole, either end.
  for (const uint64_t va : {uint64_t{0x800'0000'0000}, uint64_t{0xffff'f7ff'ffff'e000}})
    EXPECT_EQ(world.access(VirtAddr(va), AccessKind::Load).fault, mmu::FaultReason::NonCanonical);
  EXPECT_EQ(world.counter("tlb.dtlb.outside"), 2u);
  EXPECT_EQ(world.counter("tlb.dtlb.misses"), 4u);
  // Above it.
  world.map(VirtAddr(0xffff'f801'0000'0000), 0x103, kRW);
  EXPECT_EQ(world.access(VirtAddr(0xffff'f801'0000'0000), AccessKind::Load).pfn, Pfn(0x103));
}

TEST(Sparc64Mmu, FirstStoreToACleanPageIsAProtectionTrap) {
  World world;
  const auto install = [&](bool dirty) {
    const pt::Slot slot = world.table().ensure(kVa, kPage);
    ASSERT_EQ(world.table().install(slot.handle, slot.entry,
                                    world.format().make_leaf({.pfn = Pfn(0x100),
                                                              .size = kPage,
                                                              .rights = Rights(kRW),
                                                              .accessed = true,
                                                              .dirty = dirty})),
              pt::Status::Ok);
  };
  install(false);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  EXPECT_FALSE(world.mmu().store_hits(kVa));
  mmu::Translation t;
  EXPECT_EQ(cost_of(world, [&] { t = world.access(kVa, AccessKind::Store); }),
            (Cost{19 + kEtrap, 1, 0, 0, 0}));
  EXPECT_EQ(t.fault, mmu::FaultReason::Protection);
  // The kernel sets dirty and flushes the page; the retry finds it in the TSB.
  install(true);
  world.tlbs().flush_local_page(CpuId(0), MmId(0), kVa);
  EXPECT_EQ(world.counter("tsb.flushed"), 1u);
  EXPECT_EQ(world.counter("flush.demaps"), 1u);
  EXPECT_TRUE(world.reachable().empty());
  // Entry and page are in the first 4M of memory, which are not in the TLB: ktlb_miss 20 (1 read),
  // ktlb_tte 20 (1 read, 3 writes), dtlb_load 2. update_mmu_cache 48 (1 read, 3 writes). Then
  // dtlb_miss 10 (1 read), dtlb_load 2.
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Store, true).ok()); }),
            (Cost{42 + 48 + 12, 2, 0, 4, 6}));
  EXPECT_EQ(world.counter("linear.lookups"), 2u);
  EXPECT_EQ(world.counter("linear.misses"), 1u);
  EXPECT_TRUE(world.mmu().store_hits(kVa));
  // Evicted, the linear mapping comes from the kernel's TSB.
  world.mmu().demap_context(0);
  ASSERT_TRUE(world.access(kVa, AccessKind::Store, true).ok());
  EXPECT_EQ(world.counter("linear.tsb_hits"), 1u);
}

TEST(Sparc64Mmu, HugePagesHaveATsbOfTheirOwn) {
  World world;
  const VirtAddr va(0x1080'0000);
  world.map(va, 0x400, kRW, true, 0, kHugePage);
  EXPECT_EQ(world.tlbs().huge_tsb(MmId(0)), nullptr);
  const VirtAddr second_half = va + 0x50'0000;
  const Cost cost = cost_of(world, [&] {
    EXPECT_EQ(world.access(second_half, AccessKind::Load).pfn, Pfn(0x400 + 0x280));
  });
  // dtlb_miss 10, tsb_miss 18, walk 32 with its 3 words, huge_leaf 12 (1 read) and 8 into the
  // kernel, which makes the TSB and loads both: tsb_switch 31 and 1, tsb_map 10 and 8. Again: the
  // same with tsb_huge 14 (1 read), tsb_huge_miss 9; then tsb_insert 13, tlb_reload 3, dtlb_load 2.
  const uint64_t once = 10 + 18 + 32 + 12;
  EXPECT_EQ(cost, (Cost{once + 8 + 32 + 18 + once + 14 + 9 + 13 + 3 + 2, 2, 0, 7 + 9, 1 + 4}));
  const Tsb* const huge = world.tlbs().huge_tsb(MmId(0));
  ASSERT_NE(huge, nullptr);
  const PhysAddr entry = huge->entry_of(second_half);
  EXPECT_EQ(*world.frames().words(entry), 0x10c0'0000u >> 22);
  EXPECT_EQ(*world.frames().words(entry + 8),
            1ull << 63 | 3ull << 61 | 1ull << 56 | ((0x400ull << 13) + 0x40'0000) | 0xfb2);
  world.mmu().demap_context(world.tlbs().context(MmId(0)));
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(second_half, AccessKind::Load).ok()); }),
            (Cost{10 + 18 + 14 + 3 + 2, 1, 0, 3, 0}));
  // Only the half that was loaded is flushed.
  world.unmap(va);
  world.tlbs().flush_range(MmId(0), {va, va + kHugePage.bytes()}, kHugePage, false);
  EXPECT_EQ(world.counter("flush.pages"), 1u);
  EXPECT_EQ(world.counter("tsb.flushed"), 1u);
  EXPECT_TRUE(world.reachable().empty());
}

TEST(Sparc64Mmu, OneTsbHasAHugePageOncePerBasePageTouched) {
  World world("[sparc64]\ntsb = one\n");
  const VirtAddr va(0x1080'0000);
  world.map(va, 0x400, kRW, true, 0, kHugePage);
  for (const uint64_t at : {0x0u, 0x2000u, 0x3f'e000u, 0x40'4000u}) {
    ASSERT_TRUE(world.access(va + at, AccessKind::Load).ok());
    world.mmu().demap_context(world.tlbs().context(MmId(0)));
  }
  EXPECT_EQ(world.counter("tsb.walks"), 4u);
  EXPECT_EQ(world.counter("tsb.huge.lookups"), 0u);
  world.unmap(va);
  world.tlbs().flush_range(MmId(0), {va, va + kHugePage.bytes()}, kHugePage, false);
  EXPECT_EQ(world.counter("tsb.flushed"), 4u);
  EXPECT_EQ(world.counter("flush.pages"), 2u);
  EXPECT_TRUE(world.reachable().empty());
}

TEST(Sparc64Mmu, TsbsGrowAt3QuartersOfTheirEntries) {
  World world;
  const VirtAddr far = kVa + (uint64_t{512} << 13);  // the same slot of 512, not of 1024
  world.map(kVa, 0x100, kRW);
  world.map(far, 0x101, kRW);
  ASSERT_TRUE(world.access(far, AccessKind::Load).ok());
  EXPECT_EQ(world.tlbs().base_tsb(MmId(0))->entries(), 512u);
  world.tlbs().resident(MmId(0), 384, 0);
  EXPECT_EQ(world.tlbs().base_tsb(MmId(0))->entries(), 512u);
  world.tlbs().resident(MmId(0), 385, 0);
  const Tsb* const grown = world.tlbs().base_tsb(MmId(0));
  EXPECT_EQ(grown->entries(), 1024u);
  EXPECT_EQ(world.counter("tsb.copied"), 1u);
  EXPECT_EQ(*world.frames().words(grown->entry_of(far)), far.value() >> 22);
  // Both have room now.
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  world.mmu().demap_context(world.tlbs().context(MmId(0)));
  ASSERT_TRUE(world.access(far, AccessKind::Load).ok());
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  EXPECT_EQ(world.counter("tsb.hits"), 2u);
  // The largest, and no further.
  world.tlbs().resident(MmId(0), 1'000'000, 0);
  EXPECT_EQ(world.tlbs().base_tsb(MmId(0))->bytes(), 1u << 20);
  world.tlbs().resident(MmId(0), 2'000'000, 0);
  EXPECT_EQ(world.counter("tsb.grown"), 2u);
  // A child's first one is of its size.
  world.tlbs().resident(MmId(1), 800, 0);
  world.run(1);
  EXPECT_EQ(world.tlbs().base_tsb(MmId(1))->entries(), 2048u);
  EXPECT_EQ(world.counter("tsb.made"), 2u);
  world.tlbs().forget(MmId(0));
  world.tlbs().forget(MmId(1));
  EXPECT_EQ(world.counter("tsb.bytes"), 0u);
  EXPECT_EQ(world.counter("tsb.bytes.peak"), (1u << 20) + (32u << 10));
}

TEST(Sparc64Mmu, LockedEntriesTakeRoom) {
  for (const bool physical : {false, true}) {
    World world(physical ? "[sparc64.tsb]\nphysical = true\n" : "");
    for (unsigned i = 0; i < 62; ++i) {
      world.map(kVa + i * kPage.bytes(), 0x100 + i, kRW);
      ASSERT_TRUE(world.access(kVa + i * kPage.bytes(), AccessKind::Load).ok());
    }
    // 64 but for the image's two and, by virtual addresses, the TSB's: there is no other.
    EXPECT_EQ(world.counter("tlb.dtlb.evictions"), physical ? 0u : 1u);
  }
}

// The entry that maps a TSB of huge pages is there from when there is one, and stays: a switch to
// an address space without one writes nothing into it.
TEST(Sparc64Mmu, ALockedEntryForTheTsbOfHugePagesOnceThereIsOne) {
  World world;
  const auto touch = [&](uint64_t count) {
    for (uint64_t i = 0; i < count; ++i)
      EXPECT_TRUE(world.access(kVa + i * kPage.bytes(), AccessKind::Load).ok());
  };
  for (unsigned i = 0; i < 61; ++i)
    for (const unsigned mm : {0u, 1u})
      world.map(kVa + i * kPage.bytes(), 0x100 + i, kRW, true, mm);
  const VirtAddr huge(0x1080'0000);
  world.map(huge, 0x400, kRW, true, 0, kHugePage);
  touch(61);
  EXPECT_EQ(world.counter("tlb.dtlb.evictions"), 0u);
  // The place it takes was the last one filled; the huge page evicts another.
  ASSERT_TRUE(world.access(huge, AccessKind::Load).ok());
  EXPECT_EQ(world.counter("tlb.dtlb.evictions"), 2u);
  world.mmu().demap_context(world.tlbs().context(MmId(0)));
  touch(60);
  EXPECT_EQ(world.counter("tlb.dtlb.evictions"), 2u);
  world.mmu().demap_context(world.tlbs().context(MmId(0)));
  world.run(1);
  EXPECT_EQ(world.tlbs().huge_tsb(MmId(1)), nullptr);
  touch(60);
  EXPECT_EQ(world.counter("tlb.dtlb.evictions"), 2u);
  touch(61);
  EXPECT_EQ(world.counter("tlb.dtlb.evictions"), 3u);
}

TEST(Sparc64Mmu, SmallAndLargePagesStandApart) {
  World world(
      "[sparc64.dtlb]\nentries = 16\nways = 16\n[sparc64.dtlb.set0]\nentries = 512\nways = 2\n");
  world.map(VirtAddr(0x2000'0000), 0x400, kRW, true, 0, kHugePage);
  ASSERT_TRUE(world.access(VirtAddr(0x2000'0000), AccessKind::Load).ok());
  // Three pages of one of 256 sets.
  for (unsigned i = 0; i < 3; ++i) {
    const VirtAddr va = kVa + (uint64_t{i} << 21);
    world.map(va, 0x100 + i, kRW);
    ASSERT_TRUE(world.access(va, AccessKind::Load).ok());
  }
  EXPECT_EQ(world.counter("tlb.dtlb.evictions"), 1u);
  const uint64_t misses = world.counter("tlb.dtlb.misses");
  ASSERT_TRUE(world.access(VirtAddr(0x2000'0000), AccessKind::Load).ok());
  EXPECT_EQ(world.counter("tlb.dtlb.misses"), misses);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  EXPECT_EQ(world.counter("tlb.dtlb.misses"), misses + 1);
}

TEST(Sparc64Mmu, BatchesOf192AndWhatHasNotChangedStays) {
  World world;
  for (unsigned i = 0; i < 194; ++i) {
    world.map(kVa + i * kPage.bytes(), 0x100 + i, i == 0 ? kR : kRW);
    ASSERT_TRUE(world.access(kVa + i * kPage.bytes(), AccessKind::Load).ok());
  }
  // As after a fork: what could be written to is protected.
  for (unsigned i = 1; i < 194; ++i) {
    const pt::Lookup there = world.table().peek(kVa + i * kPage.bytes());
    ASSERT_EQ(world.table().install(there.handle, there.entry,
                                    world.format().write_protected(there.entry)),
              pt::Status::Ok);
  }
  world.tlbs().flush_mm(MmId(0));
  EXPECT_EQ(world.counter("flush.pages"), 193u);
  EXPECT_EQ(world.counter("flush.batches"), 2u);
  EXPECT_EQ(world.reachable(), (std::map<uint64_t, uint64_t>{{kVa.value(), 0x100}}));
  // The end of all.
  for (unsigned i = 0; i < 194; ++i)
    world.unmap(kVa + i * kPage.bytes());
  world.tlbs().flush_mm(MmId(0));
  EXPECT_EQ(world.counter("flush.ends"), 1u);
  EXPECT_EQ(world.counter("mmu.emptied"), 2u);  // its context, and before it was first run
  EXPECT_EQ(world.counter("flush.pages"), 193u);
  EXPECT_TRUE(world.reachable().empty());
}

TEST(Sparc64Mmu, ContextsBeginAnewAndRunningOnesKeepTheirs) {
  World world("[sparc64]\ntsb = none\n", "mlpt", 2);
  world.map(kVa, 0x100, kRW, true, 0);
  world.map(kVa, 0x200, kRW, true, 1);
  EXPECT_EQ(world.tlbs().context(MmId(0)), 1u);
  world.run(1);
  EXPECT_EQ(world.tlbs().context(MmId(1)), 2u);
  ASSERT_EQ(world.access(kVa, AccessKind::Load).pfn, Pfn(0x200));
  world.run(0, 1);
  ASSERT_EQ(world.access(kVa, AccessKind::Load, false, 1).pfn, Pfn(0x100));
  // 3 is given back; its number comes up again only when the others have been used.
  world.tlbs().activate(CpuId(0), MmId(10), world.table(2));
  world.tlbs().forget(MmId(10));
  for (uint64_t i = 4; i < 8192; ++i)
    world.tlbs().activate(CpuId(0), MmId(100 + i), world.table(2));
  EXPECT_EQ(world.tlbs().context(MmId(100 + 8191)), 8191u);
  world.tlbs().activate(CpuId(0), MmId(11), world.table(2));
  EXPECT_EQ(world.tlbs().context(MmId(11)), 3u);
  EXPECT_EQ(world.counter("switch.wraps"), 0u);
  // None is left.
  world.run(2);
  EXPECT_EQ(world.counter("switch.wraps"), 1u);
  EXPECT_EQ(world.tlbs().context(MmId(0)), 1u);  // runs on the other CPU
  EXPECT_EQ(world.tlbs().context(MmId(1)), 0u);
  EXPECT_EQ(world.tlbs().context(MmId(2)), 2u);
  EXPECT_TRUE(world.mmu(1).load_hits(kVa));
  // What its number's last owner left on this CPU is gone.
  EXPECT_EQ(world.access(kVa, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  world.run(1);
  EXPECT_EQ(world.tlbs().context(MmId(1)), 3u);
  EXPECT_EQ(world.access(kVa, AccessKind::Load).pfn, Pfn(0x200));
}

TEST(Sparc64Mmu, OtherCpusFlushByCrossCalls) {
  World world("", "mlpt", 2);
  world.map(kVa, 0x100, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  world.run(0, 1);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load, false, 1).ok());
  EXPECT_EQ(world.counter("tsb.hits"), 1u);  // the TSB is the address space's
  world.unmap(kVa);
  world.tlbs().flush_range(MmId(0), {kVa, kVa + kPage.bytes()}, kPage, false);
  EXPECT_EQ(world.counter("flush.demaps"), 2u);
  EXPECT_EQ(world.counter("flush.cross_calls"), 1u);
  EXPECT_EQ(world.counter("tsb.flushed"), 1u);
  EXPECT_TRUE(world.reachable().empty());
}

TEST(Sparc64Mmu, MoreMemoryThanATteAddresses) {
  EXPECT_THROW(World("[mem]\nbytes = 4T\n"), UsageError);
  EXPECT_NO_THROW(World("[mem]\nbytes = 4T\n[sparc64]\nphysical_bits = 43\n"));
}

}  // namespace mmu_test
}  // namespace mmusim::sparc64::testing
