// Paths of a PowerPC machine, counted by hand: 64 MB of memory, a hash table of 256K (2048 groups),
// whose 4 bolted entries stand in other groups than those used here.
#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "machine.h"

namespace mmusim::ppc64::testing {
namespace mmu_test {

constexpr VirtAddr kVa(0x1000'0000);
// dsi, hash_page with its four words, hash_entry, hash_done.
constexpr uint64_t kHashFault = 115 + 120 + 27 + 20 + 58 + 89;

uint64_t group_of(VirtAddr va, Context context = 1) {
  return hash_of(va, user_segment(va, context, false), k4K) & 2047;
}
// Pages whose primary group is that of kVa, ascending. Of one segment: 2^16 pages in 2^11 groups.
std::vector<VirtAddr> colliding(size_t count) {
  std::vector<VirtAddr> pages;
  for (VirtAddr va = kVa; pages.size() < count; va += k4K.bytes())
    if (group_of(va) == group_of(kVa)) pages.push_back(va);
  return pages;
}

TEST(Ppc64Mmu, FirstAccessIsOneHashFaultWithTwoWalks) {
  World world;
  world.map(kVa, 0x100, kRW);
  const Cost cost = cost_of(world, [&] {
    const mmu::Translation t = world.access(kVa, AccessKind::Load);
    ASSERT_TRUE(t.ok());
    EXPECT_EQ(t.pfn, Pfn(0x100));
    EXPECT_TRUE(t.rights.has(Rights::kWrite));
  });
  // Its segment was loaded ahead. First walk: two groups, a line each. DSI 115, hash_page 147 with
  // 4 words of 5 instructions, hash_entry 58: the entry is marked busy, insert 69: one place looked
  // at, locked, looked at again, written twice; then the entry is read and written; hash_done 89.
  // Second walk: a group.
  EXPECT_EQ(cost, (Cost{kHashFault + 69, 1, 3, 4 + 2 + 1, 1 + 3 + 1}));
  EXPECT_EQ(world.counter("htab.words"), 16u + 2u);
  EXPECT_EQ(world.counter("mmu.last.data_misses"), 1u);
  EXPECT_EQ(world.counter("htab.lookups"), 2u);
  EXPECT_EQ(world.counter("htab.primary_hits"), 1u);
  EXPECT_EQ(world.counter("hash.fixed"), 1u);
  // The entry in memory, bit by bit.
  const PhysAddr entry = world.tlbs().htab().base() + group_of(kVa) * 128;
  EXPECT_EQ(*world.frames().words(entry), compared_of(kVa, user_segment(kVa, 1, false), k4K) | 1);
  EXPECT_EQ(*world.frames().words(entry + 8), 0x100ull << 12 | 0x196);
  // The page-table entry has the hint: HASHPTE, place 0, primary.
  EXPECT_EQ(world.table().peek(kVa).entry & 0xf400, 0x400u);
  // Now it hits.
  EXPECT_TRUE(world.mmu().load_hits(kVa));
  EXPECT_TRUE(world.mmu().store_hits(kVa));
  EXPECT_FALSE(world.mmu().fetch_hits(kVa));
}

TEST(Ppc64Mmu, CleanPagesAreReadOnlyUntilTheFirstStore) {
  World world;
  world.map(kVa, 0x100, kRW, /*used=*/false);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  EXPECT_EQ(world.table().peek(kVa).entry & 0x180, 0x100u);  // accessed, not dirty
  EXPECT_FALSE(world.mmu().store_hits(kVa));
  const Cost cost = cost_of(world, [&] {
    const mmu::Translation t = world.access(kVa, AccessKind::Store);
    ASSERT_TRUE(t.ok());
    EXPECT_TRUE(t.rights.has(Rights::kWrite));
  });
  // The ERAT refuses, no walk; updatepp 117, the TLB entry being removed here only: lock, read;
  // read, write; unlock. Then a walk.
  EXPECT_EQ(cost, (Cost{kHashFault + 101 + 12 + 4, 1, 1, 4 + 2 + 1, 1 + 3 + 1}));
  EXPECT_EQ(world.table().peek(kVa).entry & 0x180, 0x180u);
  EXPECT_EQ(world.counter("htab.updates"), 1u);
  EXPECT_EQ(world.counter("htab.inserts"), 1u);
  EXPECT_EQ(world.counter("flush.tlbiel"), 1u);
  EXPECT_TRUE(world.mmu().store_hits(kVa));
}

// A 970: hash_page_do_lazy_icache, 25 for each entry; its tlbie's lock is not taken for a tlbiel.
TEST(Ppc64Mmu, AnInstructionCacheThatIsNotCoherentIsAskedFor) {
  World world("[ppc64]\ncoherent_icache = false\ntlbie_lock = true\n");
  world.map(kVa, 0x100, kRW, /*used=*/false);
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok()); }),
            (Cost{kHashFault + 25 + 69, 1, 3, 4 + 2 + 1, 1 + 3 + 1}));
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Store).ok()); }),
            (Cost{kHashFault + 25 + 101 + 12 + 4, 1, 1, 4 + 2 + 1, 1 + 3 + 1}));
}

