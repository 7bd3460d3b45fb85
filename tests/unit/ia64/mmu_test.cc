// Each miss path, its steps, instructions and references counted by hand.
#include "arch/ia64/mmu.h"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "tests/unit/ia64/machine.h"

namespace mmusim::ia64::testing {
namespace mmu_test {

constexpr VirtAddr kVa{0x2000'0000'0000'8000};
constexpr uint64_t kSlots = (64 << 10) / 32;  // of a World's VHPT
// Another page of the same slot.
constexpr VirtAddr kRival{kVa.value() + (kSlots << 14)};

TEST(Ia64Long, MissThenHitInTheVhpt) {
  World world;
  world.map(kVa, 0x77, kRW);
  mmu::Translation t;
  const auto load = [&] { t = world.access(kVa + 0x123, AccessKind::Load); };
  // The walker reads the slot (1); 35 instructions and 3 words of the page table, 5 each; 4 stores
  // of the entry; the leaf once more.
  EXPECT_EQ(cost_of(world, load), (Cost{50, 1, 1, 4, 4}));
  ASSERT_TRUE(t.ok());
  EXPECT_EQ(t.pfn, Pfn(0x77));
  EXPECT_EQ(cost_of(world, load), (Cost{}));  // the first level has it
  world.drop_tlbs();
  EXPECT_EQ(cost_of(world, load), (Cost{0, 0, 1, 0, 0}));
  EXPECT_EQ(t.pfn, Pfn(0x77));
  // The instruction side misses by itself, and finds the entry; the page may not be run.
  EXPECT_EQ(cost_of(world, [&] { t = world.access(kVa, AccessKind::Fetch); }),
            (Cost{5 + 120, 1, 1, 0, 0}));
  EXPECT_EQ(t.fault, mmu::FaultReason::Protection);
  EXPECT_EQ(world.counter("path.iaccess_rights"), 1u);
  EXPECT_EQ(world.counter("vhpt.lookups"), 3u);
  EXPECT_EQ(world.counter("vhpt.hits"), 2u);
  EXPECT_EQ(world.counter("tlb.l2d.misses"), 2u);
}

TEST(Ia64Long, TheEntryIsExact) {
  World world;
  world.map(kVa, 0x77, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  const Rid rid = 1 << 3 | 1;  // the first context, region 1
  EXPECT_EQ(world.mmu().rid_of(kVa), rid);
  const uint64_t slot = (2 ^ rid) & (kSlots - 1);
  const uint64_t* const words = world.frames().words(world.mmu().vhpt()->base() + slot * 32);
  EXPECT_EQ(words[0], world.table().peek(kVa).entry);
  EXPECT_EQ(words[0], kP | kA | kD | kPl3 | 2 << 9 | uint64_t{0x77} << 14 | kSize16K);
  EXPECT_EQ(words[1], 14u << 2 | rid << 8);
  EXPECT_EQ(words[2], 2u ^ uint64_t{rid} << 39);
  // The fourth word leads to the leaf's word in the page table.
  EXPECT_EQ(*world.frames().words(PhysAddr(words[3])), words[0]);
}

TEST(Ia64Long, SlotOfAnotherPage) {
  World world;
  world.map(kVa, 0x77, kRW);
  world.map(kRival, 0x78, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  ASSERT_TRUE(world.access(kRival, AccessKind::Load).ok());
  EXPECT_EQ(world.counter("vhpt.replaced"), 1u);
  world.drop_tlbs();
  EXPECT_EQ(cost_of(world, [&] { world.access(kRival, AccessKind::Load); }), (Cost{0, 0, 1, 0, 0}));
  EXPECT_EQ(cost_of(world, [&] { world.access(kVa, AccessKind::Load); }), (Cost{50, 1, 1, 4, 4}));
}

TEST(Ia64Long, NothingMapped) {
  World world;
  mmu::Translation t;
  // One word of the page table says so: 35 + 5, and 120 into the kernel. Nothing is inserted.
  EXPECT_EQ(cost_of(world, [&] { t = world.access(kVa, AccessKind::Store); }),
            (Cost{160, 1, 1, 1, 0}));
  EXPECT_EQ(t.fault, mmu::FaultReason::NotPresent);
  EXPECT_EQ(world.counter("vhpt.inserts"), 0u);
  EXPECT_TRUE(world.reachable().empty());
}

TEST(Ia64Long, DirtyBit) {
  World world;
  world.map(kVa, 0x77, kRW, /*used=*/false);
  const auto store = [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Store).ok()); };
  // A miss; the accessed-bit vector, then the dirty-bit vector: 34 each, reading tag, pointer and
  // leaf, the leaf again and writing it (cmpxchg), writing the VHPT's word, and the leaf once more
  // after the insertion.
  EXPECT_EQ(cost_of(world, store), (Cost{50 + 34 + 34, 3, 1, 4 + 5 + 5, 4 + 2 + 2}));
  const pt::Entry e = world.table().peek(kVa).entry;
  EXPECT_TRUE(world.format().is_accessed(e));
  EXPECT_TRUE(world.format().is_dirty(e));
  EXPECT_EQ(cost_of(world, store), (Cost{}));
  world.drop_tlbs();
  EXPECT_EQ(cost_of(world, store), (Cost{0, 0, 1, 0, 0}));  // the VHPT has both bits
}

class Stores final : public mmu::Narrator {
 public:
  std::vector<uint64_t> stored;  // the PTE's new words

  void step(const mmu::Step&) override {}
  void more_instructions(uint64_t) override {}
  void resume(const mmu::Step&) override {}
  void reference(const mmu::Seen& seen) override {
    if (seen.write && std::string_view(seen.what) == "PTE") stored.push_back(seen.words.front());
  }
  void remark(const std::string&) override {}
};

TEST(Ia64Long, TheExchangeOfTheLeafIsTold) {
  World world;
  world.map(kVa, 0x77, kRW, /*used=*/false);
  const pt::Entry before = world.table().peek(kVa).entry;
  Stores stores;
  world.mmu().narrate(&stores);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  world.mmu().narrate(nullptr);
  EXPECT_EQ(stores.stored, std::vector<uint64_t>{before | kA});
}

TEST(Ia64Long, DirtyBitOfAnEntryThatLostItsSlot) {
  World world;
  world.map(kVa, 0x77, kRW, /*used=*/false);
  world.map(kRival, 0x78, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  ASSERT_TRUE(world.access(kRival, AccessKind::Load).ok());
  // The slot is the rival's (2 reads say so): as a miss, then once more.
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Store).ok()); }),
            (Cost{34 + 50 + 34, 3, 0, 2 + 4 + 5, 4 + 2}));
  EXPECT_TRUE(world.format().is_dirty(world.table().peek(kVa).entry));
}

