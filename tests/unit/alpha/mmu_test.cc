// Paths of an Alpha, counted by hand with the numbers of the PALcode: a miss is looked at in 10
// instructions and filled in 5; a double miss reads and looks at the root's entry in 16, at the
// second level's in 6 more, and fills in 9: 31. Each miss loads one entry from the linear table.
// Where a path ends in the kernel entMM saves and restores registers.
#include <gtest/gtest.h>

#include "machine.h"

namespace mmusim::alpha::testing {
namespace mmu_test {

constexpr VirtAddr kVa(0x1'2000'0000);
constexpr uint64_t kStep = 0x2000;
// SAVE_ALL 26 and 13 more; 9 after do_page_fault, 9 of ret_from_sys_call, RESTORE_ALL 24, PAL_rti.
constexpr uint64_t kEntMm = 26 + 13 + 9 + 9 + 24 + 1;

TEST(AlphaMmu, SingleMissWithTheTablesPageInTheDtb) {
  World world;
  world.map(kVa, 0x100, kRW);
  world.map(kVa + kStep, 0x101, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  const Cost cost = cost_of(world, [&] {
    const mmu::Translation t = world.access(kVa + kStep, AccessKind::Load);
    ASSERT_TRUE(t.ok());
    EXPECT_EQ(t.pfn, Pfn(0x101));
    EXPECT_EQ(t.size, kPage);
  });
  EXPECT_EQ(cost, (Cost{10 + 5, 1, 0, 1, 0}));
  EXPECT_EQ(world.counter("table.loads"), 2u);
  EXPECT_EQ(world.counter("table.misses"), 1u);
  // And then it hits.
  EXPECT_TRUE(world.mmu().load_hits(kVa + kStep));
  EXPECT_TRUE(world.mmu().store_hits(kVa + kStep));
  EXPECT_FALSE(world.mmu().fetch_hits(kVa + kStep));
  EXPECT_EQ(cost_of(world, [&] { world.access(kVa + kStep, AccessKind::Load); }), Cost{});
}

TEST(AlphaMmu, DoubleMiss) {
  World world;
  world.map(kVa, 0x100, kRW);
  const Cost cost = cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Store).ok()); });
  // Two traps. Read: the root's entry, the second level's, and the leaf through the table.
  EXPECT_EQ(cost, (Cost{10 + (16 + 6 + 9) + 5, 2, 0, 3, 0}));
  EXPECT_EQ(world.counter("mmu.last.data_misses"), 1u);
  EXPECT_EQ(world.counter("tlb.dtb.fills"), 2u);  // the table's page too
  // A page 8M further on has another table, thus another page of the linear table.
  world.map(kVa + (8 << 20), 0x102, kRW);
  ASSERT_TRUE(world.access(kVa + (8 << 20), AccessKind::Load).ok());
  EXPECT_EQ(world.counter("table.misses"), 2u);
}

TEST(AlphaMmu, PagesOfTheTableCompeteInTheDtb) {
  World world("[alpha.dtb]\nentries = 2\nways = 2\nreplacement = fifo\n");
  for (uint64_t i = 0; i < 3; ++i)
    world.map(kVa + i * kStep, 0x100 + i, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  // Both entries are in use: the table's page, then the program's. The next fill takes the
  // table's away, the one after it misses twice.
  ASSERT_TRUE(world.access(kVa + kStep, AccessKind::Load).ok());
  EXPECT_EQ(world.counter("table.misses"), 1u);
  const Cost cost =
      cost_of(world, [&] { ASSERT_TRUE(world.access(kVa + 2 * kStep, AccessKind::Load).ok()); });
  EXPECT_EQ(cost, (Cost{46, 2, 0, 3, 0}));
}

TEST(AlphaMmu, LoadsFromTheTableAreUsesOfItsPage) {
  World world("[alpha.dtb]\nentries = 2\nways = 2\nreplacement = lru\n");
  for (uint64_t i = 0; i < 4; ++i)
    world.map(kVa + i * kStep, 0x100 + i, kRW);
  // Each miss uses the table's page, so that the other entry makes room.
  for (uint64_t i = 0; i < 4; ++i)
    ASSERT_TRUE(world.access(kVa + i * kStep, AccessKind::Load).ok());
  EXPECT_EQ(world.counter("table.misses"), 1u);
  EXPECT_EQ(world.counter("tlb.dtb.evictions"), 3u);
}

TEST(AlphaMmu, InstructionMisses) {
  World world;
  world.map(kVa, 0x100, kRX);
  world.map(kVa + kStep, 0x101, kRX);
  // The entry is loaded through the DTB, which has no page of the table yet.
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Fetch).ok()); }),
            (Cost{10 + 31 + 5, 2, 0, 3, 0}));
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa + kStep, AccessKind::Fetch).ok()); }),
            (Cost{10 + 5, 1, 0, 1, 0}));
  EXPECT_TRUE(world.mmu().fetch_hits(kVa));
  EXPECT_FALSE(world.mmu().load_hits(kVa));  // the DTB is another matter
  EXPECT_EQ(world.counter("tlb.itb.fills"), 2u);
  EXPECT_EQ(world.counter("tlb.dtb.fills"), 1u);
}