TEST(Ppc64Mmu, WhatTheTableDoesNotAllowIsAFault) {
  World world;
  world.map(kVa, 0x100, kR);
  EXPECT_EQ(world.access(kVa, AccessKind::Store).fault, mmu::FaultReason::Protection);
  EXPECT_EQ(world.counter("htab.inserts"), 0u);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  EXPECT_EQ(world.access(kVa, AccessKind::Store).fault, mmu::FaultReason::Protection);
  EXPECT_EQ(world.access(kVa, AccessKind::Fetch).fault, mmu::FaultReason::Protection);
  EXPECT_EQ(world.access(kVa + 0x1000, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  EXPECT_EQ(world.access(VirtAddr(uint64_t{1} << 46), AccessKind::Load).fault,
            mmu::FaultReason::NonCanonical);
  world.map(kVa + 0x2000, 0x102, 0);  // PROT_NONE
  EXPECT_EQ(world.access(kVa + 0x2000, AccessKind::Load).fault, mmu::FaultReason::Protection);
}

// hash_page takes what its path takes: 120 where there is no table, 128 at an entry that is not
// present, 131 at one without the right; then 70 into the page fault's code and back. A walk in
// vain is two lines.
TEST(Ppc64Mmu, HashFaultsThatFail) {
  World world;
  world.map(kVa, 0x100, kR);
  const auto costs = [&](VirtAddr va, AccessKind kind) {
    return cost_of(world, [&] { EXPECT_FALSE(world.access(va, kind).ok()); });
  };
  EXPECT_EQ(costs(kVa + 0x1000, AccessKind::Load), (Cost{115 + 128 + 20 + 70, 1, 2, 4, 0}));
  EXPECT_EQ(costs(kVa, AccessKind::Store), (Cost{115 + 131 + 20 + 70, 1, 2, 4, 0}));
  EXPECT_EQ(costs(kVa + 0x20'0000, AccessKind::Load), (Cost{115 + 120 + 15 + 70, 1, 2, 3, 0}));
  // An interrupt for an instruction saves reading two registers of the MMU's.
  EXPECT_EQ(costs(kVa, AccessKind::Fetch), (Cost{110 + 131 + 20 + 70, 1, 2, 4, 0}));
}

// Segments are of 1T from 1T up; below, and without them, of 256M. What their interrupts take: 90,
// 5 to note them, 3 above 4G, 7 of 1T.
TEST(Ppc64Mmu, SegmentsAtTheBoundaryOf1T) {
  const VirtAddr below(0xff'ffff'f000);
  const VirtAddr above(0x100'0000'0000);
  for (const bool tera : {false, true}) {
    SCOPED_TRACE(tera);
    World world(tera ? "[ppc64]\ntera_segments = true\n" : "");
    for (const auto& [va, pfn] : {std::pair(below, 0x100), std::pair(above, 0x101)})
      world.map(va, static_cast<uint64_t>(pfn), kRW);
    // hash_page: 2 above 4G; from 1T up 6, or 7 where the size is asked for and not there.
    EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(below, AccessKind::Load).ok()); }),
              (Cost{98 + kHashFault + 2 + 69, 2, 3, 7, 5}));
    EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(above, AccessKind::Load).ok()); }),
              tera ? (Cost{102 + kHashFault + 8 + 1 + 69, 2, 3, 7, 5})
                   : (Cost{98 + kHashFault + 9 + 69, 2, 3, 7, 5}));
    const Slb& slb = world.mmu().slb();
    EXPECT_EQ(slb.entry(6).esid_word, 0xff'f000'0000u | 0x800'0000 | 6);
    EXPECT_EQ(slb.entry(6).vsid_word >> 62, 0u);
    EXPECT_EQ(slb.entry(7).esid_word, above.value() | 0x800'0000 | 7);
    EXPECT_EQ(slb.entry(7).vsid_word >> 62, tera ? 1u : 0u);
    // Another 256M of it, or not.
    world.map(above + 0x1000'0000, 0x102, kRW);
    ASSERT_TRUE(world.access(above + 0x1000'0000, AccessKind::Load).ok());
    EXPECT_EQ(world.counter("slb.misses"), tera ? 2u : 3u);
  }
}

TEST(Ppc64Mmu, TheHashTablesSizeIsLinuxs) {
  EXPECT_EQ(Htab::bytes_for(uint64_t{1} << 30, k4K), 16u << 20);
  EXPECT_EQ(Htab::bytes_for((uint64_t{1} << 30) + 1, k4K), 32u << 20);  // of 2G
  EXPECT_EQ(Htab::bytes_for(uint64_t{16} << 30, k4K), 256u << 20);
  EXPECT_EQ(Htab::bytes_for(uint64_t{16} << 30, k64K), 16u << 20);
  EXPECT_EQ(Htab::bytes_for(uint64_t{1} << 24, k4K), 256u << 10);
  EXPECT_EQ(Htab::bytes_for(uint64_t{1} << 20, k4K), 256u << 10);  // 2^11 groups
  World world("[ppc64.htab]\nbytes = 0\n[mem]\nbytes = 3G\n");
  EXPECT_EQ(world.counter("htab.bytes"), 64u << 20);
}

TEST(Ppc64Mmu, RetriesFindThePageHashed) {
  World world;
  EXPECT_FALSE(world.access(kVa, AccessKind::Store).ok());
  world.map(kVa, 0x100, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Store, /*retry=*/true).ok());
  EXPECT_EQ(world.counter("hash.preloads"), 1u);
  EXPECT_EQ(world.counter("hash.faults"), 1u);
  EXPECT_EQ(world.counter("htab.lookups"), 2u);
  EXPECT_EQ(world.counter("mmu.last.data_misses"), 1u);
}

TEST(Ppc64Mmu, SecondaryGroupThenEviction) {
  World world("[ppc64.tlb]\nentries = 4\nways = 4\n[ppc64.derat]\nentries = 4\nways = 4\n");
  const std::vector<VirtAddr> pages = colliding(17);
  for (size_t i = 0; i < pages.size(); ++i)
    world.map(pages[i], 0x100 + i, kRW);
  for (size_t i = 0; i < 8; ++i)
    ASSERT_TRUE(world.access(pages[i], AccessKind::Load).ok());
  EXPECT_EQ(world.counter("htab.secondary_inserts"), 0u);
  const Cost cost =
      cost_of(world, [&] { ASSERT_TRUE(world.access(pages[8], AccessKind::Load).ok()); });
  // 8 places looked at in vain, for 85 instructions, one in the secondary group; each walk has two
  // lines.
  EXPECT_EQ(cost, (Cost{kHashFault + 69 + 85, 1, 4, 4 + 8 + 2 + 1, 1 + 3 + 1}));
  const PhysAddr secondary = world.tlbs().htab().base() + (~group_of(kVa) & 2047) * 128;
  EXPECT_EQ(*world.frames().words(secondary) & 3, 3u);  // H and V
  EXPECT_EQ(world.table().peek(pages[8]).entry & 0xf400, 0x8400u);
  for (size_t i = 9; i < 16; ++i)
    ASSERT_TRUE(world.access(pages[i], AccessKind::Load).ok());
  EXPECT_EQ(world.counter("htab.evictions"), 0u);
  EXPECT_EQ(world.counter("htab.used"), 16u);
  const uint64_t tlbie = world.counter("flush.tlbiel");
  ASSERT_TRUE(world.access(pages[16], AccessKind::Load).ok());
  EXPECT_EQ(world.counter("htab.evictions"), 1u);
  EXPECT_EQ(world.counter("htab.used"), 16u);
  EXPECT_EQ(world.counter("flush.tlbiel"), tlbie);  // none for an eviction
  // One of the sixteen was evicted; it comes back by its own hash fault, its hint having missed.
  for (const VirtAddr va : pages)
    ASSERT_TRUE(world.access(va, AccessKind::Load).ok());
  EXPECT_GE(world.counter("htab.updates_missed"), 1u);
  EXPECT_EQ(world.counter("htab.used"), 16u);
}

TEST(Ppc64Mmu, EvictedPagesStayInTheTlbAndAreFlushedFromIt) {
  World world;
  const std::vector<VirtAddr> pages = colliding(40);
  for (size_t i = 0; i < pages.size(); ++i) {
    world.map(pages[i], 0x100 + i, kRW);
    ASSERT_TRUE(world.access(pages[i], AccessKind::Load).ok());
  }
  EXPECT_EQ(world.counter("htab.evictions"), 24u);
  EXPECT_EQ(world.reachable().size(), 40u);
  for (const VirtAddr va : pages)
    world.unmap(va);
  world.tlbs().flush_range(MmId(0), {pages.front(), pages.back() + 0x1000}, k4K, true);
  EXPECT_TRUE(world.reachable().empty());
  EXPECT_EQ(world.counter("htab.invalidated"), 16u);
  EXPECT_EQ(world.counter("htab.invalidates_missed"), 24u);
  EXPECT_EQ(world.counter("flush.tlbiel"), 40u);
  EXPECT_EQ(world.counter("flush.batches"), 1u);
}

TEST(Ppc64Mmu, BatchesOf192AndOneSegmentSize) {
  World world("[ppc64]\ntera_segments = true\n");
  for (unsigned i = 0; i < 193; ++i) {
    world.map(kVa + i * 0x1000, 0x100 + i, kRW);
    ASSERT_TRUE(world.access(kVa + i * 0x1000, AccessKind::Load).ok());
  }
  const VirtAddr high(uint64_t{5} << 40);
  world.map(high, 0x900, kRW);
  ASSERT_TRUE(world.access(high, AccessKind::Load).ok());
  world.tlbs().flush_mm(MmId(0));
  EXPECT_EQ(world.counter("flush.batches"), 3u);
  EXPECT_EQ(world.counter("htab.invalidated"), 194u);
  EXPECT_TRUE(world.reachable().empty());
  EXPECT_EQ(world.counter("htab.used"), 0u);
}

TEST(Ppc64Mmu, SlbRoundRobinAndSwitches) {
  World world("[ppc64.slb]\nentries = 8\n");  // five for user space
  // The switch loaded the stack's segment into slot 4 and the program's into 5.
  EXPECT_EQ(world.mmu().slb().entry(4).esid_word, 0x3fff'f000'0000ull | 0x800'0000 | 4);
  EXPECT_EQ(world.mmu().slb().entry(5).esid_word, 0x1000'0000ull | 0x800'0000 | 5);
  // VSID at 12; Ks, Kp, class.
  EXPECT_EQ(world.mmu().slb().entry(5).vsid_word,
            user_segment(kVa, 1, false).vsid << 12 | 0x800 | 0x400 | 0x80);
  for (uint64_t segment = 2; segment <= 5; ++segment) {
    world.map(VirtAddr(segment << 28), 0x100 + segment, kRW);
    ASSERT_TRUE(world.access(VirtAddr(segment << 28), AccessKind::Load).ok());
  }
  EXPECT_EQ(world.counter("slb.misses"), 4u);
  EXPECT_EQ(world.counter("slb.replaced"), 1u);  // slots 6, 7, 3, 4
  EXPECT_EQ(world.mmu().slb().entry(4).esid_word, 0x5000'0000ull | 0x800'0000 | 4);
  world.run(1);  // six had been made
  EXPECT_EQ(world.counter("slb.slbie"), 6u);
  EXPECT_EQ(world.counter("slb.slbia"), 0u);
  world.run(0);
  EXPECT_EQ(world.counter("slb.slbie"), 8u);
  // The TLB kept its entry, the ERAT did not.
  const uint64_t walks = world.counter("htab.lookups");
  EXPECT_FALSE(world.mmu().load_hits(VirtAddr(2ull << 28)));
  ASSERT_TRUE(world.access(VirtAddr(2ull << 28), AccessKind::Load).ok());
  EXPECT_EQ(world.counter("htab.lookups"), walks);
}

TEST(Ppc64Mmu, AddressSpacesAndCpus) {
  World world("", "mlpt", 2);
  world.map(kVa, 0x100, kRW, true, 0);
  world.map(kVa, 0x200, kRW, true, 1);
  ASSERT_EQ(world.access(kVa, AccessKind::Load).pfn, Pfn(0x100));
  world.run(1);
  ASSERT_EQ(world.access(kVa, AccessKind::Load).pfn, Pfn(0x200));
  world.run(0, 1);
  ASSERT_EQ(world.access(kVa, AccessKind::Load, false, 1).pfn, Pfn(0x100));
  // Address space 0 has run on both CPUs: tlbie reaches all of its entries.
  world.unmap(kVa, 0);
  world.tlbs().flush_range(MmId(0), {kVa, kVa + 0x1000}, k4K, false);
  EXPECT_EQ(world.counter("flush.tlbie"), 1u);
  EXPECT_EQ(world.reachable(), (std::map<uint64_t, uint64_t>{{kVa.value(), 0x200}}));
  // The lowest context is given out again, and finds nothing.
  world.tlbs().forget(MmId(0));
  world.run(2);
  EXPECT_EQ(world.tlbs().context(MmId(2)), 1u);
  EXPECT_EQ(world.access(kVa, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
}

TEST(Ppc64Mmu, LinearMapIsBolted) {
  World world("[mem]\nbytes = 256M\n");
  EXPECT_EQ(world.counter("htab.bolted"), 16u);
  uint64_t bolted = 0;
  for (uint64_t at = 0; at < world.tlbs().htab().bytes(); at += 16) {
    const uint64_t first = *world.frames().words(world.tlbs().htab().base() + at);
    if ((first & 1) != 0) {
      EXPECT_EQ(first & 0x1f, 0x15u);  // bolted, large, primary, valid
      ++bolted;
    }
  }
  EXPECT_EQ(bolted, 16u);
}

TEST(Ppc64Htab, HardwareSetsReferencedAndChanged) {
  World world;
  Htab& htab = world.tlbs().htab();
  mmu::MissPath path(kStepList, world.frames(), world.sink(), {.base = PhysAddr(0x1000)});
  const Htab::Page page{1, kVa, user_segment(kVa, 1, false)};
  // R and C clear, as Linux never leaves them.
  htab.insert(page, {0x100ull << 12 | 2, k4K}, path);
  const auto search = [&](bool write) { return htab.search<true>(page, write, path)->second; };
  EXPECT_EQ(search(false), 0x100ull << 12 | 0x102);
  EXPECT_EQ(search(true), 0x100ull << 12 | 0x182);
  EXPECT_EQ(search(true), 0x100ull << 12 | 0x182);
  EXPECT_EQ(htab.counters().referenced_set, 1u);
  EXPECT_EQ(htab.counters().changed_set, 1u);
}

constexpr const char* k64KPages =
    "[ppc64]\npage = 64K\n[ppc64.ierat]\npages = 64K\n[ppc64.derat]\npages = 64K\n"
    "[ppc64.tlb]\npages = 4K,64K\n";

uint64_t group_of_64k(VirtAddr va) {
  return hash_of(va, user_segment(va, 1, false), k64K) & 2047;
}

// As with 4K pages, but the kernel's table has three levels, and the entry L and LP.
TEST(Ppc64Mmu, PagesOf64KAreHashedWhole) {
  World world(k64KPages);
  world.map(kVa, 0x100, kRW);
  const Cost cost = cost_of(world, [&] {
    const mmu::Translation t = world.access(kVa + 0x5123, AccessKind::Load);
    ASSERT_TRUE(t.ok());
    EXPECT_EQ(t.pfn, Pfn(0x100));
    EXPECT_EQ(t.size, k64K);
  });
  // A word less, of 5; hash_page 29, hash_entry 2 and insert 11 more.
  EXPECT_EQ(cost, (Cost{kHashFault - 5 + 29 + 2 + 69 + 11, 1, 3, 3 + 2 + 1, 1 + 3 + 1}));
  const PhysAddr entry = world.tlbs().htab().base() + group_of_64k(kVa) * 128;
  EXPECT_EQ(*world.frames().words(entry),
            compared_of(kVa, user_segment(kVa, 1, false), k64K) | 4 | 1);
  EXPECT_EQ(*world.frames().words(entry + 8), 0x100ull << 16 | 1 << 12 | 0x196);
  // HPTE_SUB0, and the hint: place 0, primary.
  EXPECT_EQ(world.table().peek(kVa).entry & 0x0fff'f000, 0x800'0000u);
  // The rest of the page is in the ERAT.
  EXPECT_EQ(cost_of(world, [&] { world.access(kVa + 0xffff, AccessKind::Store); }), (Cost{}));
  // Tables of 32K (the root), 8K and 4K.
  EXPECT_EQ(world.table().stats().root_bytes, 0x8000u);
  EXPECT_EQ(world.table().stats().table_bytes, 0x3000u);

  world.unmap(kVa);
  world.tlbs().flush_range(MmId(0), {kVa, kVa + 0x1'0000}, k64K, false);
  EXPECT_EQ(world.tlbs().htab().used(), 0u);
  EXPECT_EQ(world.counter("flush.tlbiel"), 1u);
  EXPECT_EQ(world.access(kVa + 0x5123, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
}

// Neighbours of 64K are in neighbouring groups, which 4K pages 64K apart are not.
TEST(Ppc64Mmu, NeighboursOf64K) {
  World world(k64KPages);
  for (uint64_t i = 0; i < 4; ++i) {
    const VirtAddr va = kVa + i * k64K.bytes();
    world.map(va, 0x100 + i, kRW);
    ASSERT_TRUE(world.access(va, AccessKind::Store).ok());
    EXPECT_EQ(group_of_64k(va), group_of_64k(kVa) ^ i);
    const PhysAddr entry = world.tlbs().htab().base() + group_of_64k(va) * 128;
    EXPECT_EQ(*world.frames().words(entry + 8) >> 16, 0x100 + i);
  }
}

// --- Pages larger than the base page of their segment (MPSS)

constexpr VirtAddr kHuge(0x2000'0000);
constexpr uint64_t k16MFrames64K = 0x100;  // base pages of 64K in 16M, and such a frame

// A kernel of 64K pages, 128M of memory, and a leaf of 16M, as Linux has one.
constexpr const char* kMpss64K =
    "[ppc64]\npage = 64K\nmpss = true\n[ppc64.ierat]\npages = 64K\n[ppc64.derat]\npages = 64K\n"
    "[ppc64.tlb]\npages = 4K,64K,16M\n[mem]\nbytes = 128M\n";

// An entry for each 64K touched, each saying 16M and its first frame; but one entry of the TLB.
TEST(Ppc64Mpss, AnEntryOf16MForEach64KThatIsHashed) {
  World world(kMpss64K);
  world.map(kHuge, k16MFrames64K, kRW, true, 0, kLargePage);
  ASSERT_EQ(world.access(kHuge + 0x5'1234, AccessKind::Load).pfn, Pfn(k16MFrames64K + 5));
  EXPECT_EQ(world.counter("htab.inserts"), 1u);
  EXPECT_EQ(world.counter("hash.pieces"), 1u);
  const PhysAddr entry =
      world.tlbs().htab().base() + group_of_64k(kHuge + 0x5'0000) * hpte::kGroupBytes;
  EXPECT_EQ(*world.frames().words(entry),
            compared_of(kHuge + 0x5'0000, user_segment(kHuge, 1, false), k64K) | 4 | 1);
  EXPECT_EQ(*world.frames().words(entry + 8), 0x100ull << 16 | 8 << 12 | 0x196);
  // All else is the TLB's; the ERAT has parts of 64K.
  for (const unsigned piece : {6u, 7u, 255u})
    ASSERT_EQ(world.access(kHuge + (uint64_t{piece} << 16), AccessKind::Store).pfn,
              Pfn(k16MFrames64K + piece));
  EXPECT_EQ(world.counter("htab.inserts"), 1u);
  EXPECT_EQ(world.counter("htab.lookups"), 2u);
  EXPECT_EQ(world.counter("tlb.derat.misses"), 4u);
  EXPECT_EQ(world.counter("mmu.last.data_misses"), 1u);
  // The other side's ERAT comes to the same entry, and may not.
  EXPECT_EQ(world.access(kHuge + 0x8'0000, AccessKind::Fetch).fault, mmu::FaultReason::Protection);
}

// A flush goes to each piece hashed, and takes all of it; one of a piece that is not takes nothing.
TEST(Ppc64Mpss, FlushesGoToThePiecesThatAreHashed) {
  World world(std::string(kMpss64K) +
              "[ppc64.tlb]\nentries = 1\nways = 1\n[ppc64.derat]\nentries = 1\nways = 1\n");
  world.map(kHuge, k16MFrames64K, kRW, true, 0, kLargePage);
  const VirtAddr other(0x1000'0000);
  world.map(other, 0x80, kRW);
  for (const unsigned piece : {3u, 4u, 200u}) {
    ASSERT_TRUE(world.access(kHuge + (uint64_t{piece} << 16), AccessKind::Load).ok());
    ASSERT_EQ(world.access(other, AccessKind::Load).fault,
              mmu::FaultReason::None);  // its entry makes room in the TLB
  }
  EXPECT_EQ(world.tlbs().htab().used(), 4u);
  EXPECT_EQ(world.reachable().at(kHuge.value()), k16MFrames64K);  // all three give the whole
  world.unmap(kHuge);
  world.tlbs().flush_range(MmId(0), {kHuge, kHuge + kLargePage.bytes()}, kLargePage, false);
  EXPECT_EQ(world.counter("flush.tlbiel"), 3u);
  EXPECT_EQ(world.counter("htab.invalidated"), 3u);
  EXPECT_EQ(world.reachable(), (std::map<uint64_t, uint64_t>{{other.value(), 0x80}}));
  for (const unsigned piece : {3u, 4u, 5u, 200u})
    EXPECT_EQ(world.access(kHuge + (uint64_t{piece} << 16), AccessKind::Load).fault,
              mmu::FaultReason::NotPresent);
}

// What the TLB has of a clean page is read-only for all its pieces. A store at a piece never hashed
// makes that piece's entry, which mends nothing; the fault after it finds the entry and has the
// TLB's removed, as in Linux. A store at one that was hashed is one fault.
TEST(Ppc64Mpss, TheFirstStoreToACleanPage) {
  for (const bool hashed : {false, true}) {
    SCOPED_TRACE(hashed);
    World world(kMpss64K);
    world.map(kHuge, k16MFrames64K, kRW, /*used=*/false, 0, kLargePage);
    ASSERT_TRUE(world.access(kHuge, AccessKind::Load).ok());
    const VirtAddr at = kHuge + (hashed ? 0 : 0x7'0000);
    const uint64_t faults = world.counter("hash.faults");
    const mmu::Translation t = world.access(at, AccessKind::Store);
    ASSERT_TRUE(t.ok());
    EXPECT_TRUE(t.rights.has(Rights::kWrite));
    EXPECT_EQ(world.counter("hash.faults") - faults, hashed ? 1u : 2u);
    EXPECT_EQ(world.counter("htab.updates"), 1u);
    EXPECT_EQ(world.counter("htab.inserts"), hashed ? 1u : 2u);
    EXPECT_TRUE(world.format().is_dirty(world.table().peek(kHuge).entry));
    // Now it is writable everywhere, without another search.
    const uint64_t searches = world.counter("htab.lookups");
    ASSERT_TRUE(world.access(kHuge + 0x20'0000, AccessKind::Store).ok());
    EXPECT_EQ(world.counter("htab.lookups"), searches);
  }
}

// Of a huge page nothing is hashed ahead of the access that is repeated (update_mmu_cache_pmd).
TEST(Ppc64Mpss, HugePagesAreHashedLazily) {
  World world(kMpss64K);
  EXPECT_FALSE(world.access(kHuge, AccessKind::Store).ok());
  world.map(kHuge, k16MFrames64K, kRW, true, 0, kLargePage);
  ASSERT_TRUE(world.access(kHuge, AccessKind::Store, /*retry=*/true).ok());
  EXPECT_EQ(world.counter("hash.preloads"), 0u);
  EXPECT_EQ(world.counter("hash.faults"), 2u);
}

// Groups of base pages that hint: the largest page that can be encoded and the TLB holds.
TEST(Ppc64Mpss, HintsInSegmentsOf4K) {
  struct Case {
    const char* tlb;
    PageShift hint;
    PageShift actual;
  };
  for (const Case& one :
       {Case{"4K,64K,16M", k64K, k64K}, Case{"4K,64K,16M", kLargePage, kLargePage},
        Case{"4K,64K,16M", PageShift(20), k64K}, Case{"4K,64K,16M", PageShift(15), k4K},
        Case{"4K,64K", kLargePage, k64K}, Case{"4K,16M", k64K, k4K}}) {
    SCOPED_TRACE(::testing::Message() << one.tlb << ' ' << one.hint.log2());
    World world(fmt::format("[ppc64]\nmpss = true\n[ppc64.tlb]\npages = {}\n", one.tlb));
    const uint64_t pages = one.hint.bytes() >> 12;
    for (uint64_t i = 0; i < pages; ++i) {
      const pt::Slot slot = world.table().ensure(kHuge + (i << 12), k4K);
      ASSERT_EQ(slot.status, pt::Status::Ok);
      const pt::Entry leaf = world.format().make_leaf({.pfn = Pfn(0x1000 + i),
                                                       .size = k4K,
                                                       .rights = Rights(kRW),
                                                       .accessed = true,
                                                       .dirty = true,
                                                       .hint = one.hint});
      ASSERT_EQ(world.table().install(slot.handle, slot.entry, leaf), pt::Status::Ok);
    }
    const uint64_t step = std::max<uint64_t>(pages / 8, 1);
    uint64_t misses = 0;
    uint64_t last = ~uint64_t{0};
    for (uint64_t i = 0; i < pages; i += step) {
      ASSERT_EQ(world.access(kHuge + (i << 12), AccessKind::Load).pfn, Pfn(0x1000 + i));
      const uint64_t part = (i << 12) >> one.actual.log2();
      if (part != last) ++misses;
      last = part;
    }
    EXPECT_EQ(world.counter("mmu.last.data_misses"), misses);
    for (const auto& [base, pfn] : world.reachable())
      EXPECT_EQ(pfn, 0x1000 + (base - kHuge.value()) / 4096);
    EXPECT_EQ(world.counter("hash.pieces"), one.actual == k4K ? 0u : misses);
    world.tlbs().flush_range(MmId(0), {kHuge, kHuge + one.hint.bytes()}, k4K, false);
    EXPECT_TRUE(world.reachable().empty());
  }
}

}  // namespace mmu_test
}  // namespace mmusim::ppc64::testing