TEST(Ia64Long, AnEntryThatIsNotPresentIsInsertedAndPurged) {
  World world;
  world.map(kVa, 0x77, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  // Somebody clears P in the VHPT (no handler here does): the walker takes the entry all the same.
  const uint64_t slot = (uint64_t{2} ^ uint64_t{9}) & (kSlots - 1);
  *world.frames().words(world.mmu().vhpt()->base() + slot * 32) &= ~kP;
  world.drop_tlbs();
  mmu::Translation t;
  EXPECT_EQ(cost_of(world, [&] { t = world.access(kVa, AccessKind::Load); }),
            (Cost{7 + 120, 1, 1, 0, 0}));
  EXPECT_EQ(t.fault, mmu::FaultReason::NotPresent);
  EXPECT_TRUE(world.reachable().empty());
  // With a reserved field set it does not: the handler mends it.
  *world.frames().words(world.mmu().vhpt()->base() + slot * 32) |= kP | 2;
  EXPECT_EQ(cost_of(world, [&] { t = world.access(kVa, AccessKind::Load); }),
            (Cost{50, 1, 1, 4, 4}));
  EXPECT_TRUE(t.ok());
}

TEST(Ia64Long, CollisionChain) {
  for (const bool exchange : {false, true}) {
    SCOPED_TRACE(exchange);
    World world(std::string("[ia64.vhpt]\nchains = true\nchain_entries = 2\nexchange = ") +
                (exchange ? "true\n" : "false\n"));
    const VirtAddr third(kRival.value() + (kSlots << 14));
    const VirtAddr fourth(third.value() + (kSlots << 14));
    uint64_t pfn = 0x77;
    for (const VirtAddr va : {kVa, kRival, third, fourth})
      world.map(va, pfn++, kRW);
    const auto load = [&](VirtAddr va) {
      return cost_of(world, [&] { ASSERT_TRUE(world.access(va, AccessKind::Load).ok()); });
    };
    // An empty chain is one read and 4 instructions; the slot's tag is looked at before it is
    // written; three words are, since the fourth is the chain's.
    EXPECT_EQ(load(kVa), (Cost{54, 1, 1, 1 + 3 + 1 + 1, 3}));
    // The old entry is read (its tag has been) and stored in the chain, and linked: 3 and 5.
    EXPECT_EQ(load(kRival), (Cost{54, 1, 1, 1 + 3 + 1 + 3 + 1, 5 + 3}));
    world.drop_tlbs();
    // Found in the chain: the head, a tag, 2 words. No page table is read. Only if it shall change
    // places with what is in the slot, 3 words of that and 6 stores, more than a miss takes.
    EXPECT_EQ(load(kVa), exchange ? (Cost{35 + 4 + 4, 1, 1, 2 + 2 + 3, 6})
                                  : (Cost{35 + 4 + 4, 1, 1, 2 + 2, 0}));
    EXPECT_EQ(world.counter("vhpt.chain_hits"), 1u);
    ASSERT_TRUE(world.access(third, AccessKind::Load).ok());
    EXPECT_EQ(world.counter("vhpt.chain_evictions"), 0u);
    ASSERT_TRUE(world.access(fourth, AccessKind::Load).ok());
    EXPECT_EQ(world.counter("vhpt.chain_evictions"), 1u);
    // What went is what was in the older of two places in the chain.
    world.drop_tlbs();
    EXPECT_EQ(world.reachable().size(), 3u);
    EXPECT_FALSE(world.reachable().contains((exchange ? kRival : kVa).value()));
    // A flush reaches into chains.
    for (const VirtAddr va : {kVa, kRival, third, fourth}) {
      world.unmap(va);
      world.tlbs().flush_range(MmId(0), {va, va + kPage.bytes()}, kPage, false);
      for (const auto& [base, frame] : world.reachable())
        EXPECT_NE(align_down(VirtAddr(base), kPage), va);
    }
    EXPECT_TRUE(world.reachable().empty());
  }
}

TEST(Ia64Long, BitsAreSetInChainsToo) {
  World world("[ia64.vhpt]\nchains = true\n");
  world.map(kVa, 0x77, kRW, /*used=*/false);
  world.map(kRival, 0x78, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  ASSERT_TRUE(world.access(kRival, AccessKind::Load).ok());  // the entry goes to the chain
  // Tag and chain of the slot, a tag of the chain; the leaf is searched for, and read once more.
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Store).ok()); }),
            (Cost{34 + 4 + 15, 1, 0, 3 + 3 + 1 + 1, 1 + 1}));  // a cmpxchg
  world.drop_tlbs();
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Store).ok()); }),
            (Cost{35 + 4 + 4, 1, 1, 2 + 2, 0}));
}