TEST(AlphaMmu, NothingMapped) {
  World world;
  // No table at all: the root's entry is none. Then an entry made up, which is not valid.
  EXPECT_EQ(cost_of(world,
                    [&] {
                      EXPECT_EQ(world.access(kVa, AccessKind::Load).fault,
                                mmu::FaultReason::NotPresent);
                    }),
            (Cost{10 + 16 + 9 + 43 + kEntMm, 2, 0, 1, 0}));
  // Tables, but not this leaf: found out by the load through the table.
  world.map(kVa, 0x100, kRW);
  EXPECT_EQ(cost_of(world,
                    [&] {
                      EXPECT_EQ(world.access(kVa + kStep, AccessKind::Store).fault,
                                mmu::FaultReason::NotPresent);
                    }),
            (Cost{10 + 31 + 38 + kEntMm, 2, 0, 3, 0}));
  EXPECT_EQ(cost_of(world,
                    [&] {
                      EXPECT_EQ(world.access(kVa + kStep, AccessKind::Fetch).fault,
                                mmu::FaultReason::NotPresent);
                    }),
            (Cost{10 + 28 + kEntMm, 1, 0, 1, 0}));
  // A second-level table, but no third.
  EXPECT_EQ(cost_of(world,
                    [&] {
                      EXPECT_EQ(world.access(kVa + (8 << 20), AccessKind::Load).fault,
                                mmu::FaultReason::NotPresent);
                    }),
            (Cost{10 + 16 + 6 + 9 + 43 + kEntMm, 2, 0, 2, 0}));
  EXPECT_EQ(world.counter("cause.not_valid"), 4u);
  // None of these is in a TLB; the table's page is.
  EXPECT_TRUE(world.reachable().empty());
  EXPECT_EQ(world.counter("tlb.dtb.fills"), 1u);
}

TEST(AlphaMmu, FaultOnWriteIsFoundInTheDtb) {
  World world;
  world.map(kVa, 0x100, kR);  // dirty, so that UWE is set: FOW alone stands against a store
  // The entry is inserted, the store tried again, and refused.
  EXPECT_EQ(cost_of(world,
                    [&] {
                      EXPECT_EQ(world.access(kVa, AccessKind::Store).fault,
                                mmu::FaultReason::Protection);
                    }),
            (Cost{46 + 36 + kEntMm, 3, 0, 3, 0}));
  EXPECT_EQ(world.counter("cause.fault_on_write"), 1u);
  // Now it is in the DTB: reads hit, a store traps at once.
  EXPECT_TRUE(world.access(kVa, AccessKind::Load).ok());
  EXPECT_TRUE(world.mmu().load_hits(kVa));
  EXPECT_FALSE(world.mmu().store_hits(kVa));
  EXPECT_EQ(cost_of(world, [&] { world.access(kVa, AccessKind::Modify); }),
            (Cost{36 + kEntMm, 1, 0, 0, 0}));
  EXPECT_EQ(world.counter("cause.fault_on_write"), 2u);
}

