// Hashed and clustered tables: bytes, words read and what ranges cost, worked out by hand from the
// format in pt/hashed/store.h. Pages of 4 KiB, leaves of 2 MiB and 1 GiB, 512 buckets at first.
#include "pt/hashed/hashed.h"

#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "base/error.h"
#include "pt/conformance/machine.h"

namespace mmusim::pt {
namespace hashed_test {

using conformance::layout_named;
using conformance::Machine;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kLarge = uint64_t{2} << 20;
constexpr uint64_t kBase = uint64_t{1} << 40;
constexpr uint64_t kArray = 512 * 8;
const VirtRange kEverything{VirtAddr(0), VirtAddr(uint64_t{1} << 48)};

struct World {
  explicit World(const Backend& backend, const std::string& settings = "",
                 const char* layout = "x86_64")
      : machine(backend, layout_named(layout), settings), table(make(1)) {}

  [[nodiscard]] std::unique_ptr<PageTable> make(uint64_t mm) const {
    return machine.factory->create(MmId(mm));
  }
  [[nodiscard]] Entry leaf(uint64_t pfn, unsigned log2 = 12) const {
    return machine.format.make_leaf(
        {.pfn = Pfn(pfn), .size = PageShift(log2), .rights = Rights(Rights::kRead)});
  }
  Status map(uint64_t va, uint64_t pfn = 1, unsigned log2 = 12) {
    return map(*table, va, pfn, log2);
  }
  Status map(PageTable& in, uint64_t va, uint64_t pfn = 1, unsigned log2 = 12) const {
    const Slot slot = in.ensure(VirtAddr(va), PageShift(log2));
    if (slot.status != Status::Ok) return slot.status;
    return in.install(slot.handle, slot.entry, leaf(pfn, log2));
  }
  void map_pages(uint64_t count, uint64_t apart) {
    for (uint64_t i = 0; i < count; ++i)
      ASSERT_EQ(map(kBase + i * apart, i), Status::Ok);
  }
  [[nodiscard]] unsigned words(uint64_t va) const {
    WalkPath path;
    static_cast<void>(table->walk(VirtAddr(va), path));
    return path.count();
  }
  [[nodiscard]] uint64_t references() const { return machine.sink.total(mem::Origin::Kernel); }

