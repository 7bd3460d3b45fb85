// The kernel's own accesses through its linear map: what they look up, miss and fill, worked out by
// hand. 64M of memory: the handlers' code at 16K, the hash table at 256K, page tables below; all of
// it in the linear map's first page of 16M.
#include "arch/ppc64/linear_map.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "machine.h"

namespace mmusim::ppc64::testing {
namespace linear_map_test {

constexpr VirtAddr kVa(0x1000'0000);
constexpr uint64_t kSegment = uint64_t{1} << 28;
// dsi, hash_page with its four words, hash_entry, hash_done.
constexpr uint64_t kHashFault = 115 + 120 + 27 + 20 + 58 + 89;

// linear.*: lookups, misses, fetch_lookups, fetch_misses, slb_misses, tlb_misses.
using Linears = std::array<uint64_t, 6>;
Linears linears(World& world, uint32_t cpu = 0) {
  Linears all{};
  const auto counts = stats::list(world.mmu(cpu).counters().linear);
  std::copy(counts.begin(), counts.end(), all.begin());
  return all;
}
void expect(const Linears& is, const Linears& wanted) {
  EXPECT_EQ(is, wanted);
}

class Linear : public ::testing::Test {
 protected:
  // What of linear.* `action` adds.
  template <class Action>
  static Linears of(World& world, Action action, uint32_t cpu = 0) {
    const Linears before = linears(world, cpu);
    action();
    Linears more = linears(world, cpu);
    for (size_t i = 0; i < more.size(); ++i)
      more[i] -= before[i];
    return more;
  }
  static std::string with(const std::string& text) { return "[ppc64]\nlinear_map = true\n" + text; }
};

std::vector<uint64_t> kernel_pages(World& world, const std::string& where) {
  std::vector<uint64_t> pages;
  world.mmu().for_each_entry([&](const char* array, const tlb::EntryView& entry) {
    if (where == array && entry.space == kLinearSpace) pages.push_back(entry.base - kLinearMap);
  });
  std::sort(pages.begin(), pages.end());
  return pages;
}

TEST_F(Linear, FirstHashFault) {
  World world(with(""));
  // The switch to the address space ran the code that makes SLB entries, twice; its page was not
  // known, the TLB had none of 16M, and the search was of one line.
  expect(linears(world), {0, 0, 2, 1, 0, 1});
  EXPECT_EQ(world.reads(mem::Origin::Walker), 1u);
  EXPECT_EQ(kernel_pages(world, "ierat"), std::vector<uint64_t>{0x4000});
  EXPECT_EQ(kernel_pages(world, "tlb"), std::vector<uint64_t>{0});
  world.map(kVa, 0x100, kRW);
  Cost cost;
  // Code: DSI, hash_page, hash_entry, insert, hash_done, which is in the next page. Data: 4 words
  // of the page table, in 4 pages, the last of which is marked, then an HPTE read twice and written
  // thrice, in a fifth; then the entry read and written, for the hint. The 16M are in the TLB.
  expect(of(world,
            [&] {
              cost = cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok()); });
            }),
         {4 + 1 + 5 + 2, 5, 5, 1, 0, 0});
  // So it cost what it does without.
  EXPECT_EQ(cost, (Cost{kHashFault + 69, 1, 3, 7, 5}));
  const uint64_t group = hash_of(kVa, user_segment(kVa, 1, false), k4K) & 2047;
  const std::vector<uint64_t> pages = kernel_pages(world, "derat");
  EXPECT_EQ(pages.size(), 5u);
  EXPECT_EQ(pages.back(), 0x4'0000 + (group * 128 & ~0xfffull));
  EXPECT_EQ(kernel_pages(world, "tlb"), std::vector<uint64_t>{0});
  // Nothing of it is the program's.
  EXPECT_EQ(world.counter("tlb.derat.misses"), 1u);
  EXPECT_EQ(world.counter("tlb.tlb.misses"), 1u);
  EXPECT_EQ(world.counter("slb.lookups"), 2u);
  EXPECT_EQ(world.counter("htab.lookups"), 2u);
  EXPECT_EQ(world.counter("mmu.walks"), 3u);
  EXPECT_EQ(world.reachable().size(), 1u);
}

TEST_F(Linear, ASecondFaultHitsAllButAnotherPageOfTheHashTable) {
  World world(with(""));
  for (uint64_t page = 0; page < 64; ++page)
    world.map(kVa + page * k4K.bytes(), 0x100 + page, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  const auto access = [&](uint64_t page) {
    return [&world, page] {
      ASSERT_TRUE(world.access(kVa + page * k4K.bytes(), AccessKind::Load).ok());
    };
  };
  // Neighbours' groups stand side by side; 32 groups are a page.
  expect(of(world, access(1)), {12, 0, 5, 0, 0, 0});
  expect(of(world, access(32)), {12, 1, 5, 0, 0, 0});
  expect(of(world, access(33)), {12, 0, 5, 0, 0, 0});
  // A store to what has been hashed clean: 4 words, the entry marked, then the HPTE: locked, read,
  // read, written, unlocked; and dirty in the page-table entry. The code of updatepp is in two
  // pages.
  world.map(kVa + 0x2'5000, 0x200, kRW, /*used=*/false);
  access(0x25)();
  expect(of(world, [&] { ASSERT_TRUE(world.access(kVa + 0x2'5000, AccessKind::Store).ok()); }),
         {4 + 1 + 5 + 2, 0, 6, 0, 0, 0});
}

TEST_F(Linear, AFaultTheKernelFixesTouchesEntryAndPage) {
  World world(with("[mem]\nbytes = 512M\n"));
  // Not present: DSI, hash_page, page_fault; the root is all there is to read.
  expect(of(world, [&] { EXPECT_FALSE(world.access(kVa, AccessKind::Store).ok()); }),
         {1, 1, 3, 1, 0, 0});
  // A frame of the second segment, and of another 16M.
  world.map(kVa, 0x1'0100, kRW);
  Cost cost;
  // Entry and page; hash_preload, hash_entry, insert: 4 words, the mark, 5 of the HPTE, the hint.
  // Unknown so far: the entry's page, the page, two upper tables, the HPTE's.
  expect(of(world,
            [&] {
              cost = cost_of(world, [&] {
                ASSERT_TRUE(world.access(kVa, AccessKind::Store, /*retry=*/true).ok());
              });
            }),
         {2 + 4 + 1 + 5 + 2, 5, 3, 0, 1, 1});
  // The segment's miss is an interrupt of 71 instructions, hash_preload takes 178; walks of a line
  // each: the kernel's, the program's.
  EXPECT_EQ(cost, (Cost{71 + 178 + 20 + 58 + 69, 1, 2, 7, 5}));
  EXPECT_EQ(world.counter("path.linear_slb"), 1u);
  EXPECT_EQ(world.counter("slb.misses"), 0u);
  // The round-robin's next slot: 4 and 5 were loaded at the switch. Kp, L.
  const VirtAddr second = kLinearMap + kSegment;
  EXPECT_EQ(world.mmu().slb().entry(6).esid_word, second.value() | 0x800'0000 | 6);
  EXPECT_EQ(world.mmu().slb().entry(6).vsid_word,
            linear_segment(second, false).vsid << 12 | 0x400 | 0x100);
  EXPECT_EQ(kernel_pages(world, "tlb"), (std::vector<uint64_t>{0, kSegment}));
  // Another 16M of the same segment.
  world.map(kVa + 0x1000, 0x1'1000, kRW);
  expect(of(world, [&] { ASSERT_TRUE(world.access(kVa + 0x1000, AccessKind::Store, true).ok()); }),
         {14, 1, 3, 0, 0, 1});
}

TEST_F(Linear, OnlySegmentsBeyondTheFirstAreMissed) {
  // One of 1T has all of memory.
  World world(with("tera_segments = true\n[mem]\nbytes = 512M\n"));
  EXPECT_EQ(world.mmu().slb().entry(0).esid_word, 0xc000'0000'0800'0000u);
  EXPECT_EQ(world.mmu().slb().entry(0).vsid_word,
            uint64_t{1} << 62 | linear_segment(kLinearMap, true).vsid << 24 | 0x400 | 0x100);
  world.map(kVa, 0x1'0100, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Store, true).ok());
  EXPECT_EQ(world.counter("linear.slb_misses"), 0u);
  EXPECT_EQ(world.counter("linear.tlb_misses"), 2u);
}

// slbie takes user space's segments and what ERATs made of them; slbia all but slot 0, and all of
// the ERATs.
TEST_F(Linear, SwitchesSpareTheKernelsByChance) {
  World world(with("[mem]\nbytes = 512M\n"));
  world.map(kVa, 0x1'0100, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Store, true).ok());
  EXPECT_TRUE(world.mmu().slb().has(kLinearMap + kSegment));
  const size_t known = kernel_pages(world, "derat").size();
  // Code that makes two segments' entries runs.
  expect(of(world, [&] { world.run(1); }), {0, 0, 2, 0, 0, 0});
  EXPECT_EQ(world.counter("slb.slbie"), 2u);
  EXPECT_TRUE(world.mmu().slb().has(kLinearMap + kSegment));
  EXPECT_EQ(kernel_pages(world, "derat").size(), known);
  EXPECT_FALSE(world.mmu().store_hits(kVa));

  world.run(0);
  for (uint64_t segment = 2; segment <= 8; ++segment) {
    world.map(VirtAddr(segment * kSegment), 0x200 + segment, kRW);
    ASSERT_TRUE(world.access(VirtAddr(segment * kSegment), AccessKind::Load).ok());
  }
  expect(of(world, [&] { world.run(1); }), {0, 0, 2, 1, 0, 0});
  EXPECT_EQ(world.counter("slb.slbia"), 1u);
  EXPECT_FALSE(world.mmu().slb().has(kLinearMap + kSegment));
  EXPECT_TRUE(world.mmu().slb().has(kLinearMap));
  EXPECT_TRUE(kernel_pages(world, "derat").empty());
  // The TLB lost nothing.
  EXPECT_EQ(kernel_pages(world, "tlb"), (std::vector<uint64_t>{0, kSegment}));
}

TEST_F(Linear, FlushesGoThroughTheAskersTlbs) {
  World world(with(""), "mlpt", 2);
  for (uint64_t page = 0; page < 2; ++page) {
    world.map(kVa + page * k4K.bytes(), 0x100 + page, kRW);
    ASSERT_TRUE(world.access(kVa + page * k4K.bytes(), AccessKind::Load).ok());
  }
  world.run(0, 1);  // which from then on asks
  const auto flush = [&] {
    world.tlbs().flush_range(MmId(0), {kVa, kVa + 2 * k4K.bytes()}, k4K, false);
  };
  Linears first;
  const Linears second = of(
      world, [&] { first = of(world, flush, 0); }, 1);
  expect(first, {0, 0, 0, 0, 0, 0});
  // Each HPTE is read, locked, cleared; both are in one page.
  expect(second, {6, 1, 0, 0, 0, 0});
  EXPECT_TRUE(world.reachable().empty());
  EXPECT_EQ(kernel_pages(world, "derat").size(), 5u);
}

// Pages of 64K in the ERATs, and three words of the page table.
TEST_F(Linear, KernelsOf64K) {
  World world(
      with("page = 64K\n[ppc64.ierat]\npages = 64K\n[ppc64.derat]\npages = 4K,64K\n"
           "[ppc64.tlb]\npages = 4K,64K,16M\n"));
  world.map(kVa, 0x100, kRW);
  Cost cost;
  // The three tables, of 32K, 8K and 4K, are each cut out of a page of its own.
  expect(of(world,
            [&] {
              cost = cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok()); });
            }),
         {3 + 1 + 5 + 2, 4, 5, 0, 0, 0});
  EXPECT_EQ(cost, (Cost{kHashFault - 5 + 29 + 2 + 69 + 11, 1, 3, 6, 5}));
  world.mmu().for_each_entry([&](const char* where, const tlb::EntryView& entry) {
    if (entry.space != kLinearSpace) return;
    EXPECT_EQ(entry.payload.size, where == std::string("tlb") ? kLargePage : k64K) << where;
    EXPECT_EQ(entry.payload.pfn.value(), (entry.base - kLinearMap) >> 16) << where;
  });
  EXPECT_EQ(kernel_pages(world, "tlb"), std::vector<uint64_t>{0});
}

// A TLB without pages of 16M has the parts touched.
TEST_F(Linear, FragmentsInTheTlb) {
  World world(with("[ppc64.tlb]\npages = 4K\n"));
  world.map(kVa, 0x100, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  EXPECT_EQ(world.counter("linear.tlb_misses"), 7u);  // two for the code
  std::vector<uint64_t> erats = kernel_pages(world, "derat");
  erats.insert(erats.end(), {0x4000, 0x5000});
  std::sort(erats.begin(), erats.end());
  EXPECT_EQ(kernel_pages(world, "tlb"), erats);
  world.tlbs().flush_mm(MmId(0));
  EXPECT_EQ(kernel_pages(world, "tlb"), erats);
}

TEST_F(Linear, TheProgramsEntriesMakeRoom) {
  const std::string small = "[ppc64.derat]\nentries = 4\nways = 4\n";
  for (const bool on : {false, true}) {
    SCOPED_TRACE(on);
    World world(on ? with(small) : small);
    for (uint64_t page = 0; page < 2; ++page) {
      world.map(kVa + page * k4K.bytes(), 0x100 + page, kRW);
      ASSERT_TRUE(world.access(kVa + page * k4K.bytes(), AccessKind::Load).ok());
    }
    // The second page's hash fault touched five pages: the ERAT's four are those, or the page.
    EXPECT_EQ(world.mmu().load_hits(kVa), !on);
    ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
    EXPECT_EQ(world.counter("tlb.derat.misses"), on ? 3u : 2u);
    EXPECT_EQ(world.counter("tlb.tlb.misses"), 2u);
  }
}

// One way, so that the program's page of code and the handlers' are of one set: a data access's
// hash fault takes the page away whose instructions run, and whoever replays must hear of it.
TEST_F(Linear, AFetchAmidADataAccessIsNoticed) {
  World world(with("[ppc64.ierat]\nentries = 4\nways = 1\n"));
  const VirtAddr code(0x2000'0000);
  world.map(code, 0x300, kRX);
  world.map(kVa, 0x100, kRW);
  ASSERT_TRUE(world.access(code, AccessKind::Fetch).ok());
  EXPECT_TRUE(world.mmu().fetch_hits(code));
  const uint64_t generation = world.mmu().generation();
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  EXPECT_FALSE(world.mmu().fetch_hits(code));
  EXPECT_NE(world.mmu().generation(), generation);
}

TEST_F(Linear, ByOptionThereIsNone) {
  World world;
  world.map(kVa, 0x100, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load, true).ok());
  world.mmu().for_each_entry([](const char* where, const tlb::EntryView& entry) {
    EXPECT_TRUE(is_user(entry.base)) << where;
  });
  stats::Report report;
  world.tlbs().report(report);
  for (const stats::Counter& counter : report.counters())
    EXPECT_EQ(counter.name.find("linear"), std::string::npos) << counter.name;
}

}  // namespace linear_map_test
}  // namespace mmusim::ppc64::testing