TEST(AlphaMmu, FaultOnReadAndOnExecute) {
  World world;
  world.map(kVa, 0x100, 0);  // PROT_NONE
  EXPECT_EQ(cost_of(world,
                    [&] {
                      EXPECT_EQ(world.access(kVa, AccessKind::Load).fault,
                                mmu::FaultReason::Protection);
                    }),
            (Cost{46 + 41 + kEntMm, 3, 0, 3, 0}));
  EXPECT_EQ(world.counter("cause.fault_on_read"), 1u);
  // FOE is seen by PALcode, which leaves the ITB as it is.
  EXPECT_EQ(cost_of(world,
                    [&] {
                      EXPECT_EQ(world.access(kVa, AccessKind::Fetch).fault,
                                mmu::FaultReason::Protection);
                    }),
            (Cost{10 + 30 + kEntMm, 1, 0, 1, 0}));
  EXPECT_EQ(world.counter("cause.fault_on_execute"), 1u);
  EXPECT_EQ(world.counter("tlb.itb.fills"), 0u);
}

TEST(AlphaMmu, CleanAndAgedPagesAreAccessViolations) {
  World world;
  world.map(kVa, 0x100, kRW | kRX, /*used=*/false);
  EXPECT_EQ(world.access(kVa, AccessKind::Load).fault, mmu::FaultReason::Protection);
  EXPECT_EQ(world.access(kVa, AccessKind::Store).fault, mmu::FaultReason::Protection);
  EXPECT_EQ(world.counter("cause.access_violation"), 2u);
  // A fetch inserts it, as FOE is clear, and URE is the hardware's to look at.
  EXPECT_EQ(cost_of(world,
                    [&] {
                      EXPECT_EQ(world.access(kVa, AccessKind::Fetch).fault,
                                mmu::FaultReason::Protection);
                    }),
            (Cost{15 + 28 + kEntMm, 2, 0, 1, 0}));
  EXPECT_EQ(world.counter("cause.access_violation"), 3u);
  // The kernel sets both and drops the entry from this CPU.
  world.map(kVa, 0x100, kRW | kRX);
  world.tlbs().flush_local_page(CpuId(0), MmId(0), kVa);
  for (const AccessKind kind : {AccessKind::Load, AccessKind::Store, AccessKind::Fetch})
    EXPECT_TRUE(world.access(kVa, kind, /*retry=*/true).ok());
  EXPECT_EQ(world.counter("fault.protection"), 3u);
  EXPECT_EQ(world.counter("mmu.last.data_misses"), 1u);  // the retry's is apart
}

TEST(AlphaMmu, AddressesOutsideUserSpace) {
  World world;
  EXPECT_EQ(world.access(VirtAddr(uint64_t{1} << 42), AccessKind::Load).fault,
            mmu::FaultReason::NonCanonical);
  // The user cannot read the page table, nor KSEG.
  EXPECT_EQ(world.access(kVptb, AccessKind::Load).fault, mmu::FaultReason::NonCanonical);
  EXPECT_EQ(world.access(VirtAddr(0xffff'fc00'0000'0000), AccessKind::Fetch).fault,
            mmu::FaultReason::NonCanonical);
  EXPECT_EQ(world.counter("tlb.dtb.outside"), 2u);
  EXPECT_EQ(world.counter("mmu.last.data_misses"), 0u);
}

TEST(AlphaMmu, OtherPageTablesAreSearched) {
  World world("", "gpt");
  world.map(kVa, 0x100, kRW);
  pt::WalkPath words;
  static_cast<void>(world.table().walk(kVa, words));
  const Cost cost = cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok()); });
  EXPECT_EQ(cost, (Cost{13 + words.instructions() + 5, 1, 0, words.count(), 0}));
  EXPECT_EQ(world.counter("table.loads"), 0u);
  // So is Linux's, when it is asked for: three words.
  World radix("[alpha]\nlinear_table = false\n");
  radix.map(kVa, 0x100, kRX);
  EXPECT_EQ(cost_of(radix, [&] { ASSERT_TRUE(radix.access(kVa, AccessKind::Fetch).ok()); }),
            (Cost{13 + 3 * 5 + 5, 1, 0, 3, 0}));
}