  Machine machine;
  std::unique_ptr<PageTable> table;
};

World hashed(const std::string& settings = "") {
  return World(hashed::backend(), settings);
}
World clustered(const std::string& settings = "", const char* layout = "x86_64") {
  return World(hashed::clustered_backend(), settings, layout);
}

// The bucket of a page in an array of 512, by the formula.
uint64_t bucket(uint64_t va) {
  return (va >> 12) * 0x9e3779b97f4a7c15 >> 55;
}

TEST(HashedTest, BytesByFormula) {
  const auto bytes = [](World world, uint64_t apart) {
    world.map_pages(256, apart);
    EXPECT_EQ(world.table->stats().root_bytes, kArray);
    return world.table->table_bytes();
  };
  EXPECT_EQ(bytes(hashed(), kPage), 256u * 24);
  EXPECT_EQ(bytes(hashed(), kLarge), 256u * 24);
  // Dense: 256 / s nodes of 16 + 8 s bytes. One page in each block: 256 of them.
  EXPECT_EQ(bytes(clustered("[pt.clustered]\nblock = 2\n"), kPage), 128u * 32);
  EXPECT_EQ(bytes(clustered(), kPage), 16u * 144);
  EXPECT_EQ(bytes(clustered("[pt.clustered]\nblock = 64\n"), kPage), 4u * 528);
  EXPECT_EQ(bytes(clustered(), kLarge), 256u * 144);
}

TEST(HashedTest, WordsOfALookup) {
  World world = hashed();
  EXPECT_EQ(world.words(kBase), 0u);  // no nodes of any size: nothing to look for
  uint64_t twin = kBase + kPage;
  while (bucket(twin) != bucket(kBase))
    twin += kPage;
  ASSERT_EQ(world.map(kBase), Status::Ok);
  EXPECT_EQ(world.words(kBase), 3u);          // bucket, tag, PTE
  EXPECT_EQ(world.words(twin), 3u);           // bucket, another's tag, next
  EXPECT_EQ(world.words(kBase + kPage), 1u);  // an empty bucket
  ASSERT_EQ(world.map(twin), Status::Ok);     // goes in front
  EXPECT_EQ(world.words(twin), 3u);
  EXPECT_EQ(world.words(kBase), 5u);  // bucket, tag, next, tag, PTE
  // Leaves of 2 MiB are looked for behind base pages, where there are any.
  ASSERT_EQ(world.map(kBase + kLarge, 512, 21), Status::Ok);
  EXPECT_EQ(world.words(kBase), 5u);
  const bool empty = bucket(kBase + kLarge) != bucket(kBase);
  EXPECT_EQ(world.words(kBase + kLarge), (empty ? 1u : 5u) + 3);
}

TEST(HashedTest, TheArrayDoublesWithMoreNodesThanBuckets) {
  World world = hashed();
  world.map_pages(512, kPage);
  EXPECT_EQ(world.table->stats().root_bytes, kArray);
  ASSERT_EQ(world.map(kBase + 512 * kPage), Status::Ok);
  const Stats stats = world.table->stats();
  EXPECT_EQ(stats.root_bytes, 2 * kArray);
  EXPECT_EQ(stats.restructures, 1u);
  EXPECT_EQ(stats.entries_rewritten, 513u);
  EXPECT_EQ(stats.leaves, 513u);
  EXPECT_EQ(world.machine.allocator.bytes_in_use(), 2 * kArray + 513 * 24);
}

// Probing costs a bucket per page of the range, going through everything all buckets and two words
// of each node; the cheaper is taken.
TEST(HashedTest, WhatRangesCost) {
  World world = hashed();
  ASSERT_EQ(world.map(kBase), Status::Ok);
  pt::Run run;
  uint64_t before = world.references();
  const VirtRange behind{VirtAddr(kBase + kLarge), VirtAddr(kBase + 2 * kLarge)};
  EXPECT_FALSE(world.table->cursor(behind)->next(run));
  const uint64_t probes = world.references() - before;
  uint64_t met = 0;  // those that end in the node's bucket read its tag and next too
  for (uint64_t va = kBase + kLarge; va < kBase + 2 * kLarge; va += kPage)
    met += bucket(va) == bucket(kBase) ? 1 : 0;
  EXPECT_EQ(probes, 512 + 2 * met);

  before = world.references();
  const auto cursor = world.table->cursor(kEverything);
  EXPECT_TRUE(cursor->next(run));
  EXPECT_FALSE(cursor->next(run));
  EXPECT_EQ(world.references() - before, 512u + 2);
}

TEST(HashedTest, SplitTellsWhatItNeeds) {
  // 512 nodes of 24 bytes, 170 to a frame; 32 nodes of 144, 28 to a frame.
  EXPECT_EQ(hashed().table->split_reserve(PageShift(21), PageShift(12)),
            (SplitReserve{{.bytes = kPage, .count = 4}}));
  EXPECT_EQ(clustered().table->split_reserve(PageShift(21), PageShift(12)),
            (SplitReserve{{.bytes = kPage, .count = 2}}));
  EXPECT_EQ(clustered().table->split_reserve(PageShift(14), PageShift(12)), SplitReserve());
  EXPECT_EQ(clustered().table->split_reserve(PageShift(30), PageShift(21)),
            (SplitReserve{{.bytes = kPage, .count = 4}}));
}

TEST(ClusteredTest, NeighboursShareANode) {
  World world = clustered();
  ASSERT_EQ(world.map(kBase + 3 * kPage, 3), Status::Ok);
  EXPECT_EQ(world.table->table_bytes(), 144u);
  EXPECT_EQ(world.words(kBase + 3 * kPage), 3u);
  EXPECT_EQ(world.words(kBase), 3u);  // the slot is there, and empty
  const Lookup beside = world.table->peek(VirtAddr(kBase));
  EXPECT_TRUE(beside.has_slot);
  EXPECT_EQ(beside.empty, (VirtRange{VirtAddr(kBase), VirtAddr(kBase + kPage)}));
  // Where there is no node a whole block is known to be empty.
  EXPECT_EQ(world.table->peek(VirtAddr(kBase + 20 * kPage)).empty,
            (VirtRange{VirtAddr(kBase + 16 * kPage), VirtAddr(kBase + 32 * kPage)}));
  EXPECT_EQ(world.map(kBase + 15 * kPage), Status::Ok);
  EXPECT_EQ(world.table->table_bytes(), 144u);

  // One run for the block, cut to the range.
  pt::Run run;
  const auto cursor = world.table->cursor({VirtAddr(kBase + 2 * kPage), VirtAddr(kBase + kLarge)});
  ASSERT_TRUE(cursor->next(run));
  EXPECT_EQ(run.start, VirtAddr(kBase + 2 * kPage));
  EXPECT_EQ(run.count, 14u);
  EXPECT_EQ(run.get(1), world.leaf(3));
  EXPECT_FALSE(cursor->next(run));
}

TEST(ClusteredTest, ALargeLeafHasANodeOfThreeWords) {
  World world = clustered();
  ASSERT_EQ(world.map(kBase, 512, 21), Status::Ok);
  EXPECT_EQ(world.table->table_bytes(), 24u);
  EXPECT_EQ(world.words(kBase + 77 * kPage), 3u);
  EXPECT_EQ(world.table->ensure(VirtAddr(kBase + 77 * kPage), PageShift(12)).status,
            Status::Overlap);
  ASSERT_EQ(world.table->split(world.table->peek(VirtAddr(kBase)).handle, PageShift(12)),
            Status::Ok);
  EXPECT_EQ(world.table->table_bytes(), 32u * 144);
  EXPECT_EQ(world.table->peek(VirtAddr(kBase + 77 * kPage)).entry, world.leaf(512 + 77));
  Gather gather;
  ASSERT_EQ(world.table->promote(VirtAddr(kBase), PageShift(21), gather), Status::Ok);
  EXPECT_EQ(world.table->table_bytes(), 24u);
  EXPECT_EQ(gather.tables().size(), 32u);
  EXPECT_EQ(world.machine.allocator.bytes_in_use(), kArray + 24 + 32 * 144);
  gather.release_tables();
  EXPECT_EQ(world.table->peek(VirtAddr(kBase + 77 * kPage)).entry, world.leaf(512, 21));
}

TEST(ClusteredTest, BlocksMoveWithoutMemoryPagesWithSome) {
  World world = clustered();
  world.map_pages(16, kPage);
  uint64_t done = 0;
  world.machine.allocator.fail_after(1);
  EXPECT_EQ(
      world.table->move_range(VirtAddr(kBase), VirtAddr(kBase + 64 * kPage), 16 * kPage, done),
      Status::Ok);
  EXPECT_EQ(world.table->table_bytes(), 144u);
  EXPECT_EQ(world.table->peek(VirtAddr(kBase + 69 * kPage)).entry, world.leaf(5));
  EXPECT_EQ(world.table->move_range(VirtAddr(kBase + 64 * kPage), VirtAddr(kBase + kPage),
                                    16 * kPage, done),
            Status::NoMemory);
  EXPECT_EQ(done, 0u);
  EXPECT_EQ(world.table->peek(VirtAddr(kBase + 69 * kPage)).entry, world.leaf(5));
  EXPECT_EQ(world.table->move_range(VirtAddr(kBase + 64 * kPage), VirtAddr(kBase + kPage),
                                    16 * kPage, done),
            Status::Ok);
  EXPECT_EQ(world.table->peek(VirtAddr(kBase + 6 * kPage)).entry, world.leaf(5));
  EXPECT_EQ(world.table->table_bytes(), 3u * 144);  // two at the target, one left empty
  Gather gather;
  world.table->trim(kEverything, VirtAddr(0), VirtAddr(0), gather);
  EXPECT_EQ(world.table->table_bytes(), 2u * 144);
  gather.release_tables();
}

// Layout 5 has leaves of 8 pages: a block of 16 would hold two of them.
TEST(ClusteredTest, ABlockIsNoLargerThanTheNextLeaf) {
  World world = clustered("", "odd");
  ASSERT_EQ(world.map(0), Status::Ok);
  EXPECT_EQ(world.table->table_bytes(), 16u + 8 * 8);
  try {
    clustered("[pt.clustered]\nblock = 12\n");
    FAIL() << "taken";
  } catch (const UsageError& e) {
    EXPECT_NE(std::string(e.what()).find("power of two"), std::string::npos) << e.what();
  }
}

TEST(GlobalHashedTest, OneArrayForAllSpaces) {
  World world = hashed("[pt.hashed]\nscope = global\n");
  const auto other = world.make(2);
  ASSERT_EQ(world.map(kBase, 7), Status::Ok);
  ASSERT_EQ(world.map(*other, kBase, 9), Status::Ok);
  EXPECT_EQ(world.table->peek(VirtAddr(kBase)).entry, world.leaf(7));
  EXPECT_EQ(other->peek(VirtAddr(kBase)).entry, world.leaf(9));
  EXPECT_EQ(world.words(kBase), 4u);  // bucket, tag, space, PTE
  EXPECT_EQ(world.table->table_bytes(), 32u);
  EXPECT_EQ(world.table->stats().root_bytes, 0u);
  EXPECT_EQ(world.machine.factory->common_bytes(), kArray);

  // A range of one is a matter of all: three words of each node.
  for (uint64_t i = 1; i < 100; ++i)
    ASSERT_EQ(world.map(kBase + i * kPage), Status::Ok);
  const uint64_t before = world.references();
  pt::Run run;
  const auto cursor = other->cursor(kEverything);
  EXPECT_TRUE(cursor->next(run));
  EXPECT_FALSE(cursor->next(run));
  EXPECT_EQ(world.references() - before, 512u + 101 * 3);

  world.table.reset();
  EXPECT_EQ(other->peek(VirtAddr(kBase)).entry, world.leaf(9));
  EXPECT_EQ(world.machine.allocator.bytes_in_use(), kArray + 32);
}

TEST(GlobalHashedTest, TheArrayGoesWithTheLastTable) {
  World world = clustered("[pt.clustered]\nscope = global\n");
  world.map_pages(64, kPage);
  EXPECT_EQ(world.table->table_bytes(), 4u * (24 + 16 * 8));
  auto other = world.make(2);
  world.table.reset();
  EXPECT_EQ(world.machine.allocator.bytes_in_use(), kArray);
  other.reset();
  EXPECT_EQ(world.machine.allocator.bytes_in_use(), 0u);
  EXPECT_EQ(world.machine.factory->common_bytes(), 0u);
}

}  // namespace hashed_test
}  // namespace mmusim::pt