// Pages that lie the size of the table apart are one slot's by Merced's hash.
TEST(Ia64Long, ACrowdedTableIsReported) {
  for (const bool folded : {false, true}) {
    World world(folded ? "[ia64.vhpt]\nhash = folded\n" : "");
    world.map(kVa, 0x77, kRW);
    world.map(kRival, 0x78, kRW);
    for (int i = 0; i < 500; ++i) {
      for (const VirtAddr va : {kVa, kRival})
        ASSERT_TRUE(world.access(va, AccessKind::Load).ok());
      world.drop_tlbs();
    }
    EXPECT_EQ(world.counter("vhpt.inserts"), folded ? 2u : 1000u);
    EXPECT_EQ(world.counter("vhpt.replaced"), folded ? 0u : 999u);
    EXPECT_EQ(world.counter("vhpt.slots"), kSlots);
    EXPECT_EQ(world.counter("vhpt.slots.reached"), folded ? 2u : 1u);
    EXPECT_EQ(world.counter("vhpt.crowded"), folded ? 0u : 1u);
  }
}

// CONFIG_DISABLE_VHPT: two interruptions a miss, since nobody maps the linear table.
TEST(Ia64Off, AsLinuxItIsANestedMissEachTime) {
  for (const char* const backend : {"mlpt", "gpt"}) {
    World world("[ia64]\nwalker = off-linux\n", backend);
    world.map(kVa, 0x77, kRW, /*used=*/false);
    world.map(kVa + kPage.bytes(), 0x78, kRX);
    pt::WalkPath path;
    static_cast<void>(world.table().walk(kVa, path));
    const uint64_t words = path.count();
    const uint64_t search = 16 + path.instructions();
    // The vector and the nested miss; the accessed-bit handler and a nested miss. The word is read
    // again after each; a cmpxchg.
    EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok()); }),
              (Cost{22 + search + 21 + search, 4, 0, 2 * (words + 1) + 1, 1}));
    EXPECT_EQ(
        cost_of(world,
                [&] { ASSERT_TRUE(world.access(kVa + kPage.bytes(), AccessKind::Fetch).ok()); }),
        (Cost{22 + search, 2, 0, words + 1, 0}));
    EXPECT_EQ(world.counter("path.alt_itlb_linear"), 1u);
    EXPECT_EQ(world.counter("path.nested_dtlb"), 3u);
    EXPECT_EQ(world.counter("walker.walks"), 0u);
    // Nothing there: as the vector, 22, finds it, and into the kernel.
    EXPECT_EQ(world.access(kVa + 64 * kPage.bytes(), AccessKind::Load).fault,
              mmu::FaultReason::NotPresent);
    EXPECT_EQ(world.reachable().size(), 2u);
  }
}