// Eight pages of an aligned group, each entry with GH = 1 (0x20).
void map_group(World& world, VirtAddr va, uint64_t pfn) {
  for (uint64_t i = 0; i < 8; ++i) {
    world.map(va + i * kStep, pfn + i, kRW);
    const pt::Lookup there = world.table().peek(va + i * kStep);
    ASSERT_EQ(world.table().install(there.handle, there.entry, there.entry | 0x20), pt::Status::Ok);
  }
}

TEST(AlphaMmu, GranularityHintsMakeOneEntryOfAGroup) {
  const VirtAddr va(0x2'0000'0000);
  for (const char* const backend : {"mlpt", "gpt"}) {
    World world("", backend);
    map_group(world, va, 0x1000);
    const mmu::Translation t = world.access(va + 3 * kStep, AccessKind::Load);
    ASSERT_TRUE(t.ok());
    EXPECT_EQ(t.pfn, Pfn(0x1003));
    EXPECT_EQ(t.size, PageShift(16));
    // The other seven pages are in the same entry, which begins at the group's first frame.
    EXPECT_EQ(world.reachable(), (std::map<uint64_t, uint64_t>{{va.value(), 0x1000}}));
    EXPECT_EQ(world.access(va + 7 * kStep, AccessKind::Store).pfn, Pfn(0x1007));
    EXPECT_EQ(world.counter("mmu.last.data_misses"), 1u);
    EXPECT_TRUE(world.mmu().store_hits(va + 7 * kStep));
    // tbis of any page takes it away.
    world.tlbs().flush_local_page(CpuId(0), MmId(0), va + 5 * kStep);
    EXPECT_TRUE(world.reachable().empty());
    EXPECT_FALSE(world.mmu().store_hits(va + 7 * kStep));
  }
  // A DTB of 8K entries holds pieces, and loses all of them together.
  World small("[alpha.dtb]\npages = 8K\n");
  map_group(small, va, 0x1000);
  EXPECT_EQ(small.access(va + 3 * kStep, AccessKind::Load).pfn, Pfn(0x1003));
  EXPECT_EQ(small.access(va + 4 * kStep, AccessKind::Load).pfn, Pfn(0x1004));
  EXPECT_EQ(small.counter("mmu.last.data_misses"), 2u);
  small.tlbs().flush_local_page(CpuId(0), MmId(0), va);
  EXPECT_TRUE(small.reachable().empty());
}

TEST(AlphaTlbs, NumbersRollOver) {
  World world("[alpha]\nasn_bits = 2\n");  // 1, 2, 3; then 0 to 3
  for (unsigned mm = 0; mm < 3; ++mm)
    world.map(kVa, 0x100 + mm, kRW, true, mm);
  constexpr CpuId kCpu(0);
  for (uint64_t mm = 0; mm < 3; ++mm) {
    world.run(mm);
    EXPECT_EQ(world.access(kVa, AccessKind::Load).pfn, Pfn(0x100 + mm));
    EXPECT_EQ(world.tlbs().number_of(kCpu, MmId(mm)), static_cast<int>(mm) + 1);
  }
  // Going back costs nothing.
  world.run(0);
  EXPECT_EQ(cost_of(world, [&] { EXPECT_EQ(world.access(kVa, AccessKind::Load).pfn, Pfn(0x100)); }),
            Cost{});
  EXPECT_TRUE(world.mmu().load_hits(kVa));
  EXPECT_EQ(world.counter("switch.numbers"), 3u);
  EXPECT_EQ(world.counter("tlb.dtb.invalidated"), 0u);
  // A flush of all takes a new number: there is none, so everything goes, and the others lose
  // theirs.
  world.tlbs().flush_mm(MmId(0));
  EXPECT_EQ(world.counter("switch.roll_overs"), 1u);
  EXPECT_EQ(world.counter("mmu.emptied"), 2u);  // the new number, and tbiap before it
  EXPECT_EQ(world.tlbs().number_of(kCpu, MmId(0)), 0);
  EXPECT_EQ(world.tlbs().number_of(kCpu, MmId(1)), -1);
  EXPECT_EQ(world.counter("tlb.dtb.invalidated"), 6u);  // three pages, three of linear tables
  EXPECT_FALSE(world.mmu().load_hits(kVa));
  EXPECT_EQ(world.access(kVa, AccessKind::Load).pfn, Pfn(0x100));
  world.run(1);
  EXPECT_EQ(world.tlbs().number_of(kCpu, MmId(1)), 1);
  EXPECT_EQ(world.access(kVa, AccessKind::Load).pfn, Pfn(0x101));
  world.run(2);
  EXPECT_EQ(world.access(kVa, AccessKind::Load).pfn, Pfn(0x102));
  EXPECT_EQ(world.counter("switch.numbers"), 6u);
}

