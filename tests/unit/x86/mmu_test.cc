// One CPU: TLB levels, counting rules, the fast path, dirty assists, page faults, invalidations.
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <tuple>

#include "arch/x86/report.h"
#include "stats/report.h"
#include "tests/unit/x86/machine.h"

namespace mmusim::x86::testing {
namespace mmu_test {

using mmu::FaultReason;

constexpr uint64_t kVa = 0x00007f1234567000;

// As the replay loop does it.
mmu::Translation reach(Mmu& mmu, uint64_t va, AccessKind kind) {
  mmu.count(kind, 1);
  return mmu.access(VirtAddr(va), kind, false);
}
bool hits_fast(Mmu& mmu, uint64_t va, AccessKind kind) {
  if (kind == AccessKind::Fetch) return mmu.fetch_hits(VirtAddr(va));
  return writes(kind) ? mmu.store_hits(VirtAddr(va)) : mmu.load_hits(VirtAddr(va));
}
// Whether the access was a first-level hit, a second-level hit or a walk: "1", "2", "w"; "f" for a
// fault.
std::string served(Mmu& mmu, uint64_t va, AccessKind kind = AccessKind::Load) {
  const Mmu::Counters before = mmu.counters();
  if (!reach(mmu, va, kind).ok()) return "f";
  const Mmu::Counters after = mmu.counters();
  const size_t side = kind == AccessKind::Fetch ? 0 : 1;
  if (after.sides[side].misses == before.sides[side].misses) return "1";
  return after.sides[side].second_misses == before.sides[side].second_misses ? "2" : "w";
}

constexpr const char* kTiny =
    "[tlb.l1i]\nentries = 2\nways = 2\n[tlb.l1i.large]\nentries = 0\n"
    "[tlb.l1d]\nentries = 2\nways = 2\n[tlb.l1d.large]\nentries = 2\nways = 2\n"
    "[tlb.l1d.huge]\nentries = 0\n"
    "[tlb.l2]\nentries = 4\nways = 4\n[tlb.l2.huge]\nentries = 0\n";

class MmuTest : public ::testing::Test {
 protected:
  explicit MmuTest(const char* text = kTiny)
      : machine(text), mmu(machine.make_mmu()), root(machine.new_table()) {
    mmu->load({.address = root, .extra = 0}, 1);
  }
  void map_pages(unsigned count, uint64_t bits = kData) {
    for (unsigned i = 0; i < count; ++i)
      machine.map(root, kVa + 0x1000u * i, 0x100 + i, bits);
  }
  Machine machine;
  std::unique_ptr<Mmu> mmu;
  PhysAddr root;
};

TEST_F(MmuTest, MissWalksThenHitsInBothLevels) {
  map_pages(3);
  const mmu::Translation t = reach(*mmu, kVa + 0x1234 - 0x1000 + 0x1000, AccessKind::Load);
  EXPECT_TRUE(t.ok());
  EXPECT_EQ(t.pfn, Pfn(0x101));
  EXPECT_EQ(t.size, k4K);
  EXPECT_EQ(t.rights, Rights(Rights::kRead | Rights::kWrite | Rights::kUser));

  EXPECT_EQ(served(*mmu, kVa + 0x1000), "1");
  EXPECT_EQ(served(*mmu, kVa), "w");
  EXPECT_EQ(served(*mmu, kVa + 0x2000), "w");  // the first page makes room in the first level
  EXPECT_EQ(served(*mmu, kVa + 0x1000), "2");
  EXPECT_EQ(served(*mmu, kVa + 0x1000), "1");
}

TEST_F(MmuTest, FastPathKnowsWhatHasBeenHitAndKeepsTheOrderOfUse) {
  map_pages(3);
  EXPECT_FALSE(mmu->load_hits(VirtAddr(kVa)));
  reach(*mmu, kVa, AccessKind::Load);
  reach(*mmu, kVa + 0x1000, AccessKind::Load);
  EXPECT_TRUE(mmu->load_hits(VirtAddr(kVa + 0xfff)));  // now the more recent one
  EXPECT_TRUE(mmu->store_hits(VirtAddr(kVa)));         // the leaf is dirty already
  EXPECT_FALSE(mmu->fetch_hits(VirtAddr(kVa)));
  reach(*mmu, kVa + 0x2000, AccessKind::Load);
  EXPECT_TRUE(mmu->load_hits(VirtAddr(kVa)));
  EXPECT_FALSE(mmu->load_hits(VirtAddr(kVa + 0x1000)));
  EXPECT_EQ(served(*mmu, kVa + 0x1000), "2");
}

TEST_F(MmuTest, FastPathDoesNotTakeAnotherPageForTheSame) {
  map_pages(1);
  reach(*mmu, kVa, AccessKind::Load);
  const uint64_t slots = tlb::HitFilter::kSlots << 12;
  for (unsigned bit = 12; bit < 64; ++bit) {
    EXPECT_FALSE(mmu->load_hits(VirtAddr(kVa ^ (uint64_t{1} << bit)))) << bit;
    EXPECT_FALSE(mmu->load_hits(VirtAddr(uint64_t{1} << bit))) << bit;
    EXPECT_FALSE(mmu->load_hits(VirtAddr(~(uint64_t{1} << bit)))) << bit;
  }
  EXPECT_FALSE(mmu->load_hits(VirtAddr(kVa + slots)));
  EXPECT_FALSE(mmu->load_hits(VirtAddr(0)));
  EXPECT_FALSE(mmu->load_hits(VirtAddr(~uint64_t{0})));
}

TEST_F(MmuTest, CountsAreWorkedOutByHand) {
  map_pages(3, kP | kW | kU | kNX | kA);  // clean
  reach(*mmu, kVa, AccessKind::Load);     // l1 miss, l2 miss, walk of 4
  reach(*mmu, kVa, AccessKind::Load);     // hit
  reach(*mmu, kVa, AccessKind::Store);    // hit, dirty assist: walk of 1, 1 write
  EXPECT_TRUE(mmu->store_hits(VirtAddr(kVa)));
  mmu->count(AccessKind::Store, 1);               // hit
  reach(*mmu, kVa + 0x1000, AccessKind::Modify);  // miss, walk of 1, sets D at once: 1 write
  reach(*mmu, kVa + 0x5000, AccessKind::Load);    // miss, walk of 1, fault
  machine.map(root, kVa + 0x5000, 0x105, kData);
  EXPECT_TRUE(mmu->access(VirtAddr(kVa + 0x5000), AccessKind::Load, true).ok());  // walk of 4
  reach(*mmu, 0x8000000000000000, AccessKind::Load);                              // non-canonical
  reach(*mmu, kVa, AccessKind::Fetch);  // l1i miss, l2 hit, refused: XD

  stats::Report report;
  report_mmu(machine.options(), mmu->counters(), report);
  EXPECT_EQ(report.value("tlb.l1d.lookups"), 7u);
  EXPECT_EQ(report.value("tlb.l1d.hits"), 3u);
  EXPECT_EQ(report.value("tlb.l1d.misses"), 3u);
  EXPECT_EQ(report.value("tlb.l1d.non_canonical"), 1u);
  EXPECT_EQ(report.value("tlb.l1d.retries"), 1u);
  EXPECT_EQ(report.value("tlb.l1d.retry_misses"), 1u);
  EXPECT_EQ(report.value("tlb.l1d.stores"), 2u);
  EXPECT_EQ(report.value("tlb.l1d.modifies"), 1u);
  EXPECT_EQ(report.value("tlb.l1d.fills"), 3u);
  EXPECT_EQ(report.value("tlb.l1d.evictions"), 1u);
  EXPECT_EQ(report.value("tlb.l1i.lookups"), 1u);
  EXPECT_EQ(report.value("tlb.l1i.misses"), 1u);
  EXPECT_EQ(report.value("tlb.l2.lookups"), 4u);
  EXPECT_EQ(report.value("tlb.l2.hits"), 1u);
  EXPECT_EQ(report.value("tlb.l2.misses"), 3u);
  EXPECT_EQ(report.value("tlb.l2.retries"), 1u);
  EXPECT_EQ(report.value("tlb.l2.retry_misses"), 1u);
  EXPECT_EQ(report.value("walker.walks"), 5u);
  EXPECT_EQ(report.value("walker.dirty_assists"), 1u);
  EXPECT_EQ(report.value("walker.loads"), 4u + 1 + 1 + 1 + 4);
  EXPECT_EQ(report.value("walker.loads.pte"), 5u);
  EXPECT_EQ(report.value("walker.loads.pml4e"), 2u);
  EXPECT_EQ(report.value("walker.pde_cache_hits"), 3u);
  EXPECT_EQ(report.value("walker.from_root"), 2u);
  EXPECT_EQ(report.value("walker.dirty_set"), 2u);
  EXPECT_EQ(report.value("walker.updates"), 2u);
  EXPECT_EQ(report.value("walker.leaves.4k"), 3u);
  EXPECT_EQ(report.value("fault.not_present"), 1u);
  EXPECT_EQ(report.value("fault.protection"), 1u);
  EXPECT_EQ(report.value("fault.non_canonical"), 1u);
}

TEST_F(MmuTest, DirtyAssistMarksTheCopyInTheSecondLevelToo) {
  map_pages(3, kP | kW | kU | kNX | kA);
  reach(*mmu, kVa, AccessKind::Load);
  EXPECT_FALSE(mmu->store_hits(VirtAddr(kVa)));
  reach(*mmu, kVa, AccessKind::Store);
  EXPECT_TRUE(mmu->store_hits(VirtAddr(kVa)));
  reach(*mmu, kVa + 0x1000, AccessKind::Load);
  reach(*mmu, kVa + 0x2000, AccessKind::Load);  // kVa is out of the first level
  EXPECT_EQ(served(*mmu, kVa, AccessKind::Store), "2");
  EXPECT_EQ(mmu->counters().dirty_assists, 1u);
  // Through a second-level hit on a clean entry:
  EXPECT_EQ(served(*mmu, kVa + 0x1000, AccessKind::Store), "2");
  EXPECT_EQ(mmu->counters().dirty_assists, 2u);
  EXPECT_TRUE(mmu->store_hits(VirtAddr(kVa + 0x1000)));
  EXPECT_EQ(machine.entry(root, kVa + 0x1000, 0) & kD, kD);
  EXPECT_EQ(machine.entry(root, kVa + 0x2000, 0) & kD, 0u);
}

TEST_F(MmuTest, DirtyAssistBelievesThePageTable) {
  map_pages(2, kP | kW | kU | kNX | kA);
  reach(*mmu, kVa, AccessKind::Load);
  machine.entry(root, kVa, 0) = 0x777000 | kData;  // replaced, and no flush
  EXPECT_EQ(reach(*mmu, kVa, AccessKind::Store).pfn, Pfn(0x777));
  EXPECT_EQ(reach(*mmu, kVa, AccessKind::Load).pfn, Pfn(0x777));
  reach(*mmu, kVa + 0x1000, AccessKind::Load);
  machine.entry(root, kVa + 0x1000, 0) = 0;
  EXPECT_EQ(reach(*mmu, kVa + 0x1000, AccessKind::Store).fault, FaultReason::NotPresent);
  EXPECT_FALSE(mmu->load_hits(VirtAddr(kVa + 0x1000)));
}

TEST_F(MmuTest, PageFaultTakesThePageAndItsWalkEntriesButNothingElse) {
  map_pages(2, kP | kU | kNX | kA);  // read-only
  reach(*mmu, kVa, AccessKind::Load);
  reach(*mmu, kVa + 0x1000, AccessKind::Load);
  const uint64_t generation = mmu->generation();
  EXPECT_EQ(reach(*mmu, kVa, AccessKind::Store).fault, FaultReason::Protection);
  EXPECT_EQ(machine.walker_reads(), 5u);  // refused from the entry, no walk
  EXPECT_NE(mmu->generation(), generation);
  EXPECT_FALSE(mmu->load_hits(VirtAddr(kVa)));
  EXPECT_TRUE(mmu->load_hits(VirtAddr(kVa + 0x1000)));
  EXPECT_EQ(served(*mmu, kVa), "w");
  EXPECT_EQ(machine.walker_reads(), 9u);  // from the root
}

TEST_F(MmuTest, NonCanonicalAddressesTouchNothing) {
  map_pages(1);
  reach(*mmu, kVa, AccessKind::Load);
  for (const uint64_t va :
       {0x0000800000000000u, 0xffff7fffffffffffu, 0x8000000000000000u, kVa | uint64_t{1} << 63}) {
    EXPECT_EQ(reach(*mmu, va, AccessKind::Load).fault, FaultReason::NonCanonical);
    EXPECT_EQ(reach(*mmu, va, AccessKind::Fetch).fault, FaultReason::NonCanonical);
  }
  EXPECT_EQ(reach(*mmu, 0xffff800000000000u, AccessKind::Load).fault, FaultReason::NotPresent);
  EXPECT_EQ(reach(*mmu, 0x00007fffffffffffu, AccessKind::Load).fault, FaultReason::NotPresent);
  EXPECT_EQ(served(*mmu, kVa), "1");
}

TEST_F(MmuTest, SupervisorPagesAreRefused) {
  map_pages(1, kP | kW | kA | kD);
  for (const AccessKind kind : {AccessKind::Load, AccessKind::Store, AccessKind::Fetch}) {
    EXPECT_EQ(reach(*mmu, kVa, kind).fault, FaultReason::Protection);
    EXPECT_FALSE(hits_fast(*mmu, kVa, kind));
  }
}

TEST_F(MmuTest, WithoutAnAddressSpaceNothingIsThere) {
  map_pages(1);
  reach(*mmu, kVa, AccessKind::Load);
  mmu->unload();
  EXPECT_FALSE(mmu->load_hits(VirtAddr(kVa)));
  EXPECT_EQ(reach(*mmu, kVa, AccessKind::Load).fault, FaultReason::NotPresent);
  EXPECT_EQ(machine.walker_reads(), 4u);
}

TEST_F(MmuTest, LargePagesShareOneEntry) {
  machine.map(root, 0x40000000, 0x200, kData, 1);
  EXPECT_EQ(served(*mmu, 0x40000000), "w");
  const mmu::Translation t = reach(*mmu, 0x40123456, AccessKind::Load);
  EXPECT_EQ(t.pfn, Pfn(0x200 + 0x123));
  EXPECT_EQ(t.size, k2M);
  EXPECT_EQ(served(*mmu, 0x401ff000, AccessKind::Store), "1");
  EXPECT_TRUE(mmu->load_hits(VirtAddr(0x40123456)));
  EXPECT_TRUE(mmu->store_hits(VirtAddr(0x401ff000)));
  mmu->invlpg(VirtAddr(0x40001000));
  EXPECT_FALSE(mmu->load_hits(VirtAddr(0x40123456)));
  EXPECT_FALSE(mmu->store_hits(VirtAddr(0x401ff000)));
  EXPECT_EQ(served(*mmu, 0x40123456), "w");
}

// The instruction side has no array for 2M: it holds fragments of 4K, the second level the whole.
TEST_F(MmuTest, LeavesTooLargeAreHeldInFragments) {
  machine.map(root, 0x40000000, 0x200, kCode, 1);
  machine.map(root, 0x40200000, 0x400, kCode, 1);
  EXPECT_EQ(served(*mmu, 0x40005000, AccessKind::Fetch), "w");
  EXPECT_EQ(served(*mmu, 0x40005000, AccessKind::Fetch), "1");
  EXPECT_EQ(served(*mmu, 0x40006000, AccessKind::Fetch), "2");
  EXPECT_EQ(reach(*mmu, 0x40006abc, AccessKind::Fetch).pfn, Pfn(0x206));
  std::set<std::tuple<std::string, uint64_t, unsigned, uint64_t>> entries;
  mmu->for_each_entry([&](const char* where, const tlb::EntryView& entry) {
    entries.emplace(where, entry.base.value(), entry.payload.size.log2(),
                    entry.payload.pfn.value());
  });
  EXPECT_EQ(entries, (decltype(entries){{"l1i", 0x40005000, 12, 0x205},
                                        {"l1i", 0x40006000, 12, 0x206},
                                        {"l2", 0x40000000, 21, 0x200}}));
  // Invalidating any address of the leaf takes all its fragments.
  mmu->invlpg(VirtAddr(0x401ff000));
  EXPECT_FALSE(mmu->fetch_hits(VirtAddr(0x40005000)));
  EXPECT_FALSE(mmu->fetch_hits(VirtAddr(0x40006000)));
  EXPECT_EQ(served(*mmu, 0x40005000, AccessKind::Fetch), "w");
}

TEST_F(MmuTest, SecondLevelFragmentsRefillTheWholeLeaf) {
  Machine other(
      "[tlb.l1d]\nentries = 2\nways = 2\npages = 4K,2M,1G\n[tlb.l1d.large]\nentries = 0\n"
      "[tlb.l1d.huge]\nentries = 0\n[tlb.l2]\nentries = 8\nways = 8\n[tlb.l2.huge]\nentries = 0\n");
  const auto cpu = other.make_mmu();
  const PhysAddr top = other.new_table();
  cpu->load({.address = top, .extra = 0}, 1);
  other.map(top, 0x40000000, 0x40000, kData, 2);
  other.map(top, 0x1000, 1, kData);
  other.map(top, 0x2000, 2, kData);
  EXPECT_EQ(served(*cpu, 0x40212345), "w");
  EXPECT_EQ(served(*cpu, 0x7fffffff), "1");  // the first level has the gigabyte
  EXPECT_EQ(served(*cpu, 0x1000), "w");
  EXPECT_EQ(served(*cpu, 0x2000), "w");
  EXPECT_EQ(served(*cpu, 0x40200000), "2");  // from the 2M fragment, and the whole again
  EXPECT_EQ(served(*cpu, 0x7fffffff), "1");
  EXPECT_EQ(reach(*cpu, 0x7fffffff, AccessKind::Load).pfn, Pfn(0x40000 + 0x3ffff));
}

// Section 4.10.4.1 of the manual, line by line.
class InvalidationTest : public MmuTest {
 protected:
  static constexpr uint64_t kOther = kVa + 0x1000;
  static constexpr uint64_t kGlobal = kVa + 0x2000;
  InvalidationTest() : MmuTest("") {
    machine.map(root, kVa, 1, kData);
    machine.map(root, kOther, 2, kData);
    machine.map(root, kGlobal, 3, kData | kG);
    other_root = machine.new_table();
    machine.map(other_root, kVa, 0x11, kData);
    machine.map(other_root, kOther, 0x12, kData);
    in(2);
    served(*mmu, kVa);
    served(*mmu, kOther);
    in(1);
    served(*mmu, kVa);
    served(*mmu, kOther);
    served(*mmu, kGlobal);
  }
  void in(Pcid pcid) { mmu->load({.address = pcid == 1 ? root : other_root, .extra = 0}, pcid); }
  uint64_t walk_loads(uint64_t va) {
    const uint64_t before = machine.walker_reads();
    served(*mmu, va);
    return machine.walker_reads() - before;
  }
  PhysAddr other_root;
};

TEST_F(InvalidationTest, LoadingWithBit63KeepsEverything) {
  EXPECT_EQ(served(*mmu, kVa), "1");
  in(2);
  EXPECT_EQ(served(*mmu, kVa), "1");
  EXPECT_EQ(reach(*mmu, kVa, AccessKind::Load).pfn, Pfn(0x11));
  EXPECT_TRUE(mmu->load_hits(VirtAddr(kVa)));
  in(1);
  EXPECT_EQ(reach(*mmu, kVa, AccessKind::Load).pfn, Pfn(1));
}

TEST_F(InvalidationTest, GlobalEntriesMatchUnderEveryPcid) {
  in(2);
  EXPECT_FALSE(mmu->load_hits(VirtAddr(kGlobal)));
  EXPECT_EQ(served(*mmu, kGlobal), "1");
  EXPECT_TRUE(mmu->load_hits(VirtAddr(kGlobal)));
  mmu->invalidate_pcid(2);
  EXPECT_EQ(served(*mmu, kGlobal), "1");
}

TEST_F(InvalidationTest, InvlpgTakesThePageAndAllWalkEntriesOfThePcid) {
  constexpr uint64_t kFar = 0x00001234'56789000;
  machine.map(root, kFar, 4, kData);
  machine.map(root, kFar + 0x1000, 5, kData);
  machine.map(other_root, kOther + 0x3000, 0x13, kData);
  served(*mmu, kFar);
  mmu->invlpg(VirtAddr(kVa));
  EXPECT_EQ(served(*mmu, kOther), "1");
  EXPECT_EQ(served(*mmu, kFar), "1");
  EXPECT_EQ(walk_loads(kFar + 0x1000), 4u);
  EXPECT_EQ(walk_loads(kVa), 4u);
  in(2);
  EXPECT_EQ(served(*mmu, kVa), "1");
  EXPECT_EQ(walk_loads(kOther + 0x3000), 1u);
}

TEST_F(InvalidationTest, InvlpgTakesGlobalEntriesUnderAnyPcid) {
  in(2);
  mmu->invlpg(VirtAddr(kGlobal));
  EXPECT_EQ(served(*mmu, kGlobal), "f");
  in(1);
  EXPECT_EQ(served(*mmu, kGlobal), "w");
}

TEST_F(InvalidationTest, OnePcidKeepsGlobalAndOthers) {
  mmu->invalidate_pcid(1);
  EXPECT_EQ(served(*mmu, kGlobal), "1");
  EXPECT_EQ(walk_loads(kVa), 4u);
  EXPECT_EQ(walk_loads(kOther), 1u);
  in(2);
  EXPECT_EQ(served(*mmu, kVa), "1");
}

TEST_F(InvalidationTest, AllNonGlobal) {
  mmu->invalidate_non_global();
  EXPECT_EQ(served(*mmu, kGlobal), "1");
  EXPECT_EQ(walk_loads(kVa), 4u);
  in(2);
  EXPECT_EQ(walk_loads(kVa), 4u);
}

TEST_F(InvalidationTest, Everything) {
  mmu->invalidate_all();
  EXPECT_EQ(served(*mmu, kGlobal), "w");
  EXPECT_EQ(served(*mmu, kVa), "w");
}

}  // namespace mmu_test
}  // namespace mmusim::x86::testing