TEST(Ia64Off, SoftwareWalk) {
  World world("[ia64]\nwalker = off\n");
  world.map(kVa, 0x77, kRX, /*used=*/false);
  // The alternate vector, 29 + 3 x 5; the accessed-bit vector searches as well.
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Fetch).ok()); }),
            (Cost{29 + 15 + 21 + 15, 2, 0, 4 + 3 + 1 + 1, 1}));
  EXPECT_EQ(world.counter("path.alt_itlb"), 1u);
  EXPECT_EQ(world.counter("walker.walks"), 0u);
  EXPECT_EQ(world.counter("mmu.soft.bytes"), 0u);
}

TEST(Ia64Short, VhptTranslationFaultThenWalks) {
  World world("[ia64]\nwalker = short\n");
  world.map(kVa, 0x77, kRW);
  world.map(kVa + kPage.bytes(), 0x78, kRW);
  const auto load = [&](VirtAddr va) {
    return cost_of(world, [&] { ASSERT_TRUE(world.access(va, AccessKind::Load).ok()); });
  };
  // The walker finds no page of the linear table: 56 instructions, three words, and two once more.
  EXPECT_EQ(load(kVa), (Cost{41 + 15, 1, 0, 3 + 2, 0}));
  // It does for the neighbour: one read.
  EXPECT_EQ(load(kVa + kPage.bytes()), (Cost{0, 0, 1, 0, 0}));
  EXPECT_EQ(world.counter("walker.table_misses"), 1u);
  EXPECT_EQ(world.counter("walker.inserted"), 1u);
}

