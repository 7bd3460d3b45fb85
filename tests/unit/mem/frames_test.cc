// The frame allocator against a second, naive buddy allocator, and by hand.
#include "mem/frames.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "base/random.h"
#include "config/schema.h"

namespace mmusim::mem {
namespace frames_test {

constexpr PageShift kPage{12};
constexpr uint64_t kMiB = uint64_t{1} << 20;

// Free lists as ordered sets; smallest sufficient order, lowest address.
class NaiveBuddy {
 public:
  explicit NaiveBuddy(uint64_t frames) {
    uint64_t at = 0;
    while (at < frames) {
      unsigned order = FrameMemory::kMaxOrder;
      while ((at & ((uint64_t{1} << order) - 1)) != 0 || at + (uint64_t{1} << order) > frames)
        --order;
      free_[order].insert(at);
      at += uint64_t{1} << order;
    }
    // Frame 0 is reserved: take it like any other.
    EXPECT_EQ(allocate_at_zero(), 0u);
  }
  std::optional<uint64_t> allocate(unsigned order) {
    unsigned have = order;
    while (have <= FrameMemory::kMaxOrder && free_[have].empty())
      ++have;
    if (have > FrameMemory::kMaxOrder) return std::nullopt;
    return split(have, *free_[have].begin(), order);
  }
  void free(uint64_t first, unsigned order) {
    while (order < FrameMemory::kMaxOrder) {
      const uint64_t buddy = first ^ (uint64_t{1} << order);
      if (free_[order].erase(buddy) == 0) break;
      first = std::min(first, buddy);
      ++order;
    }
    free_[order].insert(first);
  }
  [[nodiscard]] uint64_t blocks(unsigned order) const { return free_[order].size(); }