TEST(AlphaTlbs, OnlyFlushesOfASinglePageOfDataInvalidate) {
  World world;
  world.map(kVa, 0x100, kRW);
  world.map(kVa + kStep, 0x101, kRW);
  for (const uint64_t i : {uint64_t{0}, uint64_t{1}})
    ASSERT_TRUE(world.access(kVa + i * kStep, AccessKind::Load).ok());
  // A page a fault has replaced: tbis. The other stays, and its number.
  world.tlbs().flush_page(MmId(0), kVa, kPage, /*code=*/false);
  EXPECT_EQ(world.counter("flush.tbis"), 1u);
  EXPECT_EQ(world.reachable(), (std::map<uint64_t, uint64_t>{{(kVa + kStep).value(), 0x101}}));
  EXPECT_EQ(world.tlbs().number_of(CpuId(0), MmId(0)), 1);
  // A range, though it be the same page: nothing is invalidated, nothing can be reached.
  int number = 2;
  for (const mmu::RangeFlush why :
       {mmu::RangeFlush::Unmap, mmu::RangeFlush::Protect, mmu::RangeFlush::Change}) {
    ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
    world.tlbs().flush_range(MmId(0), {kVa, kVa + kStep}, kPage, false, why);
    EXPECT_EQ(world.tlbs().number_of(CpuId(0), MmId(0)), number++);
    EXPECT_TRUE(world.reachable().empty());
  }
  EXPECT_EQ(world.counter("tlb.dtb.invalidated"), 1u);
  EXPECT_EQ(world.counter("flush.spaces"), 3u);
  EXPECT_EQ(world.counter("mmu.emptied"), 3u);
  EXPECT_EQ(world.counter("mmu.flushed_pages"), 1u);
  EXPECT_FALSE(world.mmu().load_hits(kVa + kStep));
  // A page of code as one of data, unless asked for as Linux has it.
  world.tlbs().flush_page(MmId(0), kVa, kPage, /*code=*/true);
  EXPECT_EQ(world.counter("flush.tbis"), 2u);
  World linux_world("[alpha]\ncode_pages = number\n");
  linux_world.tlbs().flush_page(MmId(0), kVa, kPage, /*code=*/true);
  EXPECT_EQ(linux_world.tlbs().number_of(CpuId(0), MmId(0)), 2);
  linux_world.tlbs().flush_local_page(CpuId(0), MmId(0), kVa, /*code=*/true);
  EXPECT_EQ(linux_world.tlbs().number_of(CpuId(0), MmId(0)), 3);
  EXPECT_EQ(linux_world.counter("flush.tbis"), 0u);
}

// Linux flushes the page after a fault that only set a bit as it does any: on all CPUs.
TEST(AlphaTlbs, AFaultThatChangesLittleFlushesEverywhere) {
  World world("", "mlpt", 2);
  world.map(kVa, 0x100, kRW);
  world.run(0, 1);
  for (const uint32_t cpu : {0u, 1u})
    ASSERT_TRUE(world.access(kVa, AccessKind::Load, false, cpu).ok());
  world.tlbs().flush_local_page(CpuId(1), MmId(0), kVa);
  EXPECT_EQ(world.counter("flush.tbis"), 2u);
  EXPECT_EQ(world.counter("flush.interrupts"), 1u);
  EXPECT_TRUE(world.reachable().empty());
}