// vhpt_miss leaves for page_fault where it has found no page: 14 instructions and two reads fewer.
TEST(Ia64Short, VhptMissLeavesEarlyWithoutAPage) {
  World world("[ia64]\nwalker = short\nidentity = false\n");
  world.map(kVa + kPage.bytes(), 0x78, kRW);  // there are tables
  mmu::Translation t;
  EXPECT_EQ(cost_of(world, [&] { t = world.access(kVa, AccessKind::Load); }),
            (Cost{27 + 15 + 120, 1, 0, 3, 0}));
  EXPECT_EQ(t.fault, mmu::FaultReason::NotPresent);
}

TEST(Ia64Short, WalkersReadWordsThatAreNotPresent) {
  World world("[ia64]\nwalker = short\nidentity = false\n");
  world.map(kVa, 0x77, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  const VirtAddr next = kVa + kPage.bytes();
  mmu::Translation t;
  EXPECT_EQ(cost_of(world, [&] { t = world.access(next, AccessKind::Load); }),
            (Cost{7 + 120, 1, 1, 0, 0}));
  EXPECT_EQ(t.fault, mmu::FaultReason::NotPresent);
  EXPECT_EQ(world.counter("path.page_not_present"), 1u);
  // The kernel maps it; no entry without P is in the way.
  world.map(next, 0x78, kRW);
  EXPECT_EQ(cost_of(world, [&] { t = world.access(next, AccessKind::Load, true); }),
            (Cost{0, 0, 1, 0, 0}));
  EXPECT_EQ(t.pfn, Pfn(0x78));
}

TEST(Ia64Short, DirtyBitAndNestedMiss) {
  World world("[ia64]\nwalker = short\n");
  world.map(kVa, 0x77, kRW, false);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  // Through the linear table: one read; a cmpxchg; one read more after the insertion.
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(kVa, AccessKind::Store).ok()); }),
            (Cost{21, 1, 0, 1 + 1 + 1, 1}));
  const VirtAddr other = kVa + kPage.bytes();
  world.map(other, 0x78, kRW, false);
  ASSERT_TRUE(world.access(other, AccessKind::Load).ok());
  // Without the linear table's page: the handler's own load misses.
  const VirtAddr iha = world.mmu().hash().thash(other, 0);
  world.mmu().purge({align_down(iha, kPage), align_down(iha, kPage) + kPage.bytes()}, 1);
  EXPECT_EQ(cost_of(world, [&] { ASSERT_TRUE(world.access(other, AccessKind::Store).ok()); }),
            (Cost{21 + 16 + 15, 2, 0, 3 + 1 + 1, 1}));
  EXPECT_EQ(world.counter("path.nested_dtlb"), 1u);
  // It inserts nothing: the next miss is a VHPT translation fault again.
  world.map(other + kPage.bytes(), 0x79, kRW);
  EXPECT_EQ(cost_of(world, [&] { world.access(other + kPage.bytes(), AccessKind::Load); }).traps,
            1u);
}

