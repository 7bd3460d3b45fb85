// The copy that hardware walks when it cannot read the kernel's page table: what fills it, what it
// may not hold, and what each step costs.
#include "mmu/shadow.h"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "arch/x86/entry_format.h"
#include "arch/x86/tlbs.h"
#include "pt/mlpt/mlpt.h"
#include "tests/unit/x86/machine.h"

namespace mmusim::x86::testing {
namespace shadow_test {

constexpr VirtAddr kVa{0x0000200000000000};
constexpr uint64_t kRead = Rights::kRead | Rights::kUser;
constexpr uint64_t kWrite = kRead | Rights::kWrite;

// The kernel's table here has leaves of 4K, 64K and 2M, and five levels: nothing x86 can walk.
class ShadowTest : public ::testing::Test {
 protected:
  ShadowTest()
      : allocator(machine.frames()),
        environment{.sink = &machine.sink(),
                    .allocator = &allocator,
                    .format = &format,
                    .geometry = pt::mlpt::parse_levels("12:4:leaf,16:5:leaf,21:9:leaf,30:9,39:9"),
                    .page = k4K},
        shape(environment.geometry, k4K, "test"),
        tlbs(machine.options(), 2, machine.frames(), machine.sink(), /*direct=*/false) {
    for (uint64_t id = 0; id < 2; ++id) {
      const PhysAddr root = *allocator.allocate(shape.level(shape.top()).table_bytes, MmId(id));
      tables.push_back(
          std::make_unique<pt::mlpt::Mlpt>(environment, shape, MmId(id), root, &sharing));
    }
    tlbs.activate(CpuId(0), MmId(0), *tables[0]);
  }

  pt::Entry leaf(uint64_t pfn, PageShift size, uint64_t rights, bool used = false) {
    return format.make_leaf({.pfn = Pfn(pfn),
                             .size = size,
                             .rights = Rights(static_cast<unsigned>(rights)),
                             .accessed = used,
                             .dirty = used});
  }
  void map(VirtAddr va, uint64_t pfn, PageShift size, uint64_t rights, unsigned mm = 0) {
    const pt::Slot slot = tables[mm]->ensure(va, size);
    ASSERT_EQ(slot.status, pt::Status::Ok);
    ASSERT_EQ(tables[mm]->install(slot.handle, slot.entry, leaf(pfn, size, rights)),
              pt::Status::Ok);
  }
  mmu::Translation access(VirtAddr va, AccessKind kind, bool retry = false) {
    return tlbs.mmu(CpuId(0)).access(va, kind, retry);
  }
  uint64_t counter(const std::string& name) {
    stats::Report report;
    tlbs.report(report);
    return report.value(name);
  }
  // Everything a TLB or the copy can still give, as base -> frame.
  std::map<uint64_t, uint64_t> reachable() {
    std::map<uint64_t, uint64_t> all;
    tlbs.for_each_translation(
        [&](const mmu::CachedTranslation& t) { all[t.base.value()] = t.pfn.value(); });
    return all;
  }
  [[nodiscard]] uint64_t shadow_frames() {
    return machine.frames().frames_in(mem::FrameUse::SoftTlb);
  }

