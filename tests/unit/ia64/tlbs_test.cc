// Contexts and flushes: what is purged where, what is left behind, and what can still be reached.
#include "arch/ia64/tlbs.h"

#include <gtest/gtest.h>

#include "tests/unit/ia64/machine.h"

namespace mmusim::ia64::testing {
namespace tlbs_test {

constexpr VirtAddr kVa{0x2000'0000'0000'8000};

VirtRange page_at(VirtAddr va) {
  return {va, va + kPage.bytes()};
}

TEST(Ia64Tlbs, RegionIdentifiersAreLinuxs) {
  World world;
  EXPECT_EQ(world.tlbs().context(MmId(0)), 1u);
  for (unsigned region = 0; region < 5; ++region)
    EXPECT_EQ(world.mmu().region_register(region).word(), (1u << 3 | region) << 8 | 14 << 2 | 1);
  EXPECT_EQ(world.mmu().region_register(7).word(), 7u << 8 | 24 << 2);  // no walker
  world.run(1);
  EXPECT_EQ(world.mmu().rid_of(kVa), 2u << 3 | 1);
  World swapped("[ia64]\nswap_rid = true\n");
  EXPECT_EQ(swapped.mmu().rid_of(kVa), 9u << 8);
  EXPECT_EQ(swapped.mmu().context_of(9u << 8), 1u);
}

TEST(Ia64Tlbs, SpacesDoNotSeeEachOther) {
  for (const char* const walker : {"long", "short", "off"}) {
    SCOPED_TRACE(walker);
    World world(std::string("[ia64]\nwalker = ") + walker + "\n");
    world.map(kVa, 0x77, kRW, true, 0);
    world.map(kVa, 0x88, kRW, true, 1);
    EXPECT_EQ(world.access(kVa, AccessKind::Load).pfn, Pfn(0x77));
    world.run(1);
    EXPECT_FALSE(world.mmu().load_hits(kVa));
    EXPECT_EQ(world.access(kVa, AccessKind::Load).pfn, Pfn(0x88));
    world.run(0);
    EXPECT_EQ(world.access(kVa, AccessKind::Load).pfn, Pfn(0x77));
    EXPECT_EQ(world.counter("tlb.l1d.misses"), 2u);  // nothing was purged on the way
  }
}

TEST(Ia64Tlbs, RangesGoEverywhereTheSpaceRan) {
  World world("", "mlpt", 2);
  world.map(kVa, 0x77, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  // On one CPU only: ptc.l.
  world.tlbs().flush_range(MmId(0), page_at(kVa), kPage, false);
  EXPECT_TRUE(world.reachable().empty());
  EXPECT_EQ(world.counter("flush.ptc_local"), 1u);
  EXPECT_EQ(world.counter("vhpt.purged"), 1u);

  world.run(0, 1);
  for (const uint32_t cpu : {0u, 1u})
    ASSERT_TRUE(world.access(kVa, AccessKind::Load, false, cpu).ok());
  world.run(1, 0);  // CPU 0 goes elsewhere, and leaves entries behind
  world.tlbs().flush_range(MmId(0), page_at(kVa), kPage, false);
  EXPECT_TRUE(world.reachable().empty());
  EXPECT_EQ(world.counter("flush.ptc_global"), 1u);
  EXPECT_EQ(world.counter("vhpt.purged"), 3u);  // each CPU has a VHPT
}

TEST(Ia64Tlbs, PurgesAreOfTheSizesLinuxTakes) {
  World world;
  // 5 pages are 80K, of which log2 is 16: purges of 64K from an address rounded down, two here.
  world.tlbs().flush_range(MmId(0), {kVa, kVa + 5 * kPage.bytes()}, kPage, false);
  EXPECT_EQ(world.counter("flush.ptc_local"), 2u);
  const VirtAddr across(0x2000'0000'0003'c000);
  world.tlbs().flush_range(MmId(0), {across, across + 5 * kPage.bytes()}, kPage, false);
  EXPECT_EQ(world.counter("flush.ptc_local"), 4u);
  // From the last page of 64K on it would take three: 64K + 1, 65536, and 4 pages of the next.
  const VirtAddr late(0x2000'0000'0003'c000);
  world.tlbs().flush_range(MmId(0), {late, late + 7 * kPage.bytes()}, kPage, false);
  EXPECT_EQ(world.counter("flush.ptc_local"), 7u);
  // 2 pages: there is no purge of 32K, the next is 64K. One page: 16K.
  world.tlbs().flush_range(MmId(0), {kVa, kVa + 2 * kPage.bytes()}, kPage, false);
  EXPECT_EQ(world.counter("flush.ptc_local"), 8u);
  world.map(kVa + kPage.bytes(), 0x76, kRW);
  ASSERT_TRUE(world.access(kVa + kPage.bytes(), AccessKind::Load).ok());
  world.tlbs().flush_range(MmId(0), page_at(kVa), kPage, false);
  EXPECT_EQ(world.counter("flush.ptc_local"), 9u);
  EXPECT_TRUE(world.mmu().load_hits(kVa + kPage.bytes()));
  // What is beside the range goes too, from the TLBs, not from the VHPT.
  world.map(kVa, 0x77, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  world.tlbs().flush_range(MmId(0), {kVa + kPage.bytes(), kVa + 6 * kPage.bytes()}, kPage, false);
  EXPECT_FALSE(world.mmu().load_hits(kVa));
  EXPECT_EQ(world.reachable().size(), 1u);
  // Across regions, and from 1 TB on: everything.
  world.tlbs().flush_range(MmId(0), {kVa, VirtAddr(0x4000'0000'0000'4000)}, kPage, false);
  EXPECT_EQ(world.counter("flush.full"), 1u);
  EXPECT_EQ(world.counter("vhpt.cleared"), 1u);
  EXPECT_TRUE(world.reachable().empty());
  constexpr uint64_t kTerabyte = uint64_t{1} << 40;
  world.tlbs().flush_range(MmId(0), {kVa, kVa + kTerabyte}, kPage, false);
  EXPECT_EQ(world.counter("flush.full"), 2u);
  // A page less is 512 GB, and by 4 GB, the largest: 257, as it begins behind the first.
  world.tlbs().flush_range(MmId(0), {kVa, kVa + (kTerabyte - kPage.bytes())}, kPage, false);
  EXPECT_EQ(world.counter("flush.full"), 2u);
  EXPECT_EQ(world.counter("mmu.emptied"), 2u);
  EXPECT_EQ(world.counter("flush.ptc_local"), 11u + 257u);
}

TEST(Ia64Tlbs, AWholeSpaceIsGivenAnotherContext) {
  for (const char* const walker : {"long", "short"}) {
    SCOPED_TRACE(walker);
    World world(std::string("[ia64]\nwalker = ") + walker + "\n");
    world.map(kVa, 0x77, kRW);
    ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
    world.tlbs().flush_mm(MmId(0));
    EXPECT_EQ(world.tlbs().context(MmId(0)), 2u);
    EXPECT_EQ(world.counter("flush.contexts"), 1u);
    EXPECT_EQ(world.counter("mmu.emptied"), 1u);
    EXPECT_TRUE(world.reachable().empty());
    EXPECT_FALSE(world.mmu().load_hits(kVa));
    world.unmap(kVa);
    EXPECT_EQ(world.access(kVa, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
    // Not running: the new one comes when it is loaded.
    world.run(1);
    world.tlbs().flush_mm(MmId(0));
    EXPECT_EQ(world.tlbs().context(MmId(0)), 0u);
    world.run(0);
    EXPECT_EQ(world.tlbs().context(MmId(0)), 4u);
  }
}

TEST(Ia64Tlbs, ContextsWrap) {
  World world("[ia64]\nrid_bits = 18\n", "mlpt", 2);  // 32767 contexts
  world.map(kVa, 0x77, kRW, true, 0);
  world.map(kVa, 0x88, kRW, true, 1);
  world.run(1, 1);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load, false, 1).ok());
  const Context kept = world.tlbs().context(MmId(1));
  for (int i = 0; i < 32767 - 2; ++i) {
    ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
    world.tlbs().flush_mm(MmId(0));
  }
  EXPECT_EQ(world.tlbs().context(MmId(0)), 32767u);
  EXPECT_EQ(world.counter("switch.wraps"), 0u);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  world.tlbs().flush_mm(MmId(0));
  EXPECT_EQ(world.counter("switch.wraps"), 1u);
  EXPECT_EQ(world.tlbs().context(MmId(0)), 300u);
  EXPECT_EQ(world.counter("switch.wrap_purges"), 1u);  // the other CPU's is to come
  EXPECT_EQ(world.counter("vhpt.cleared"), 1u);
  // The other CPU goes on with what it has.
  EXPECT_EQ(world.tlbs().context(MmId(1)), kept);
  EXPECT_TRUE(world.mmu(1).load_hits(kVa));
  for (const auto& [base, frame] : world.reachable())
    EXPECT_EQ(frame, 0x88u);
  world.unmap(kVa, 0);
  EXPECT_EQ(world.access(kVa, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  world.run(2, 1);
  EXPECT_EQ(world.counter("switch.wrap_purges"), 2u);
  EXPECT_TRUE(world.reachable().empty());
}

TEST(Ia64Tlbs, TheLinearTablesPagesGoWithTheTables) {
  World world("[ia64]\nwalker = short\n");
  world.map(kVa, 0x77, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  pt::WalkPath path;
  ASSERT_NE(world.table().walk(kVa, path).entry, pt::kNone);
  const PhysAddr leaf_table(path.steps().back().address.value() & ~kPage.offset_mask());
  EXPECT_TRUE(world.tlbs().walk_caches_reach(leaf_table, kPage.bytes()));
  world.unmap(kVa);
  pt::Gather gather;
  gather.leaf(kVa, kPage);
  world.table().trim(page_at(kVa), VirtAddr(0), VirtAddr(0), gather);
  ASSERT_TRUE(gather.freed_tables());
  world.tlbs().flush_range(MmId(0), gather.range(), gather.smallest(), gather.freed_tables());
  EXPECT_FALSE(world.tlbs().walk_caches_reach(leaf_table, kPage.bytes()));
  EXPECT_EQ(world.counter("flush.ptc_table"), 1u);
  gather.release_tables();
  EXPECT_EQ(world.access(kVa, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
}

// An unmap purges what of the linear table covers it, whether tables went or not; what keeps the
// tables does not.
TEST(Ia64Tlbs, UnmapsPurgeTheLinearTable) {
  World world("[ia64]\nwalker = short\n");
  world.tlbs().flush_range(MmId(0), page_at(kVa), kPage, false, mmu::RangeFlush::Protect);
  world.tlbs().flush_page(MmId(0), kVa, kPage, false);
  world.tlbs().flush_local_page(CpuId(0), MmId(0), kVa);
  EXPECT_EQ(world.counter("flush.ptc_local"), 3u);
  EXPECT_EQ(world.counter("flush.ptc_table"), 0u);
  world.tlbs().flush_range(MmId(0), page_at(kVa), kPage, false);
  EXPECT_EQ(world.counter("flush.ptc_local"), 5u);
  EXPECT_EQ(world.counter("flush.ptc_table"), 1u);
  // 16 MB have 1024 words, 8K of the linear table: log2 of 8K + 4095 is 13, from an address that
  // is aligned to that or not.
  const VirtAddr base(0x2000'0000'0000'0000);
  world.tlbs().flush_range(MmId(0), {base, base + (16 << 20)}, kPage, false);
  EXPECT_EQ(world.counter("flush.ptc_table"), 2u);
  world.tlbs().flush_range(MmId(0), {base + (8 << 20), base + (24 << 20)}, kPage, false);
  EXPECT_EQ(world.counter("flush.ptc_table"), 4u);
  World off("[ia64]\nwalker = off\n");
  off.tlbs().flush_range(MmId(0), page_at(kVa), kPage, false);
  EXPECT_EQ(off.counter("flush.ptc_table"), 0u);
}

// exit_mmap: nobody has it (mm_users is 0), so that nobody is told and no context taken.
TEST(Ia64Tlbs, WhatHasDiedOnlyGivesUpItsContext) {
  for (const char* const walker : {"long", "short"}) {
    SCOPED_TRACE(walker);
    World world(std::string("[ia64]\nwalker = ") + walker + "\n", "gpt", 2);
    world.map(kVa, 0x77, kRW);
    world.run(0, 1);
    for (const uint32_t cpu : {0u, 1u})
      ASSERT_TRUE(world.access(kVa, AccessKind::Load, false, cpu).ok());
    world.unmap(kVa);
    world.tlbs().flush_dead(MmId(0));
    EXPECT_EQ(world.tlbs().context(MmId(0)), 0u);
    EXPECT_EQ(world.counter("switch.contexts"), 1u);
    EXPECT_EQ(world.counter("flush.contexts"), 0u);
    EXPECT_EQ(world.counter("flush.ended"), 1u);
    EXPECT_EQ(world.counter("flush.interrupts"), 0u);
    EXPECT_TRUE(world.reachable().empty());
    world.tlbs().forget(MmId(0));
    world.run(1);
    EXPECT_EQ(world.tlbs().context(MmId(1)), 2u);
  }
}

// What a fault raised is flushed like any page: by all, where others may have it.
TEST(Ia64Tlbs, RaisedPagesAreFlushedEverywhere) {
  World world("", "mlpt", 2);
  world.map(kVa, 0x77, kR);
  world.run(0, 1);
  for (const uint32_t cpu : {0u, 1u})
    ASSERT_TRUE(world.access(kVa, AccessKind::Load, false, cpu).ok());
  world.map(kVa, 0x77, kRW);
  world.tlbs().flush_local_page(CpuId(1), MmId(0), kVa);
  EXPECT_EQ(world.counter("flush.ptc_global"), 1u);
  EXPECT_TRUE(world.access(kVa, AccessKind::Store, false, 0).ok());
}

TEST(Ia64Tlbs, OnePageOnOneCpu) {
  for (const char* const backend : {"mlpt", "gpt"})
    for (const char* const walker : {"long", "short", "off"}) {
      SCOPED_TRACE(std::string(backend) + " " + walker);
      World world(std::string("[ia64]\nwalker = ") + walker + "\n", backend);
      world.map(kVa, 0x77, kR);
      EXPECT_EQ(world.access(kVa, AccessKind::Store).fault, mmu::FaultReason::Protection);
      world.map(kVa, 0x77, kRW);  // raised without a flush but this one
      world.tlbs().flush_local_page(CpuId(0), MmId(0), kVa);
      EXPECT_TRUE(world.access(kVa, AccessKind::Store, true).ok());
    }
}

TEST(Ia64Tlbs, ForgottenSpacesCannotBeReached) {
  World world("[ia64]\nwalker = short\n", "gpt");
  world.map(kVa, 0x77, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  world.unmap(kVa);
  world.tlbs().forget(MmId(0));
  EXPECT_TRUE(world.reachable().empty());
  EXPECT_EQ(world.frames().frames_in(mem::FrameUse::SoftTlb), 0u);
  EXPECT_EQ(world.access(kVa, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
}

}  // namespace tlbs_test
}  // namespace mmusim::ia64::testing