TEST(Ia64Short, OverAGuardedTableACopyIsRead) {
  World world("[ia64]\nwalker = short\n", "gpt");
  world.map(kVa, 0x77, kRW, false);
  world.map(kVa + kPage.bytes(), 0x78, kRW, false);
  const auto access = [&](VirtAddr va, AccessKind kind) {
    return cost_of(world, [&] { ASSERT_TRUE(world.access(va, kind).ok()); });
  };
  // The copy's root has nothing (1 word); the guarded table has a root, which is at hand, and an
  // array: 10 instructions to begin and 18 for the array; then the word and what is above it once
  // more. To store the copy's word four are read and, as two tables are made, three written. The
  // accessed bit: the copy's word, the guarded table's, a cmpxchg, the copy's four to store it, and
  // the word once more.
  const Cost bit{21 + 28, 1, 0, 1 + 1 + 1 + 4 + 1, 1 + 1};
  EXPECT_EQ(access(kVa, AccessKind::Load),
            (Cost{41 + 5 + 20 + 28 + bit.instructions, 2, 0, 1 + 1 + 2 + 4 + bit.handler_reads,
                  3 + bit.handler_writes}));
  EXPECT_EQ(world.counter("linear.fills"), 1u);
  // The neighbour's word is none: inserted, purged, filled.
  EXPECT_EQ(access(kVa + kPage.bytes(), AccessKind::Load),
            (Cost{7 + 20 + 28 + bit.instructions, 2, 1, 1 + 4 + bit.handler_reads,
                  1 + bit.handler_writes}));
  EXPECT_EQ(world.counter("linear.fills"), 2u);
  EXPECT_EQ(world.counter("walker.absent"), 1u);
  EXPECT_EQ(world.counter("mmu.soft.hits"), 0u);
  world.drop_tlbs();
  EXPECT_EQ(access(kVa, AccessKind::Load), (Cost{0, 0, 1, 0, 0}));
  EXPECT_EQ(access(kVa + kPage.bytes(), AccessKind::Load), (Cost{0, 0, 1, 0, 0}));
  // The dirty bit likewise.
  EXPECT_EQ(access(kVa, AccessKind::Store), bit);
  EXPECT_TRUE(world.format().is_dirty(world.table().peek(kVa).entry));
  EXPECT_GT(world.frames().frames_in(mem::FrameUse::SoftTlb), 1u);
  // Purged on a flush, and its tables freed.
  for (const VirtAddr va : {kVa, kVa + kPage.bytes()}) {
    world.unmap(va);
    world.tlbs().flush_range(MmId(0), {va, va + kPage.bytes()}, kPage, false);
  }
  EXPECT_TRUE(world.reachable().empty());
  EXPECT_EQ(world.frames().frames_in(mem::FrameUse::SoftTlb), 1u);
  EXPECT_EQ(world.counter("linear.purged"), 2u);
  world.tlbs().flush_mm(MmId(0));
  EXPECT_EQ(world.counter("linear.dropped"), 1u);
}

// What a fork or exit reads of a copy: a word for each of its tables, here two, and none besides.
TEST(Ia64Short, GivingUpACopyReadsAWordPerTable) {
  World world("[ia64]\nwalker = short\n", "gpt");
  world.map(kVa, 0x77, kRW, false);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  EXPECT_EQ(world.frames().frames_in(mem::FrameUse::SoftTlb), 3u);
  const uint64_t reads = world.reads(mem::Origin::Kernel);
  const uint64_t writes = world.writes(mem::Origin::Kernel);
  world.tlbs().flush_mm(MmId(0));
  EXPECT_EQ(world.reads(mem::Origin::Kernel) - reads, 2u);
  EXPECT_EQ(world.writes(mem::Origin::Kernel) - writes, 1u);  // of the root
  EXPECT_EQ(world.frames().frames_in(mem::FrameUse::SoftTlb), 1u);
}

TEST(Ia64Short, WithoutMemoryACopyGoesWithoutTheWord) {
  World world("[ia64]\nwalker = short\n", "gpt");
  world.map(kVa, 0x77, kRW, false);
  std::vector<Pfn> taken;
  while (const auto frame = world.frames().allocate(0, mem::FrameUse::Anonymous, 1))
    taken.push_back(*frame);
  EXPECT_EQ(world.access(kVa, AccessKind::Load).fault, mmu::FaultReason::NoMemory);
  EXPECT_EQ(world.counter("linear.no_room"), 1u);
  for (unsigned i = 0; i < 2; ++i) {
    world.frames().free(taken.back(), 0);
    taken.pop_back();
  }
  EXPECT_TRUE(world.access(kVa, AccessKind::Load, /*retry=*/true).ok());
  EXPECT_EQ(world.frames().frames_in(mem::FrameUse::SoftTlb), 3u);
  // Given up but for the root that is loaded, and filled again.
  EXPECT_TRUE(world.tlbs().shrink());
  EXPECT_EQ(world.frames().frames_in(mem::FrameUse::SoftTlb), 1u);
  EXPECT_TRUE(world.reachable().empty());
  EXPECT_FALSE(world.tlbs().shrink());
  EXPECT_TRUE(world.access(kVa, AccessKind::Load).ok());
}

