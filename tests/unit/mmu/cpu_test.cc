#include "mmu/cpu.h"

#include <gtest/gtest.h>
#include <set>
#include <string>

#include "tests/unit/mmu/toy_cpu.h"

namespace mmusim::mmu {
namespace cpu_test {

using toy::k4K;
using toy::k64K;
using toy::ToyMmu;

constexpr unsigned kRW = Rights::kRead | Rights::kWrite;

struct World {
  mem::FrameMemory frames{uint64_t{1} << 24, k4K};
  mem::ReferenceSink sink;
  ToyMmu mmu{frames, sink};

  World() { mmu.load(1); }
  void map(uint64_t at, uint64_t pfn, PageShift size, unsigned rights, bool dirty = true) {
    mmu.pages.push_back(
        {{VirtAddr(at), VirtAddr(at) + size.bytes()},
         {.pfn = Pfn(pfn), .size = size, .rights = Rights(rights), .dirty = dirty}});
  }
  Translation access(uint64_t at, AccessKind kind, bool retry = false) {
    return mmu.access(VirtAddr(at), kind, retry);
  }
};

TEST(Cpu, CountsLevelsAndRetriesApart) {
  World w;
  w.map(0x5000, 9, k4K, Rights::kExec);
  EXPECT_EQ(w.access(0x5000, AccessKind::Fetch).pfn, Pfn(9));
  for (const uint64_t other : {0x6000u, 0x7000u, 0x8000u, 0x9000u}) {
    w.map(other, 1, k4K, Rights::kExec);
    EXPECT_TRUE(w.access(other, AccessKind::Fetch).ok());
  }
  EXPECT_TRUE(w.access(0x5000, AccessKind::Fetch).ok());  // in the second level yet
  EXPECT_FALSE(w.access(0x20000, AccessKind::Load).ok());
  EXPECT_FALSE(w.access(0x20000, AccessKind::Load, /*retry=*/true).ok());
  EXPECT_FALSE(w.access(uint64_t{1} << 40, AccessKind::Load).ok());
  EXPECT_FALSE(w.access(uint64_t{1} << 40, AccessKind::Load, true).ok());
  const ToyMmu::Counters c = w.mmu.counters();
  EXPECT_EQ(c.sides[kFetches].misses, 6u);
  EXPECT_EQ(c.sides[kFetches].second_misses, 5u);
  EXPECT_EQ(c.sides[kData].misses, 1u);
  EXPECT_EQ(c.sides[kData].second_misses, 1u);
  EXPECT_EQ(c.sides[kData].retry_lookups, 2u);
  EXPECT_EQ(c.sides[kData].retry_misses, 1u);
  EXPECT_EQ(c.sides[kData].retry_second_misses, 1u);
  EXPECT_EQ(c.sides[kData].outside, 1u);
  EXPECT_EQ(c.handled, 5u);
  EXPECT_EQ(c.levels[toy::kToyL1I].fills, 6u);
  EXPECT_EQ(c.levels[toy::kToyL1I].evictions, 2u);
  EXPECT_EQ(c.levels[toy::kToyL2].fills, 5u);
  EXPECT_EQ(c.levels[toy::kToyL2I].fills, 0u);
  EXPECT_EQ(c.faults[static_cast<unsigned>(FaultReason::NotPresent)], 2u);
  EXPECT_EQ(c.faults[static_cast<unsigned>(FaultReason::NonCanonical)], 2u);
  EXPECT_EQ(w.mmu.path().taken(1), 4u);
}

// The second level's entry is the whole leaf; the first level, which holds 4K only, gets the part.
TEST(Cpu, ASecondLevelGivesTheLeafToTheFirst) {
  World w;
  w.map(0x30000, 0x40, k64K, kRW);
  EXPECT_EQ(w.access(0x33000, AccessKind::Load).pfn, Pfn(0x43));
  const Translation t = w.access(0x3f123, AccessKind::Load);
  EXPECT_EQ(t.pfn, Pfn(0x4f));
  EXPECT_EQ(t.size, k64K);
  EXPECT_EQ(w.mmu.counters().handled, 1u);
  // And one page takes all parts.
  const uint64_t before = w.mmu.generation();
  w.mmu.purge(VirtAddr(0x30000));
  EXPECT_NE(w.mmu.generation(), before);
  std::set<std::string> left;
  w.mmu.for_each_entry([&](const char* where, const tlb::EntryView&) { left.insert(where); });
  EXPECT_TRUE(left.empty());
}

TEST(Cpu, TheFilterKnowsWhatTheEntryAllows) {
  World w;
  w.map(0x1000, 1, k4K, Rights::kRead);
  w.map(0x2000, 2, k4K, kRW, /*dirty=*/false);
  w.map(0x3000, 3, k4K, kRW);
  w.map(0x4000, 4, k4K, kRW | Rights::kExec);
  for (const uint64_t at : {0x1000u, 0x2000u, 0x3000u}) {
    EXPECT_FALSE(w.mmu.load_hits(VirtAddr(at)));
    EXPECT_TRUE(w.access(at, AccessKind::Load).ok());
    EXPECT_TRUE(w.mmu.load_hits(VirtAddr(at)));
    EXPECT_EQ(w.mmu.store_hits(VirtAddr(at)), at == 0x3000);
    EXPECT_FALSE(w.mmu.fetch_hits(VirtAddr(at)));
  }
  EXPECT_TRUE(w.access(0x4000, AccessKind::Fetch).ok());
  EXPECT_TRUE(w.mmu.fetch_hits(VirtAddr(0x4fff)));
  EXPECT_FALSE(w.mmu.load_hits(VirtAddr(0x4000)));
}

TEST(Cpu, TheFilterAnswersForTheLoadedSpaceOnly) {
  World w;
  w.map(0x1000, 1, k4K, kRW);
  EXPECT_TRUE(w.access(0x1000, AccessKind::Load).ok());
  const uint64_t before = w.mmu.generation();
  w.mmu.load(2);
  EXPECT_NE(w.mmu.generation(), before);
  EXPECT_FALSE(w.mmu.load_hits(VirtAddr(0x1000)));
  w.mmu.unload();
  EXPECT_FALSE(w.mmu.load_hits(VirtAddr(0x1000)));
  EXPECT_EQ(w.access(0x1000, AccessKind::Load).fault, FaultReason::NotPresent);
  EXPECT_EQ(w.mmu.counters().sides[kData].second_misses, 2u);
  w.mmu.load(1);
  EXPECT_TRUE(w.mmu.load_hits(VirtAddr(0x1000)));
}

// Both sides' clocks are one to the loop.
TEST(Cpu, TimeIsTheLaterSides) {
  World w;
  w.map(0x1000, 1, k4K, kRW);
  EXPECT_TRUE(w.access(0x1000, AccessKind::Load).ok());
  w.mmu.set_time(100);
  EXPECT_TRUE(w.mmu.load_hits(VirtAddr(0x1000)));
  EXPECT_EQ(w.mmu.time(), 101u);
}

TEST(Cpu, ASideWithoutASecondLevelCountsNone) {
  Arrays arrays = toy::toy_arrays();
  arrays[toy::kToyL2].clear();
  World w;
  ToyMmu mmu(w.frames, w.sink, arrays);
  EXPECT_FALSE(mmu.access(VirtAddr(0), AccessKind::Load, false).ok());
  EXPECT_EQ(mmu.counters().sides[kData].misses, 1u);
  EXPECT_EQ(mmu.counters().sides[kData].second_misses, 0u);
}

}  // namespace cpu_test
}  // namespace mmusim::mmu
