// The kernel's own accesses on i386: lowmem in large pages, what is above it page by page for the
// moment. Numbers worked out by hand.
#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "arch/x86/architecture.h"
#include "tests/unit/arch_world.h"

namespace mmusim::x86::testing {
namespace kmap_test {

using mmusim::testing::ArchWorld;
using mmusim::testing::kRW;

constexpr VirtAddr kVa{0x0804'8000};
constexpr VirtAddr kOther{0x4000'0000};  // of another GiB
constexpr uint64_t kLow = 0x3'0000;      // a frame at 768 MiB
constexpr uint64_t kLastLow = 0x3'7fff;
constexpr uint64_t kHigh = 0x3'8000;  // at 896 MiB
constexpr uint64_t kXd = uint64_t{1} << 63;
// P, W, A, D and G; not U.
constexpr uint64_t kKernels = 0x163;

struct Narrow : I386 {
  static void declare(config::Schema& schema) { Architecture::declare(schema); }
};

// By the levels of the page table: one level of TLBs with room for all large pages there are, no
// paging-structure caches.
class World : public ArchWorld<Narrow> {
 public:
  explicit World(unsigned levels, const std::string& text = "", const std::string& backend = "mlpt",
                 unsigned cpus = 1)
      : ArchWorld(
            "[mem]\nbytes = 1G\n[tlb.l1d.large]\nentries = 8\nways = 8\npages = 2M,4M\n"
            "[tlb.l2]\nentries = 0\n[tlb.l2.huge]\nentries = 0\n[psc]\npde.entries = 0\n"
            "[paging]\nphysical_bits = 36\nlevels = " +
                std::to_string(levels) + "\n",
            text, backend, cpus) {}

  // A page the kernel has just put there, and the access that asked for it.
  void fault(VirtAddr va, uint64_t pfn, uint32_t cpu = 0) {
    map(va, pfn, kRW);
    ASSERT_TRUE(access(va, AccessKind::Load, /*retry=*/true, cpu).ok());
  }
};

struct Counts {
  uint64_t lookups = 0, misses = 0, kmaps = 0, loads = 0, kernel_writes = 0, instructions = 0;
  bool operator==(const Counts&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Counts& c) {
    return out << c.lookups << " lookups, " << c.misses << " misses, " << c.kmaps << " kmaps, "
               << c.loads << " loads of walks, " << c.kernel_writes << " writes, " << c.instructions
               << " instructions";
  }
};

// What the retry of a page just mapped adds.
Counts counts_of_retry(World& world, VirtAddr va, uint64_t pfn) {
  world.map(va, pfn, kRW);
  const auto now = [&] {
    return Counts{
        world.counter("direct.lookups"),   world.counter("direct.misses"),
        world.counter("direct.kmaps"),     world.counter("walker.loads"),
        world.writes(mem::Origin::Kernel), world.mmu().path().instructions(/*of_faults=*/true)};
  };
  const Counts before = now();
  EXPECT_TRUE(world.access(va, AccessKind::Load, /*retry=*/true).ok());
  const Counts after = now();
  return {after.lookups - before.lookups,
          after.misses - before.misses,
          after.kmaps - before.kmaps,
          after.loads - before.loads,
          after.kernel_writes - before.kernel_writes,
          after.instructions - before.instructions};
}

// Memory below 896 MiB is given out, so that a table made now lies above it.
void use_up_lowmem(mem::FrameMemory& frames) {
  for (unsigned block = 1; block < 224; ++block)
    ASSERT_LT(frames.allocate(10, mem::FrameUse::Reserved, 1)->value(), kHigh);
  Pfn last{0};
  while (last < Pfn(kHigh))
    last = frames.allocate(0, mem::FrameUse::Reserved, 1).value();
  frames.free(last, 0);
}

// The entries of 4 bytes, or 8, of a table.
std::vector<uint64_t> entries_of(mem::FrameMemory& frames, PhysAddr table, unsigned levels) {
  std::vector<uint64_t> entries;
  for (unsigned at = 0; at < 4096; at += 8) {
    const uint64_t word = *frames.words(table + at);
    if (levels == 2) {
      entries.push_back(word & 0xffff'ffff);
      entries.push_back(word >> 32);
    } else {
      entries.push_back(word);
    }
  }
  return entries;
}

TEST(Lowmem, IsMappedInLargePages) {
  for (const unsigned levels : {2u, 3u}) {
    SCOPED_TRACE(levels);
    Options options;
    options.paging.levels = levels;
    options.gigabyte_pages = false;
    mem::FrameMemory frames(uint64_t{3} << 30, k4K);
    const uint64_t before = frames.free_frames();
    DirectMap map(options, frames, 2);
    EXPECT_EQ(before - frames.free_frames(), 2u);  // directory, table of fixed addresses
    EXPECT_EQ(map.of(PhysAddr(0x1234'5678)).value(), 0xd234'5678u);
    EXPECT_TRUE(map.maps(PhysAddr(0x37ff'ffff)));
    EXPECT_FALSE(map.maps(PhysAddr(0x3800'0000)));

    // From 3 GiB on: entry 768 of 1024, of 4M each; with PAE the first of the last directory, of
    // 2M.
    const std::vector<uint64_t> pdes = entries_of(frames, map.root(), levels);
    const unsigned first = levels == 2 ? 768 : 0;
    const unsigned pages = levels == 2 ? 224 : 448;
    const uint64_t size = levels == 2 ? 0x40'0000 : 0x20'0000;
    const uint64_t xd = levels == 2 ? 0 : kXd;
    for (unsigned i = 0; i < pages; ++i)
      ASSERT_EQ(pdes[first + i], (i * size) | kKernels | 0x80 | xd) << i;
    EXPECT_EQ(std::count(pdes.begin(), pdes.end(), 0u), static_cast<long>(pdes.size() - pages - 1));
    // Page 0xfffff - 70, and 20 below it for the next CPU: in what the last entry leads to.
    const PhysAddr table(pdes.back() & 0xf'ffff'ffff'f000);
    EXPECT_EQ(pdes.back() & 0xfff, 0x63u);
    for (uint32_t cpu = 0; cpu < 2; ++cpu) {
      const uint64_t page = 0xf'ffb9 - 20 * cpu;
      EXPECT_EQ(map.slot(CpuId(cpu)).page.value(), page << 12);
      EXPECT_EQ(map.slot(CpuId(cpu)).entry,
                table + (levels == 2 ? (page & 1023) * 4 : (page & 511) * 8));
    }
    EXPECT_EQ(map.put(map.slot(CpuId(1)), PhysAddr(0x4567'8abc)), 0x4567'8000 | kKernels | xd);
    std::vector<uint64_t> ptes = entries_of(frames, table, levels);
    EXPECT_EQ(std::count(ptes.begin(), ptes.end(), 0u), static_cast<long>(ptes.size() - 1));
    EXPECT_EQ(ptes[(0xf'ffb9 - 20) & (ptes.size() - 1)], 0x4567'8000 | kKernels | xd);
    EXPECT_EQ(map.put(map.slot(CpuId(1)), std::nullopt), 0u);
    ptes = entries_of(frames, table, levels);
    EXPECT_EQ(std::count(ptes.begin(), ptes.end(), 0u), static_cast<long>(ptes.size()));
  }
}

TEST(Lowmem, IsNoMoreThanThereIs) {
  Options options;
  options.paging.levels = 2;
  options.gigabyte_pages = false;
  mem::FrameMemory frames(uint64_t{64} << 20, k4K);
  const DirectMap map(options, frames);
  const std::vector<uint64_t> pdes = entries_of(frames, map.root(), 2);
  EXPECT_NE(pdes[768 + 15], 0u);
  EXPECT_EQ(pdes[768 + 16], 0u);
}

// As many CPUs as a machine can have need more than one table of slots with PAE.
TEST(Lowmem, EachCpuHasASlot) {
  for (const unsigned levels : {2u, 3u}) {
    Options options;
    options.paging.levels = levels;
    options.gigabyte_pages = false;
    mem::FrameMemory frames(uint64_t{64} << 20, k4K);
    const DirectMap map(options, frames, 64);
    std::map<uint64_t, unsigned> entries;
    for (uint32_t cpu = 0; cpu < 64; ++cpu)
      ++entries[map.slot(CpuId(cpu)).entry.value()];
    EXPECT_EQ(entries.size(), 64u);
    for (const auto& [entry, times] : entries)
      EXPECT_NE(frames.find_words(PhysAddr(entry & ~uint64_t{7})), nullptr);
  }
}

TEST(Lowmem, AFaultTouchesEntryAndPage) {
  for (const unsigned levels : {2u, 3u}) {
    SCOPED_TRACE(levels);
    World world(levels);
    EXPECT_EQ(world.access(kVa, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
    // The page table is in the first large page, the program's page in another: a walk of one PDE
    // each; and the program's own, of PDE and PTE.
    EXPECT_EQ(counts_of_retry(world, kVa, kLow), (Counts{2, 2, 0, 2 + 2, 0, 0}));
    // They are global: no switch takes them.
    world.run(1);
    world.run(0);
    EXPECT_EQ(counts_of_retry(world, kVa + 0x1000, kLow + 1), (Counts{2, 0, 0, 2, 0, 0}));
    EXPECT_EQ(counts_of_retry(world, kVa + 0x2000, kLastLow), (Counts{2, 1, 0, 1 + 2, 0, 0}));
  }
}

TEST(Kmap, APageAboveIsMappedForTheMoment) {
  for (const unsigned levels : {2u, 3u}) {
    SCOPED_TRACE(levels);
    World world(levels);
    world.fault(kVa, kLow);
    // The table's entry; the slot's PTE, which is in the first large page too; the page, by PDE and
    // PTE; the slot's PTE again. And the program's own walk.
    const Counts each{1 + 3, 1, 1, 2 + 2, 2, 15 + 15};
    EXPECT_EQ(counts_of_retry(world, kVa + 0x1000, kHigh), each);
    // Nothing is left of it.
    EXPECT_EQ(counts_of_retry(world, kVa + 0x2000, kHigh), each);
    EXPECT_EQ(world.counter("path.kmap"), 2u);
    EXPECT_EQ(world.counter("path.kunmap"), 2u);
    world.mmu().for_each_entry([](const char*, const tlb::EntryView& entry) {
      EXPECT_LT(entry.base.value(), 0xf800'0000u);
    });
    for (const auto& [va, pfn] : world.reachable())
      EXPECT_LT(va, 0xc000'0000u);  // the checker sees the program's only
  }
}

TEST(Kmap, SoIsAPageTable) {
  for (const unsigned levels : {2u, 3u}) {
    SCOPED_TRACE(levels);
    World world(levels);
    world.fault(kVa, kLow);
    use_up_lowmem(world.frames());
    // A page table above and a page below: the three accesses and the page's.
    EXPECT_EQ(counts_of_retry(world, kOther, kLow + 1), (Counts{3 + 1, 1, 1, 2 + 2, 2, 30}));
    EXPECT_EQ(counts_of_retry(world, kOther + 0x1000, kHigh), (Counts{3 + 3, 2, 2, 4 + 2, 4, 60}));
  }
}

// INVLPG takes all that the paging-structure caches have of the PCID.
TEST(Kmap, UnmappingEmptiesThePdeCache) {
  for (const unsigned levels : {2u, 3u}) {
    SCOPED_TRACE(levels);
    World world(levels, "[psc]\npde.entries = 8\n");
    const auto loads = [&](VirtAddr va) {
      const uint64_t before = world.counter("walker.loads");
      EXPECT_TRUE(world.access(va, AccessKind::Load).ok());
      return world.counter("walker.loads") - before;
    };
    for (unsigned i = 1; i <= 3; ++i)
      world.map(kVa + i * 0x1000, kLow + i, kRW);
    world.fault(kVa, kLow);
    EXPECT_EQ(loads(kVa + 0x1000), 1u);
    world.fault(kOther, kLow + 4);
    EXPECT_EQ(loads(kVa + 0x2000), 1u);
    world.fault(kOther + 0x1000, kHigh);
    EXPECT_EQ(loads(kVa + 0x3000), 2u);
    // Not what is in the TLBs.
    EXPECT_EQ(loads(kVa), 0u);
  }
}

// Tells of the kernel's writes.
class Writes final : public mmu::Narrator {
 public:
  struct Write {
    uint64_t address, through, word;
    unsigned bytes;
    bool operator==(const Write&) const = default;
  };
  void step(const mmu::Step&) override {}
  void more_instructions(uint64_t) override {}
  void resume(const mmu::Step&) override {}
  void reference(const mmu::Seen& seen) override {
    if (seen.origin == mem::Origin::Kernel && seen.write)
      all.push_back({seen.address.value(), seen.through->value(), seen.words.front(), seen.bytes});
  }
  void remark(const std::string&) override {}
  std::vector<Write> all;
};

TEST(Kmap, EachCpuWritesAnEntryOfItsOwn) {
  for (const unsigned levels : {2u, 3u}) {
    SCOPED_TRACE(levels);
    World world(levels, "", "mlpt", 2);
    world.run(1, 1);
    std::vector<uint64_t> entries;
    for (const uint32_t cpu : {0u, 1u}) {
      Writes writes;
      world.map(kVa, kHigh + 0x123, kRW, true, cpu);
      world.mmu(cpu).narrate(&writes);
      ASSERT_TRUE(world.access(kVa, AccessKind::Load, true, cpu).ok());
      world.mmu(cpu).narrate(nullptr);
      ASSERT_EQ(writes.all.size(), 2u);
      const uint64_t at = writes.all[0].address;
      const unsigned bytes = levels == 2 ? 4 : 8;
      const uint64_t entry = 0x3812'3000 | kKernels | (levels == 2 ? 0 : kXd);
      EXPECT_EQ(writes.all[0], (Writes::Write{at, at + 0xc000'0000, entry, bytes}));
      EXPECT_EQ(writes.all[1], (Writes::Write{at, at + 0xc000'0000, 0, bytes}));
      entries.push_back(at);
    }
    EXPECT_EQ(entries[0] - entries[1], 20u * (levels == 2 ? 4 : 8));
  }
}

TEST(Kmap, OverEveryPageTable) {
  for (const unsigned levels : {2u, 3u})
    for (const char* backend : {"mlpt", "gpt", "hashed", "clustered"}) {
      SCOPED_TRACE(::testing::Message() << backend << ", levels " << levels);
      World world(levels, "", backend);
      static_cast<void>(world.access(kVa, AccessKind::Load));
      world.fault(kVa, kHigh);
      EXPECT_EQ(world.counter("direct.lookups"), 4u);
      EXPECT_EQ(world.counter("direct.misses"), 2u);
      EXPECT_EQ(world.counter("direct.kmaps"), 1u);
      EXPECT_TRUE(world.reachable().contains(kVa.value()));
    }
}

TEST(Kmap, CanBeLeftOut) {
  World world(2, "[x86]\ndirect_map = false\n");
  world.map(kVa, kHigh, kRW);
  const uint64_t loads = world.counter("walker.loads");
  const uint64_t writes = world.writes(mem::Origin::Kernel);
  ASSERT_TRUE(world.access(kVa, AccessKind::Load, /*retry=*/true).ok());
  EXPECT_EQ(world.counter("walker.loads") - loads, 2u);
  EXPECT_EQ(world.writes(mem::Origin::Kernel), writes);
}

}  // namespace kmap_test
}  // namespace mmusim::x86::testing