// Four pages that hint 64K, in frames from 0x40 on.
constexpr VirtAddr kSuper = region_base(1);
VirtAddr part(uint64_t i) {
  return kSuper + i * kPage.bytes();
}
void map_superpage(World& world) {
  for (uint64_t i = 0; i < 4; ++i) {
    const pt::Slot slot = world.table().ensure(part(i), kPage);
    const pt::Entry leaf = world.format().make_leaf({.pfn = Pfn(0x40 + i),
                                                     .size = kPage,
                                                     .rights = Rights(kRW),
                                                     .accessed = true,
                                                     .dirty = true,
                                                     .hint = PageShift(16)});
    ASSERT_EQ(world.table().install(slot.handle, slot.entry, leaf), pt::Status::Ok);
  }
}
Cost load_part(World& world, uint64_t i, bool retry = false) {
  return cost_of(world, [&] {
    const mmu::Translation t = world.access(part(i), AccessKind::Load, retry);
    ASSERT_TRUE(t.ok());
    EXPECT_EQ(t.pfn, Pfn(0x40 + i));
    EXPECT_EQ(t.size, PageShift(16));
  });
}
const std::string kFill = "[ia64]\nidentity = false\n[ia64.superpage]\nvhpt = ";

TEST(Ia64Superpages, EachPartMissesInTheVhptByItself) {
  World world(kFill + "missed\n");
  map_superpage(world);
  EXPECT_EQ(load_part(world, 0), (Cost{50, 1, 1, 4, 4}));
  EXPECT_EQ(load_part(world, 1), (Cost{}));  // the TLB has all of it
  world.drop_tlbs();
  EXPECT_EQ(load_part(world, 1), (Cost{50, 1, 1, 4, 4}));
}

TEST(Ia64Superpages, OrTheHandlerFillsAllSlots) {
  World world(kFill + "all\n");
  map_superpage(world);
  // Of three slots more: 10 instructions and four stores each.
  EXPECT_EQ(load_part(world, 0), (Cost{50 + 3 * 10, 1, 1, 4, 4 + 3 * 4}));
  for (uint64_t i = 1; i < 4; ++i) {
    world.drop_tlbs();
    EXPECT_EQ(load_part(world, i), (Cost{0, 0, 1, 0, 0}));
  }
  // The fourth word of each leads to its own word in the page table.
  const Hash& hash = world.mmu().hash();
  const Rid rid = world.mmu().rid_of(kSuper);
  const uint64_t* const words =
      world.frames().words(world.mmu().vhpt()->base() + hash.offset(part(3), rid));
  EXPECT_EQ(*world.frames().words(PhysAddr(words[3])), world.table().peek(part(3)).entry);
  // A flush of all of it takes all four.
  world.tlbs().flush_range(MmId(0), {kSuper, kSuper + 4 * kPage.bytes()}, kPage, false,
                           mmu::RangeFlush::Change);
  EXPECT_EQ(world.counter("vhpt.purged"), 4u);
}

TEST(Ia64Superpages, OrTheKernelDoesAtTheFault) {
  World world(kFill + "fault\n");
  map_superpage(world);
  const uint64_t before = world.writes(mem::Origin::Kernel);
  EXPECT_EQ(load_part(world, 2, /*retry=*/true), (Cost{0, 0, 1, 0, 0}));
  EXPECT_EQ(world.writes(mem::Origin::Kernel) - before, 16u);
  world.drop_tlbs();
  EXPECT_EQ(load_part(world, 0), (Cost{0, 0, 1, 0, 0}));
}