TEST(AlphaTlbs, FreedTablesCannotBeReachedThroughTheLinearTable) {
  World world;
  world.map(kVa, 0x100, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  pt::WalkPath words;
  static_cast<void>(world.table().walk(kVa, words));
  const PhysAddr table(words.steps().back().address.value() & ~kPage.offset_mask());
  EXPECT_TRUE(world.tlbs().walk_caches_reach(table, kPage.bytes()));
  EXPECT_FALSE(world.tlbs().walk_caches_reach(table + kPage.bytes(), kPage.bytes()));
  world.unmap(kVa);
  world.tlbs().flush_range(MmId(0), {kVa, kVa + kStep}, kPage, /*freed_tables=*/true);
  EXPECT_FALSE(world.tlbs().walk_caches_reach(table, kPage.bytes()));
  EXPECT_TRUE(world.reachable().empty());
}

TEST(AlphaTlbs, EveryCpuHasNumbersOfItsOwn) {
  World world("", "mlpt", 2);
  world.map(kVa, 0x100, kRW);
  world.map(kVa, 0x101, kRW, true, 1);
  world.run(1, 1);
  world.run(0, 1);
  EXPECT_EQ(world.tlbs().number_of(CpuId(0), MmId(0)), 1);
  EXPECT_EQ(world.tlbs().number_of(CpuId(1), MmId(0)), 2);
  for (const uint32_t cpu : {0u, 1u})
    ASSERT_TRUE(world.access(kVa, AccessKind::Load, false, cpu).ok());
  // Both run it: one interrupt.
  world.tlbs().flush_mm(MmId(0));
  EXPECT_EQ(world.counter("flush.interrupts"), 1u);
  EXPECT_TRUE(world.reachable().empty());
  ASSERT_TRUE(world.access(kVa, AccessKind::Load, false, 0).ok());
  ASSERT_TRUE(world.access(kVa, AccessKind::Load, false, 1).ok());
  // Where it no longer runs it loses its number; without one, since nobody else has it.
  world.run(1, 1);
  world.tlbs().work_on(CpuId(0));
  world.tlbs().flush_range(MmId(0), {kVa, kVa + kStep}, kPage, false);
  EXPECT_EQ(world.counter("flush.interrupts"), 1u);
  EXPECT_EQ(world.tlbs().number_of(CpuId(1), MmId(0)), -1);
  EXPECT_TRUE(world.reachable().empty());
  // Asked for by who does not run it, all others are told.
  world.tlbs().work_on(CpuId(1));
  world.tlbs().flush_mm(MmId(0));
  EXPECT_EQ(world.counter("flush.interrupts"), 2u);
  world.tlbs().forget(MmId(1));
  EXPECT_EQ(world.access(kVa, AccessKind::Load, false, 1).fault, mmu::FaultReason::NotPresent);
}

// A CPU that idles in an address space whose only thread has moved on takes a new number when it
// comes back.
TEST(AlphaTlbs, AnIdleCpuTakesANewNumber) {
  World world("", "mlpt", 2);
  world.map(kVa, 0x100, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  world.tlbs().idle(CpuId(0));
  world.tlbs().work_on(CpuId(1));
  world.tlbs().activate(CpuId(1), MmId(0), world.table());
  ASSERT_TRUE(world.access(kVa, AccessKind::Load, false, 1).ok());
  world.tlbs().flush_mm(MmId(0));
  EXPECT_EQ(world.counter("flush.interrupts"), 0u);
  EXPECT_EQ(world.tlbs().number_of(CpuId(0), MmId(0)), -1);
  EXPECT_EQ(world.tlbs().number_of(CpuId(1), MmId(0)), 2);
  EXPECT_TRUE(world.reachable().empty());
  world.run(0, 0);
  EXPECT_EQ(world.tlbs().number_of(CpuId(0), MmId(0)), 2);
  EXPECT_FALSE(world.mmu(0).load_hits(kVa));
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
}

}  // namespace mmu_test
}  // namespace mmusim::alpha::testing