 private:
  uint64_t allocate_at_zero() {
    for (unsigned order = 0; order <= FrameMemory::kMaxOrder; ++order)
      if (free_[order].count(0) != 0) return split(order, 0, 0);
    return ~uint64_t{0};
  }
  uint64_t split(unsigned have, uint64_t at, unsigned order) {
    free_[have].erase(at);
    while (have > order) {
      --have;
      free_[have].insert(at + (uint64_t{1} << have));
    }
    return at;
  }
  std::set<uint64_t> free_[FrameMemory::kMaxOrder + 1];
};

TEST(Frames, LowestAddressFirstAndFrameZeroReserved) {
  FrameMemory memory(64 * kMiB, kPage);
  EXPECT_EQ(memory.total_frames(), 16384u);
  EXPECT_EQ(memory.free_frames(), 16383u);
  EXPECT_TRUE(memory.in_use(Pfn(0)));
  EXPECT_EQ(memory.allocate(0, FrameUse::Anonymous, 1), Pfn(1));
  EXPECT_EQ(memory.allocate(0, FrameUse::Anonymous, 1), Pfn(2));
  EXPECT_EQ(memory.allocate(0, FrameUse::Anonymous, 1), Pfn(3));
  EXPECT_EQ(memory.allocate(1, FrameUse::Anonymous, 1), Pfn(4));
  EXPECT_EQ(memory.allocate(9, FrameUse::Anonymous, 1), Pfn(512));
  EXPECT_EQ(memory.allocate(0, FrameUse::Anonymous, 1), Pfn(6));
  memory.free(Pfn(2), 0);
  EXPECT_EQ(memory.allocate(0, FrameUse::Anonymous, 1), Pfn(2));
}

TEST(Frames, CoalescesToTheTop) {
  FrameMemory memory(64 * kMiB, kPage);
  std::vector<Pfn> taken;
  for (int i = 0; i < 4096; ++i)
    taken.push_back(*memory.allocate(0, FrameUse::Anonymous, 1));
  EXPECT_EQ(memory.free_blocks(10), 11u);  // 16 - 4 whole and one broken into by frame 4096
  for (const Pfn pfn : taken)
    memory.free(pfn, 0);
  EXPECT_EQ(memory.free_blocks(10), 15u);
  for (unsigned order = 0; order < 10; ++order)
    EXPECT_EQ(memory.free_blocks(order), 1u) << order;
  EXPECT_EQ(memory.free_frames(), 16383u);
}

TEST(Frames, ProgramsGetHighMemoryFirstAndTablesLow) {
  FrameMemory memory(24 * kMiB, kPage);  // of 4 MiB a block: two low ones, four high ones
  const uint64_t free = memory.free_frames();
  memory.set_high_memory(PhysAddr(8 * kMiB));
  EXPECT_EQ(memory.free_frames(), free);
  EXPECT_EQ(memory.free_blocks(10), 5u);
  EXPECT_EQ(memory.allocate(0, FrameUse::Anonymous, 1), Pfn(2048));
  EXPECT_EQ(memory.allocate(0, FrameUse::File, 1), Pfn(2049));
  EXPECT_EQ(memory.allocate(0, FrameUse::Table, 1), Pfn(1));
  EXPECT_EQ(memory.allocate(0, FrameUse::Reserved, 1), Pfn(2));
  EXPECT_EQ(memory.allocate(0, FrameUse::SoftTlb, 1), Pfn(3));
  // Each takes what the other prefers when there is no more of its own.
  EXPECT_EQ(memory.allocate(10, FrameUse::Reserved, 1), Pfn(1024));
  EXPECT_EQ(memory.allocate(10, FrameUse::Reserved, 1), Pfn(3072));
  EXPECT_EQ(memory.allocate(10, FrameUse::Anonymous, 1), Pfn(4096));
  EXPECT_EQ(memory.allocate(10, FrameUse::Anonymous, 1), Pfn(5120));
  EXPECT_EQ(memory.allocate(9, FrameUse::Anonymous, 1), Pfn(2560));
  EXPECT_EQ(memory.allocate(9, FrameUse::Anonymous, 1), Pfn(512));
  EXPECT_EQ(memory.allocate(10, FrameUse::Anonymous, 1), std::nullopt);
  // What is freed goes back to where it was.
  memory.free(Pfn(1024), 10);
  memory.free(Pfn(5120), 10);
  EXPECT_EQ(memory.allocate(10, FrameUse::Anonymous, 1), Pfn(5120));
  EXPECT_EQ(memory.allocate(10, FrameUse::Anonymous, 1), Pfn(1024));
}

TEST(Frames, NoHighMemoryWhereTheBoundaryIsBehindTheEnd) {
  FrameMemory memory(24 * kMiB, kPage);
  memory.set_high_memory(PhysAddr(24 * kMiB));
  EXPECT_EQ(memory.allocate(0, FrameUse::Anonymous, 1), Pfn(1));
}

TEST(Frames, RecordsOfFramesInUse) {
  FrameMemory memory(16 * kMiB, kPage);
  const Pfn first = *memory.allocate(3, FrameUse::File, 77);
  EXPECT_EQ(first, Pfn(8));
  EXPECT_EQ(memory.frame(first).references, 1u);
  EXPECT_EQ(memory.frame(first).order, 3u);
  EXPECT_EQ(memory.frame(first + 7).use, FrameUse::File);
  EXPECT_EQ(memory.frame(first + 7).owner, 77u);
  EXPECT_FALSE(memory.in_use(first + 8));
  EXPECT_FALSE(memory.in_use(Pfn(4096)));
  EXPECT_FALSE(memory.in_use(Pfn(~uint64_t{0})));
  EXPECT_EQ(memory.frames_in(FrameUse::File), 8u);
  memory.frame(first).references = 5;
  memory.frame(first).exclusive = true;
  memory.free(first, 3);
  EXPECT_EQ(memory.frames_in(FrameUse::File), 0u);
  const Pfn again = *memory.allocate(3, FrameUse::Anonymous, 1);
  EXPECT_EQ(again, first);
  EXPECT_EQ(memory.frame(again).references, 1u);
  EXPECT_FALSE(memory.frame(again).exclusive);
}

TEST(Frames, ABrokenUpBlockGoesFrameByFrame) {
  FrameMemory memory(4 * kMiB, kPage);
  const uint64_t free = memory.free_frames();
  const Pfn first = *memory.allocate(3, FrameUse::Anonymous, 7);
  memory.frame(first + 5).references = 4;
  memory.break_up(first, 3);
  EXPECT_EQ(memory.frame(first + 5).references, 4u);
  for (const uint64_t i : {5u, 0u, 7u, 1u, 2u, 3u, 4u, 6u})
    memory.free(first + i, 0);
  EXPECT_EQ(memory.free_frames(), free);
  EXPECT_EQ(memory.frames_in(FrameUse::Anonymous), 0u);
  EXPECT_EQ(*memory.allocate(3, FrameUse::Anonymous, 7), first) << "it has become one block again";
}

TEST(Frames, TablesHaveContentsUserPagesHaveNone) {
  FrameMemory memory(16 * kMiB, kPage);
  const Pfn table = *memory.allocate(2, FrameUse::Table, 1);
  const PhysAddr base = memory.address_of(table);
  uint64_t* words = memory.words(base);
  for (unsigned i = 0; i < 4 * 512; ++i)
    EXPECT_EQ(words[i], 0u);
  // One block is contiguous on the host.
  EXPECT_EQ(memory.words(base + 4096), words + 512);
  EXPECT_EQ(memory.words(base + 4 * 4096 - 8), words + 4 * 512 - 1);
  words[5] = 42;
  EXPECT_EQ(*memory.find_words(base + 40), 42u);
  const Pfn page = *memory.allocate(0, FrameUse::Anonymous, 1);
  EXPECT_EQ(memory.find_words(memory.address_of(page)), nullptr);
  EXPECT_EQ(memory.find_words(base + 41), nullptr);
  EXPECT_EQ(memory.find_words(PhysAddr(0)), nullptr);
  const Pfn bare = *memory.allocate_bare(1, FrameUse::Table, 1);
  const PhysAddr at = memory.address_of(bare);
  EXPECT_EQ(memory.find_words(at), nullptr);
  memory.give_contents(bare);
  EXPECT_EQ(memory.words(at + 4096), memory.words(at) + 512);
  EXPECT_EQ(*memory.words(at + 2 * 4096 - 8), 0u);
  memory.free(*memory.allocate_bare(3, FrameUse::Table, 1), 3);
  EXPECT_EQ(memory.find_words(PhysAddr(~uint64_t{7})), nullptr);
  EXPECT_EQ(memory.find_words(PhysAddr(16 * kMiB)), nullptr);
  memory.free(table, 2);
  EXPECT_EQ(memory.find_words(base + 40), nullptr);
  // Zero again when reused.
  const Pfn reused = *memory.allocate(2, FrameUse::SoftTlb, 1);
  EXPECT_EQ(reused, table);
  EXPECT_EQ(memory.words(base)[5], 0u);
}

TEST(Frames, ExhaustionIsAValue) {
  FrameMemory memory(1 * kMiB, kPage);
  uint64_t count = 0;
  while (memory.allocate(0, FrameUse::Anonymous, 1))
    ++count;
  EXPECT_EQ(count, 255u);
  EXPECT_EQ(memory.free_frames(), 0u);
  memory.free(Pfn(1), 0);
  memory.free(Pfn(3), 0);
  EXPECT_FALSE(memory.allocate(1, FrameUse::Anonymous, 1));  // free, but in pieces
  stats::Report report;
  memory.report(report);
  EXPECT_EQ(report.value("mem.failures"), 2u);
  EXPECT_EQ(report.value("mem.frames.anonymous"), 253u);
  EXPECT_EQ(report.value("mem.frames.reserved"), 1u);
  EXPECT_EQ(report.value("mem.frames.peak"), 256u);
  EXPECT_EQ(report.value("mem.allocations"), 255u);
}

TEST(Frames, LargeMemoryCostsNothingUntilUsed) {
  FrameMemory memory(uint64_t{1} << 40, kPage);
  EXPECT_EQ(memory.chunks_in_memory(), 1u);
  const Pfn top = *memory.allocate(10, FrameUse::Anonymous, 1);
  EXPECT_EQ(top, Pfn(1024));
  EXPECT_EQ(memory.chunks_in_memory(), 2u);
  memory.free(top, 10);
  EXPECT_EQ(memory.chunks_in_memory(), 1u);
  std::vector<Pfn> taken;
  for (unsigned i = 0; i < 1023; ++i)
    taken.push_back(*memory.allocate(0, FrameUse::File, 1));
  EXPECT_EQ(memory.chunks_in_memory(), 1u);
  taken.push_back(*memory.allocate(0, FrameUse::File, 1));
  EXPECT_EQ(memory.chunks_in_memory(), 2u);
  for (const Pfn pfn : taken)
    memory.free(pfn, 0);
  EXPECT_EQ(memory.chunks_in_memory(), 1u);
}

struct Sizing {
  uint64_t frames;
  unsigned page;
  uint64_t seed;
};
class FramesRandom : public testing::TestWithParam<Sizing> {};

TEST_P(FramesRandom, SameAsNaive) {
  const Sizing& sizing = GetParam();
  SCOPED_TRACE(testing::Message() << "seed " << sizing.seed);
  FrameMemory memory(sizing.frames << sizing.page, PageShift(sizing.page));
  NaiveBuddy naive(sizing.frames);
  Random random(sizing.seed);
  struct Block {
    uint64_t first;
    unsigned order;
    bool table;
  };
  std::vector<Block> blocks;
  uint64_t used = 1;
  for (int step = 0; step < 20000; ++step) {
    // Phases that fill and phases that empty.
    const bool filling = (step / 2500) % 2 == 0;
    if (blocks.empty() || random.below(100) < (filling ? 65u : 35u)) {
      const auto order =
          static_cast<unsigned>(random.below(4) == 0 ? random.below(11) : random.below(3));
      const bool table = random.below(4) == 0;
      const auto got =
          memory.allocate(order, table ? FrameUse::Table : FrameUse::Anonymous, uint64_t(step));
      const auto expected = naive.allocate(order);
      ASSERT_EQ(got.has_value(), expected.has_value()) << "step " << step;
      if (!got) continue;
      ASSERT_EQ(got->value(), *expected) << "step " << step;
      if (table) {
        // Contents are zero and each block's own.
        uint64_t* words = memory.words(memory.address_of(*got));
        const uint64_t count = (uint64_t{1} << order << sizing.page) / 8;
        ASSERT_EQ(words[0], 0u);
        ASSERT_EQ(std::memcmp(words, words + 1, (count - 1) * sizeof(uint64_t)),
                  0);  // nor is another
        words[0] = got->value();
        words[count - 1] = got->value();
      }
      blocks.push_back({got->value(), order, table});
      used += uint64_t{1} << order;
    } else {
      const size_t pick = random.below(blocks.size());
      const Block block = blocks[pick];
      blocks[pick] = blocks.back();
      blocks.pop_back();
      if (block.table) {
        const PhysAddr base = memory.address_of(Pfn(block.first));
        const uint64_t bytes = uint64_t{1} << block.order << sizing.page;
        ASSERT_EQ(*memory.words(base), block.first);
        ASSERT_EQ(*memory.words(base + bytes - 8), block.first);
      }
      memory.free(Pfn(block.first), block.order);
      naive.free(block.first, block.order);
      used -= uint64_t{1} << block.order;
    }
    ASSERT_EQ(memory.free_frames(), sizing.frames - used);
    if (step % 500 != 0) continue;
    for (unsigned order = 0; order <= FrameMemory::kMaxOrder; ++order)
      ASSERT_EQ(memory.free_blocks(order), naive.blocks(order)) << "order " << order;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, FramesRandom,
                         testing::Values(Sizing{16384, 12, 1}, Sizing{100003, 12, 2},
                                         Sizing{1023, 12, 3}, Sizing{1025, 14, 4}, Sizing{2, 12, 5},
                                         Sizing{300001, 13, 6}, Sizing{1 << 20, 12, 7}));

TEST(Frames, SizeFromTheConfiguration) {
  config::Schema schema;
  FrameMemory::declare(schema);
  config::Config config(schema);
  EXPECT_EQ(FrameMemory(config, kPage).total_frames(), (uint64_t{16} << 30) >> 12);
  config.set("mem.bytes", "1M", "test");
  EXPECT_EQ(FrameMemory(config, PageShift(14)).total_frames(), 64u);
  EXPECT_THROW(config.set("mem.bytes", "4K", "test"), UsageError);
}

TEST(OrderIndex, FindsTheLowest) {
  for (const uint64_t chunks :
       {uint64_t{1}, uint64_t{15}, uint64_t{16}, uint64_t{17}, uint64_t{1000}, uint64_t{70000}}) {
    OrderIndex tree(chunks, 0);
    std::map<uint64_t, uint16_t> naive;
    Random random(chunks);
    for (int step = 0; step < 2000; ++step) {
      const uint64_t chunk = random.below(chunks);
      const auto orders = static_cast<uint16_t>(random.below(3) == 0 ? 0 : random.below(2048));
      tree.set(chunk, orders);
      naive[chunk] = orders;
      uint16_t all = 0;
      for (const auto& [at, mask] : naive)
        all = static_cast<uint16_t>(all | mask);
      ASSERT_EQ(tree.all(), all);
      const auto order = static_cast<unsigned>(random.below(11));
      if ((all >> order & 1) == 0) continue;
      const auto lowest = std::find_if(naive.begin(), naive.end(), [&](const auto& entry) {
        return (entry.second >> order & 1) != 0;
      });
      ASSERT_EQ(tree.lowest(order), lowest->first);
    }
  }
}

// Frame 0 is reserved, so that the first chunk is never whole: 16 MiB of 4 KiB frames stand from
// the first multiple of 16 MiB on, and what was passed over can be had again.
TEST(Frames, LargeRunsAreReservedAligned) {
  FrameMemory memory(uint64_t{64} << 20, PageShift(12));
  const uint64_t before = memory.free_frames();
  const auto run = memory.reserve(uint64_t{16} << 20, FrameUse::SoftTlb);
  ASSERT_TRUE(run);
  EXPECT_EQ(run->value(), uint64_t{16} << 20);
  EXPECT_EQ(memory.free_frames(), before - 4096);
  for (uint64_t at = 0; at < uint64_t{16} << 20; at += uint64_t{4} << 20)
    *memory.words(*run + at + 8) = at + 1;
  EXPECT_EQ(*memory.words(PhysAddr((uint64_t{24} << 20) + 8)), (uint64_t{8} << 20) + 1);
  EXPECT_EQ(memory.allocate(FrameMemory::kMaxOrder, FrameUse::Anonymous, 0), Pfn(1024));
  EXPECT_EQ(memory.reserve(uint64_t{32} << 20, FrameUse::SoftTlb), PhysAddr(uint64_t{32} << 20));
  EXPECT_FALSE(memory.reserve(uint64_t{16} << 20, FrameUse::SoftTlb));
  EXPECT_EQ(memory.reserve(4096, FrameUse::SoftTlb), PhysAddr(4096));
}

uint64_t resident_bytes() {
  uint64_t size = 0;
  uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// What the host takes for reading one word in each page of a bare mapping: most map a page of zeros
// they share, some give memory.
uint64_t taken_by_reading(size_t bytes) {
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 0;
  static_cast<void>(madvise(memory, bytes, MADV_NOHUGEPAGE));
  const uint64_t before = resident_bytes();
  uint64_t sum = 0;
  for (size_t at = 0; at < bytes; at += 4096)
    sum += static_cast<const volatile uint64_t*>(memory)[at / sizeof(uint64_t)];
  const uint64_t taken = resident_bytes() - before;
  munmap(memory, bytes);
  return sum == 0 ? taken : 0;
}

// A hash table's words lie far apart: reading takes nothing of the host, or what a bare mapping
// does, and writing what is written to, however large the pages are that the host likes to give
// (with huge ones this took 256 MiB).
TEST(Frames, ContentsTakeHostMemoryWhereTheyAreWritten) {
  const uint64_t by_host = taken_by_reading(256 * kMiB);
  FrameMemory memory(uint64_t{16} << 30, kPage);
  const PhysAddr written = *memory.reserve(256 * kMiB, FrameUse::SoftTlb);
  const PhysAddr read = *memory.reserve(256 * kMiB, FrameUse::SoftTlb);
  uint64_t before = resident_bytes();
  for (uint64_t at = 0; at < 256 * kMiB; at += 2 * kMiB)
    *memory.words(written + at) = 1;
  EXPECT_LT(resident_bytes() - before, 16 * kMiB);
  before = resident_bytes();
  uint64_t sum = 0;
  for (uint64_t at = 0; at < 256 * kMiB; at += 4096)
    sum += *memory.words(read + at);
  EXPECT_EQ(sum, 0u);
  EXPECT_LT(resident_bytes() - before, by_host + 4 * kMiB);
}

// Whether the host does it or not.
TEST(Frames, DenselyUsedContentsStayWhatTheyAre) {
  FrameMemory memory(uint64_t{64} << 20, kPage);
  const PhysAddr table = *memory.reserve(8 * kMiB, FrameUse::SoftTlb);
  for (uint64_t at = 0; at < 8 * kMiB; at += 4096)
    *memory.words(table + at) = at + 1;
  const uint64_t* const before = memory.words(table + 3 * kMiB);
  memory.densely_used(table + 3 * kMiB + 8);
  memory.densely_used(table + 3 * kMiB + 8);
  EXPECT_EQ(memory.words(table + 3 * kMiB), before);
  for (uint64_t at = 0; at < 8 * kMiB; at += 4096)
    ASSERT_EQ(*memory.words(table + at), at + 1);
}

}  // namespace frames_test
}  // namespace mmusim::mem