TEST(Ia64Superpages, TheShortFormatsWalkerRefusesWhatItCannotInsert) {
  for (const char* backend : {"mlpt", "gpt"}) {
    SCOPED_TRACE(backend);
    World world("[ia64]\nwalker = short\nidentity = false\n[ia64.superpage]\nshort = refuse\n",
                backend);
    map_superpage(world);
    EXPECT_EQ(world.table().peek(kSuper).entry >> 2 & 7, 1u);  // a reserved attribute
    const Cost first = load_part(world, 0);
    if (backend == std::string("mlpt")) {
      EXPECT_EQ(first, (Cost{41 + 15, 1, 0, 3 + 2, 0}));
    }
    EXPECT_EQ(load_part(world, 3), (Cost{}));
    // The linear table's page is still in the DTLB: the walker reads the word, and so does the
    // handler, twice.
    world.mmu().purge({kSuper, kSuper + 4 * kPage.bytes()}, world.tlbs().context(MmId(0)));
    EXPECT_EQ(load_part(world, 0), (Cost{16 + 5, 1, 1, 2, 0}));
    EXPECT_EQ(load_part(world, 1), (Cost{}));
    EXPECT_EQ(world.counter("walker.refused"), 1u);
  }
}

TEST(Ia64Mmu, PartsOfPagesInTheFirstLevel) {
  World world;
  world.map(kVa, 0x77, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  EXPECT_TRUE(world.mmu().load_hits(kVa + 0xfff));
  EXPECT_FALSE(world.mmu().load_hits(kVa + 0x1000));  // another 4K of the same page
  const mmu::Translation t = world.access(kVa + 0x3000, AccessKind::Load);
  ASSERT_TRUE(t.ok());
  EXPECT_EQ(t.pfn, Pfn(0x77));
  EXPECT_EQ(t.size, kPage);
  EXPECT_EQ(world.counter("tlb.l1d.misses"), 2u);
  EXPECT_EQ(world.counter("tlb.l2d.misses"), 1u);
}

TEST(Ia64Mmu, AddressesThatAreNotImplemented) {
  World world("[ia64]\nva_msb = 50\n");
  // Bits 60:50 must be alike.
  EXPECT_EQ(world.access(VirtAddr(0x2008'0000'0000'0000), AccessKind::Load).fault,
            mmu::FaultReason::NonCanonical);
  EXPECT_EQ(world.counter("tlb.l1d.misses"), 0u);
  // Implemented, but beyond what Linux maps of a region: the handler sees it without a search.
  mmu::Translation t;
  EXPECT_EQ(
      cost_of(world, [&] { t = world.access(VirtAddr(0x2000'1000'0000'0000), AccessKind::Load); }),
      (Cost{35 + 120, 1, 1, 0, 0}));
  EXPECT_EQ(t.fault, mmu::FaultReason::NonCanonical);
  EXPECT_EQ(world.access(VirtAddr(0x3ffc'0000'0000'0000), AccessKind::Load).fault,
            mmu::FaultReason::NonCanonical);
  EXPECT_EQ(world.counter("tlb.l1d.unimplemented"), 1u);
}

TEST(Ia64Mmu, TheKernelsOwnAccessesTakeEntries) {
  World world;
  const mmu::Translation t = world.access(kVa, AccessKind::Store);
  ASSERT_EQ(t.fault, mmu::FaultReason::NotPresent);
  world.map(kVa, 0x1000, kRW);  // 64 MB up; the page table is in the first granule
  const Cost retry = cost_of(world, [&] { world.access(kVa, AccessKind::Store, true); });
  // Two granules of region 7, 31 instructions each, beside the miss.
  EXPECT_EQ(retry, (Cost{2 * 31 + 50, 3, 1, 4, 4}));
  EXPECT_EQ(world.counter("identity.misses"), 2u);
  EXPECT_EQ(world.counter("tlb.l1d.retries"), 1u);
  EXPECT_EQ(world.counter("tlb.l1d.misses"), 1u);
}

TEST(Ia64Mmu, CodeIsFetchedFromWhereItLies) {
  World world("[cache]\nenabled = true\nl1i.line = 32\n");
  world.map(kVa, 0x77, kRW);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load).ok());
  // 35 instructions are 12 bundles, 192 bytes: six lines of 32; the walk's 15 go on for 5 bundles.
  EXPECT_EQ(world.reads(mem::Origin::HandlerCode), 6u + 3u);
}

}  // namespace mmu_test
}  // namespace mmusim::ia64::testing