  Machine machine;
  EntryFormat format;
  pt::TableAllocator allocator;
  pt::Environment environment;
  pt::mlpt::Shape shape;
  pt::mlpt::Sharing sharing;
  std::vector<std::unique_ptr<pt::mlpt::Mlpt>> tables;
  Tlbs tlbs;
};

TEST_F(ShadowTest, FilledOnTheFirstFaultAndThenWalked) {
  map(kVa, 0x77, k4K, kWrite);
  EXPECT_EQ(shadow_frames(), 1u);  // a root
  const mmu::Translation t = access(kVa, AccessKind::Load);
  ASSERT_TRUE(t.ok());
  EXPECT_EQ(t.pfn, Pfn(0x77));
  EXPECT_EQ(counter("shadow.lookups"), 1u);
  EXPECT_EQ(counter("shadow.fills"), 1u);
  EXPECT_EQ(counter("fault.not_present"), 1u);  // the hardware's, which the kernel never saw
  EXPECT_EQ(shadow_frames(), 4u);
  // The kernel's table has five levels, all read by the handler; in the copy three words lead down
  // and are written, and the last is read twice and written; a cmpxchg sets the accessed bit.
  EXPECT_EQ(machine.sink().total(mem::Origin::Handler), 5u + 6u + 3u + 2u);
  // A miss later needs no help.
  tlbs.mmu(CpuId(0)).invalidate_all();
  EXPECT_TRUE(access(kVa, AccessKind::Load).ok());
  EXPECT_EQ(counter("shadow.lookups"), 1u);
}

TEST_F(ShadowTest, AccessedAndDirtyGoToTheKernelsTable) {
  map(kVa, 0x77, k4K, kWrite);
  ASSERT_TRUE(access(kVa, AccessKind::Load).ok());
  EXPECT_TRUE(format.is_accessed(tables[0]->peek(kVa).entry));
  EXPECT_FALSE(format.is_dirty(tables[0]->peek(kVa).entry));
  // Read-only in the copy until the first store, which faults once.
  ASSERT_TRUE(access(kVa, AccessKind::Store).ok());
  EXPECT_TRUE(format.is_dirty(tables[0]->peek(kVa).entry));
  EXPECT_EQ(counter("shadow.dirty_fills"), 1u);
  EXPECT_EQ(counter("fault.protection"), 1u);
  tlbs.mmu(CpuId(0)).invalidate_all();
  ASSERT_TRUE(access(kVa, AccessKind::Store).ok());
  EXPECT_EQ(counter("shadow.lookups"), 2u);
  EXPECT_EQ(counter("walker.updates"), 0u);  // A and D are set from the start
  // The first of four walks found nothing; the second fault was a TLB entry's.
  EXPECT_EQ(counter("mmu.soft.lookups"), 4u);
  EXPECT_EQ(counter("mmu.soft.hits"), 3u);
}

TEST_F(ShadowTest, WhatTheKernelDoesNotAllowIsItsFault) {
  EXPECT_EQ(access(kVa, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  map(kVa, 0x77, k4K, kRead);
  EXPECT_EQ(access(kVa, AccessKind::Store).fault, mmu::FaultReason::NotPresent);
  ASSERT_TRUE(access(kVa, AccessKind::Load).ok());
  EXPECT_EQ(access(kVa, AccessKind::Store).fault, mmu::FaultReason::Protection);
  EXPECT_EQ(access(kVa, AccessKind::Fetch).fault, mmu::FaultReason::Protection);
  EXPECT_EQ(counter("shadow.lookups"), 5u);
  EXPECT_EQ(counter("shadow.fills"), 1u);
}

TEST_F(ShadowTest, TheRetryAfterTheKernelsFaultDoesNotFaultAgain) {
  EXPECT_FALSE(access(kVa, AccessKind::Store).ok());
  map(kVa, 0x77, k4K, kWrite);
  EXPECT_TRUE(access(kVa, AccessKind::Store, /*retry=*/true).ok());
  EXPECT_EQ(counter("fault.not_present"), 1u);
  EXPECT_EQ(counter("shadow.preloads"), 1u);
  EXPECT_EQ(counter("shadow.fills"), 0u);
}

// It costs here what it costs where the hardware reads the kernel's table: the look-up that finds
// out is the kernel's own, and what it puts into the copy it has in hand.
TEST_F(ShadowTest, AFaultOfTheKernelsCostsNothingHere) {
  EXPECT_FALSE(access(kVa, AccessKind::Store).ok());
  map(kVa, 0x77, k4K, kWrite);
  const uint64_t kernel = machine.sink().total(mem::Origin::Kernel);
  EXPECT_TRUE(access(kVa, AccessKind::Store, /*retry=*/true).ok());
  EXPECT_EQ(machine.sink().total(mem::Origin::Handler), 0u);
  EXPECT_EQ(tlbs.mmu(CpuId(0)).path().instructions(), 0u);
  // Accessed and dirty are set, which is a read and a write, and the copy's words.
  EXPECT_EQ(machine.sink().total(mem::Origin::Kernel) - kernel, 2u + 6u + 3u);
}

TEST_F(ShadowTest, NeighboursComeAlongIfTheyHaveBeenUsed) {
  Options options = machine.options();
  options.shadow_prefill = 8;
  Tlbs eight(options, 1, machine.frames(), machine.sink(), /*direct=*/false);
  eight.activate(CpuId(0), MmId(0), *tables[0]);
  const auto value = [&](const char* name) {
    stats::Report report;
    eight.report(report);
    return report.value(name);
  };
  Mmu& mmu = eight.mmu(CpuId(0));
  // Eleven pages; the kernel has seen uses of all but the third.
  for (uint64_t i = 0; i < 11; ++i) {
    map(kVa + i * 0x1000, 0x100 + i, k4K, kWrite);
    const pt::Lookup found = tables[0]->peek(kVa + i * 0x1000);
    if (i == 2) continue;
    ASSERT_EQ(
        tables[0]->install(found.handle, found.entry, leaf(0x100 + i, k4K, kWrite, /*used=*/true)),
        pt::Status::Ok);
  }
  const uint64_t handler = machine.sink().total(mem::Origin::Handler);
  ASSERT_TRUE(mmu.access(kVa + 0x5000, AccessKind::Load, false).ok());
  EXPECT_EQ(value("shadow.fills"), 1u);
  EXPECT_EQ(value("shadow.prefills"), 6u);
  // The neighbours' words are beside the one looked up: seven reads more, and six times four reads
  // on the way, the word twice more, and a write, in the copy.
  EXPECT_EQ(machine.sink().total(mem::Origin::Handler) - handler, 5u + 9u + 7u + 6u * 6u);
  for (const uint64_t page : {0u, 1u, 3u, 4u, 6u, 7u})
    ASSERT_TRUE(mmu.access(kVa + page * 0x1000, AccessKind::Store, false).ok());
  EXPECT_EQ(value("shadow.lookups"), 1u);
  EXPECT_FALSE(format.is_accessed(tables[0]->peek(kVa + 0x2000).entry));
  ASSERT_TRUE(mmu.access(kVa + 0x2000, AccessKind::Load, false).ok());
  EXPECT_EQ(value("shadow.lookups"), 2u);
  eight.forget(MmId(0));
}

// Where the kernel's tables of 2 MiB are shared, so is the copy's leaf table.
TEST_F(ShadowTest, CopiesAreSharedWhereTheTablesAre) {
  constexpr VirtAddr kThere = kVa + (uint64_t{6} << 20);
  for (uint64_t i = 0; i < 3; ++i)
    map(kVa + i * 0x1000, 0x100 + i, k4K, kWrite);
  ASSERT_EQ(tables[1]->share(kThere, *tables[0], kVa, k2M, Rights(0xf)), pt::Status::Ok);
  for (uint64_t i = 0; i < 3; ++i)
    ASSERT_TRUE(access(kVa + i * 0x1000, AccessKind::Store).ok());
  EXPECT_EQ(shadow_frames(), 4u);
  tlbs.activate(CpuId(0), MmId(1), *tables[1]);
  for (uint64_t i = 0; i < 3; ++i)
    EXPECT_EQ(access(kThere + i * 0x1000, AccessKind::Store).pfn, Pfn(0x100 + i));
  EXPECT_EQ(shadow_frames(), 7u);  // a root and two tables more
  EXPECT_EQ(counter("shadow.joined"), 1u);
  EXPECT_EQ(counter("shadow.lookups"), 4u);
  EXPECT_EQ(counter("path.shadow.join"), 1u);
  EXPECT_EQ(counter("path.shadow.fill"), 3u);
  // What one puts there, the other finds.
  map(kVa + 0x9000, 0x109, k4K, kWrite);
  ASSERT_TRUE(access(kThere + 0x9000, AccessKind::Store).ok());
  tlbs.activate(CpuId(0), MmId(0), *tables[0]);
  EXPECT_TRUE(access(kVa + 0x9000, AccessKind::Store).ok());
  EXPECT_EQ(counter("shadow.lookups"), 5u);

  // A page goes, and both are told: the first leaves, the second has the table to itself.
  pt::Entry old = pt::kNone;
  ASSERT_EQ(tables[0]->clear(tables[0]->peek(kVa + 0x1000).handle, old), pt::Status::Ok);
  tlbs.flush_range(MmId(0), {kVa + 0x1000, kVa + 0x2000}, k4K, false);
  EXPECT_EQ(counter("shadow.left"), 1u);
  tlbs.flush_range(MmId(1), {kThere + 0x1000, kThere + 0x2000}, k4K, false);
  EXPECT_EQ(counter("shadow.left"), 1u);
  for (const auto& [base, pfn] : reachable())
    EXPECT_NE(pfn, 0x101u) << base;
  EXPECT_EQ(access(kVa + 0x1000, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  tlbs.mmu(CpuId(0)).invalidate_all();
  EXPECT_TRUE(access(kVa, AccessKind::Load).ok());
  EXPECT_EQ(counter("shadow.joined"), 2u);

  // The second no longer shares the kernel's table: what comes later is not seen there.
  pt::Gather gather;
  ASSERT_EQ(tables[1]->leave(kThere, gather), pt::Status::Ok);
  tlbs.flush_range(MmId(1), gather.range(), k4K, true);
  map(kVa + 0xa000, 0x10a, k4K, kWrite);
  ASSERT_TRUE(access(kVa + 0xa000, AccessKind::Store).ok());
  tlbs.activate(CpuId(0), MmId(1), *tables[1]);
  EXPECT_EQ(access(kThere + 0xa000, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  EXPECT_EQ(access(kThere, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  tlbs.forget(MmId(0));
  tlbs.forget(MmId(1));
  EXPECT_EQ(shadow_frames(), 0u);
}

// Less than a table of the hardware's serves cannot be shared.
TEST_F(ShadowTest, CopiesOfSmallSharedBlocksAreNot) {
  map(kVa, 0x100, k4K, kWrite);
  ASSERT_EQ(tables[1]->share(kVa, *tables[0], kVa, PageShift(16), Rights(0xf)), pt::Status::Ok);
  ASSERT_TRUE(access(kVa, AccessKind::Store).ok());
  tlbs.activate(CpuId(0), MmId(1), *tables[1]);
  ASSERT_TRUE(access(kVa, AccessKind::Store).ok());
  EXPECT_EQ(counter("shadow.joined"), 0u);
  EXPECT_EQ(shadow_frames(), 8u);
}

TEST_F(ShadowTest, SizesTheHardwareLacksAreMappedInPieces) {
  map(kVa, 0x1230, PageShift(16), kWrite);
  for (const uint64_t page : {0u, 5u, 15u}) {
    const mmu::Translation t = access(kVa + page * 0x1000 + 8, AccessKind::Load);
    ASSERT_TRUE(t.ok());
    EXPECT_EQ(t.size, k4K);
    EXPECT_EQ(t.pfn, Pfn(0x1230 + page));
  }
  EXPECT_EQ(counter("shadow.fills"), 3u);
  map(kVa + (4 << 20), 0x4000, k2M, kWrite);
  const mmu::Translation t = access(kVa + (4 << 20) + 0x5000, AccessKind::Load);
  EXPECT_EQ(t.size, k2M);
  EXPECT_EQ(t.pfn, Pfn(0x4005));
}

TEST_F(ShadowTest, ALargeLeafThatWasSplit) {
  map(kVa, 0x4000, k2M, kWrite);
  ASSERT_TRUE(access(kVa, AccessKind::Load).ok());
  ASSERT_EQ(tables[0]->split(tables[0]->peek(kVa).handle, k4K), pt::Status::Ok);
  // Same translations, so no flush; the store finds the smaller leaf.
  const mmu::Translation t = access(kVa + 0x3000, AccessKind::Store);
  ASSERT_TRUE(t.ok());
  EXPECT_EQ(t.pfn, Pfn(0x4003));
  EXPECT_EQ(t.size, k4K);
  EXPECT_FALSE(format.is_dirty(tables[0]->peek(kVa).entry));
  EXPECT_TRUE(format.is_dirty(tables[0]->peek(kVa + 0x3000).entry));
}

TEST_F(ShadowTest, FlushedRangesAreGoneAndTheirTablesFreed) {
  for (uint64_t i = 0; i < 3; ++i) {
    map(kVa + i * 0x1000, 0x100 + i, k4K, kRead);
    ASSERT_TRUE(access(kVa + i * 0x1000, AccessKind::Load).ok());
  }
  pt::Entry old = pt::kNone;
  ASSERT_EQ(tables[0]->clear(tables[0]->peek(kVa + 0x1000).handle, old), pt::Status::Ok);
  tlbs.flush_range(MmId(0), {kVa + 0x1000, kVa + 0x2000}, k4K, false);
  EXPECT_EQ(reachable(),
            (std::map<uint64_t, uint64_t>{{kVa.value(), 0x100}, {kVa.value() + 0x2000, 0x102}}));
  EXPECT_EQ(access(kVa + 0x1000, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  EXPECT_EQ(shadow_frames(), 4u);
  tlbs.flush_range(MmId(0), {kVa, kVa + 0x200000}, k4K, false);
  EXPECT_TRUE(reachable().empty());
  EXPECT_EQ(shadow_frames(), 1u);
  // No walk cache points into what was freed: every frame of memory may be asked.
  EXPECT_FALSE(tlbs.walk_caches_reach(PhysAddr(0), machine.frames().total_frames() * 0x1000));
}

TEST_F(ShadowTest, FlushedAddressSpacesAreGone) {
  map(kVa, 0x100, k4K, kWrite);
  map(kVa, 0x200, k4K, kWrite, 1);
  ASSERT_TRUE(access(kVa, AccessKind::Store).ok());
  tlbs.activate(CpuId(0), MmId(1), *tables[1]);
  EXPECT_EQ(access(kVa, AccessKind::Store).pfn, Pfn(0x200));
  EXPECT_EQ(shadow_frames(), 8u);
  // Not running: its translations go all the same, from the copy at once.
  tlbs.flush_mm(MmId(0));
  EXPECT_EQ(reachable(), (std::map<uint64_t, uint64_t>{{kVa.value(), 0x200}}));
  EXPECT_EQ(shadow_frames(), 5u);
  EXPECT_EQ(counter("shadow.dropped"), 1u);
  tlbs.activate(CpuId(0), MmId(0), *tables[0]);
  EXPECT_EQ(access(kVa, AccessKind::Load).pfn, Pfn(0x100));
  tlbs.forget(MmId(0));
  tlbs.forget(MmId(1));
  EXPECT_EQ(shadow_frames(), 0u);
  EXPECT_TRUE(reachable().empty());
}

TEST_F(ShadowTest, WithoutMemoryTheEntryIsLeftOut) {
  map(kVa, 0x100, k4K, kWrite);
  std::vector<Pfn> taken;
  while (const auto frame = machine.frames().allocate(0, mem::FrameUse::Anonymous, 1))
    taken.push_back(*frame);
  EXPECT_EQ(access(kVa, AccessKind::Store).fault, mmu::FaultReason::NoMemory);
  // The store has not been made.
  EXPECT_FALSE(format.is_accessed(tables[0]->peek(kVa).entry));
  EXPECT_FALSE(format.is_dirty(tables[0]->peek(kVa).entry));
  EXPECT_EQ(counter("shadow.no_room"), 1u);
  // Three tables are needed; two remain linked when there are only two.
  for (const unsigned frames : {2u, 1u}) {
    for (unsigned i = 0; i < frames; ++i) {
      machine.frames().free(taken.back(), 0);
      taken.pop_back();
    }
    const mmu::Translation t = access(kVa, AccessKind::Store, /*retry=*/true);
    EXPECT_EQ(t.ok(), frames == 1);
  }
  EXPECT_EQ(shadow_frames(), 4u);
  EXPECT_TRUE(format.is_dirty(tables[0]->peek(kVa).entry));
}

TEST_F(ShadowTest, CopiesAreGivenUpWhenMemoryIsShort) {
  map(kVa, 0x100, k4K, kWrite);
  map(kVa, 0x200, k4K, kWrite, 1);
  ASSERT_TRUE(access(kVa, AccessKind::Store).ok());
  tlbs.activate(CpuId(0), MmId(1), *tables[1]);
  ASSERT_TRUE(access(kVa, AccessKind::Store).ok());
  EXPECT_EQ(shadow_frames(), 8u);
  // All but the root that is loaded.
  EXPECT_TRUE(tlbs.shrink());
  EXPECT_EQ(shadow_frames(), 1u);
  EXPECT_TRUE(reachable().empty());
  EXPECT_FALSE(tlbs.shrink());
  // No root for the other: it is not loaded, and this one runs on.
  std::vector<Pfn> taken;
  while (const auto frame = machine.frames().allocate(0, mem::FrameUse::Anonymous, 1))
    taken.push_back(*frame);
  EXPECT_FALSE(tlbs.activate(CpuId(0), MmId(0), *tables[0]));
  for (unsigned i = 0; i < 4; ++i) {
    machine.frames().free(taken.back(), 0);
    taken.pop_back();
  }
  EXPECT_EQ(access(kVa, AccessKind::Store).pfn, Pfn(0x200));
  EXPECT_TRUE(tlbs.activate(CpuId(0), MmId(0), *tables[0]));
  EXPECT_EQ(access(kVa, AccessKind::Store).fault, mmu::FaultReason::NoMemory);
  EXPECT_TRUE(tlbs.shrink());
  EXPECT_EQ(access(kVa, AccessKind::Store).pfn, Pfn(0x100));
}

}  // namespace shadow_test
}  // namespace mmusim::x86::testing
