// Page-table bytes of the multi-level table on x86-64, as Linux counts VmPTE: measured on a real
// kernel (6.18, x86-64, 4 levels) with the same sequences of mmap, touch, fork and munmap.
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <vector>

#include "pt/conformance/machine.h"

namespace mmusim::pt {
namespace mlpt_accounting_test {

using conformance::copy_range;
using conformance::layout_named;
using conformance::Machine;

constexpr uint64_t kK = 1024;
constexpr uint64_t kPage = 4096;
constexpr uint64_t k2M = uint64_t{2} << 20;
constexpr uint64_t k1G = uint64_t{1} << 30;
constexpr uint64_t k512G = uint64_t{512} << 30;
constexpr uint64_t kBase = 0x100000000000;  // a 512 GiB slot of its own

// The little of an address space that teardown depends on: mappings, and a table under them.
class Space {
 public:
  explicit Space(Machine& machine) : machine_(machine), table_(machine.factory->create(MmId(1))) {}

  void map(uint64_t at, uint64_t bytes) { areas_[at] = at + bytes; }
  void touch(uint64_t at, uint64_t bytes = kPage) {
    for (uint64_t va = at; va < at + bytes; va += kPage) {
      LeafFields fields;
      fields.pfn = Pfn(1);
      fields.rights = Rights(Rights::kRead);
      const Slot slot = table_->ensure(VirtAddr(va), PageShift(12));
      ASSERT_EQ(slot.status, Status::Ok);
      ASSERT_EQ(table_->install(slot.handle, slot.entry, machine_.format.make_leaf(fields)),
                Status::Ok);
    }
  }
  void zap(uint64_t begin, uint64_t end) {
    const auto cursor = table_->cursor({VirtAddr(begin), VirtAddr(end)});
    pt::Run run;
    while (cursor->next(run))
      for (uint32_t i = 0; i < run.count; ++i)
        run.set(i, kNone);
  }
  // munmap: what stays on either side sets the limits of what may be freed.
  void unmap(uint64_t begin, uint64_t bytes) {
    const uint64_t end = begin + bytes;
    std::map<uint64_t, uint64_t> left;
    for (const auto& [from, to] : areas_) {
      if (from < begin) left[from] = std::min(to, begin);
      if (to > end) left[std::max(from, end)] = to;
    }
    areas_ = left;
    zap(begin, end);
    uint64_t floor = 0;
    uint64_t ceiling = 0;
    for (const auto& [from, to] : areas_) {
      if (to <= begin) floor = to;
      if (from >= end && ceiling == 0) ceiling = from;
    }
    trim(begin, end, floor, ceiling);
  }
  void trim(uint64_t begin, uint64_t end, uint64_t floor, uint64_t ceiling) {
    Gather gather;
    table_->trim({VirtAddr(begin), VirtAddr(end)}, VirtAddr(floor), VirtAddr(ceiling), gather);
    gather.release_tables();
  }
  [[nodiscard]] PageTable& table() { return *table_; }
  // Bytes since the last call.
  int64_t change() {
    const auto now = static_cast<int64_t>(table_->table_bytes() / kK);
    const int64_t change = now - last_;
    last_ = now;
    return change;
  }

 private:
  Machine& machine_;
  std::unique_ptr<PageTable> table_;
  std::map<uint64_t, uint64_t> areas_;
  int64_t last_ = 0;
};

class Accounting : public testing::Test {
 protected:
  Accounting() : machine_(backends().front(), layout_named("x86_64")), space_(machine_) {}
  Machine machine_;
  Space space_;
};

TEST_F(Accounting, OneGigabyteTouchedHereAndThere) {
  space_.map(kBase, k1G);
  EXPECT_EQ(space_.change(), 0);
  space_.touch(kBase);
  EXPECT_EQ(space_.change(), 12);
  space_.touch(kBase + kPage, 511 * kPage);
  EXPECT_EQ(space_.change(), 0);
  space_.touch(kBase + k2M);
  EXPECT_EQ(space_.change(), 4);
  space_.touch(kBase + 2 * k2M, k2M);
  EXPECT_EQ(space_.change(), 4);
  // DONTNEED of a whole leaf table's span, and of one page of a full one.
  space_.zap(kBase + 2 * k2M, kBase + 3 * k2M);
  space_.trim(kBase + 2 * k2M, kBase + 3 * k2M, kBase + 2 * k2M, kBase + 3 * k2M);
  EXPECT_EQ(space_.change(), -4);
  space_.zap(kBase, kBase + kPage);
  space_.trim(kBase, kBase + kPage, kBase, kBase + kPage);
  EXPECT_EQ(space_.change(), 0);
  space_.unmap(kBase + k2M, k2M);
  EXPECT_EQ(space_.change(), -4);
  space_.unmap(kBase, k2M);
  EXPECT_EQ(space_.change(), -4);
  space_.touch(kBase + 4 * k2M);
  EXPECT_EQ(space_.change(), 4);
  space_.unmap(kBase + 4 * k2M, kPage);
  EXPECT_EQ(space_.change(), 0);  // mappings on both sides within its 2 MiB
  space_.unmap(kBase, k1G);
  EXPECT_EQ(space_.change(), -12);
  EXPECT_EQ(space_.table().table_bytes(), 0u);
}

TEST_F(Accounting, EightPagesTwoMegabytesApart) {
  for (uint64_t i = 0; i < 8; ++i) {
    space_.map(kBase + i * k2M, kPage);
    space_.touch(kBase + i * k2M);
  }
  EXPECT_EQ(space_.change(), 40);
  for (uint64_t i = 0; i < 8; i += 2)
    space_.unmap(kBase + i * k2M, kPage);
  EXPECT_EQ(space_.change(), -16);
  for (uint64_t i = 1; i < 8; i += 2)
    space_.unmap(kBase + i * k2M, kPage);
  EXPECT_EQ(space_.change(), -24);
}

TEST_F(Accounting, EightPagesOneGigabyteApart) {
  for (uint64_t i = 0; i < 8; ++i) {
    space_.map(kBase + i * k1G, kPage);
    space_.touch(kBase + i * k1G);
  }
  EXPECT_EQ(space_.change(), 68);  // 8 leaf tables, 8 above them, 1 above those
  EXPECT_EQ(space_.table().stats().tables, (std::vector<uint64_t>{8, 8, 1, 1}));
  space_.unmap(kBase, 8 * k1G);
  EXPECT_EQ(space_.change(), -68);
}

TEST_F(Accounting, EightPagesHalfATerabyteApart) {
  const uint64_t base = kBase - 4 * k512G;
  for (uint64_t i = 0; i < 8; ++i) {
    space_.map(base + i * k512G, kPage);
    space_.touch(base + i * k512G);
  }
  EXPECT_EQ(space_.change(), 96);
  for (uint64_t i = 0; i < 7; ++i)
    space_.unmap(base + i * k512G, kPage);
  EXPECT_EQ(space_.change(), -84);
  space_.unmap(base + 7 * k512G, kPage);
  EXPECT_EQ(space_.change(), -12);
}

TEST_F(Accounting, TwoMappingsUnderOneTable) {
  space_.map(kBase, kPage);
  space_.map(kBase + 10 * kPage, kPage);
  space_.touch(kBase);
  space_.touch(kBase + 10 * kPage);
  EXPECT_EQ(space_.change(), 12);
  space_.unmap(kBase, kPage);
  EXPECT_EQ(space_.change(), 0);
  space_.unmap(kBase + 10 * kPage, kPage);
  EXPECT_EQ(space_.change(), -12);
}

// A mapping nobody ever touched keeps a table all the same, if it reaches into its span.
TEST_F(Accounting, UntouchedNeighbourKeepsTheTables) {
  space_.map(kBase, kPage);
  space_.map(kBase + k2M - kPage, 2 * kPage);
  space_.touch(kBase);
  EXPECT_EQ(space_.change(), 12);
  space_.unmap(kBase, kPage);
  EXPECT_EQ(space_.change(), 0);
  space_.unmap(kBase + k2M - kPage, kPage);  // now the neighbour begins behind the table's span
  EXPECT_EQ(space_.change(), -4);
  space_.unmap(kBase + k2M, kPage);
  EXPECT_EQ(space_.change(), -8);
}

TEST_F(Accounting, LargePagesNeedNoLeafTable) {
  const Slot slot = space_.table().ensure(VirtAddr(kBase), PageShift(21));
  ASSERT_EQ(slot.status, Status::Ok);
  EXPECT_EQ(space_.change(), 8);
}

// fork copies the tables there are, empty or not.
TEST_F(Accounting, ForkCopiesEmptyTables) {
  for (uint64_t i = 0; i < 3; ++i)
    space_.touch(kBase + i * k2M);
  space_.zap(kBase + k2M, kBase + 2 * k2M);
  EXPECT_EQ(space_.change(), 20);
  const auto child = machine_.factory->create(MmId(2));
  std::vector<uint64_t> runs;
  ASSERT_EQ(copy_range(space_.table(), *child, {VirtAddr(kBase), VirtAddr(kBase + k1G)},
                       [&](pt::Run& from, pt::Run& to) {
                         runs.push_back(from.start.value());
                         EXPECT_EQ(from.count, 512u);
                         EXPECT_EQ(to.count, 512u);
                         return true;
                       }),
            Status::Ok);
  EXPECT_EQ(runs, (std::vector<uint64_t>{kBase, kBase + k2M, kBase + 2 * k2M}));
  EXPECT_EQ(child->table_bytes(), 20 * kK);
  EXPECT_EQ(child->stats().leaves, 0u);
  // Only the range asked for: two pages across a boundary of two tables.
  const auto other = machine_.factory->create(MmId(3));
  std::vector<uint32_t> counts;
  ASSERT_EQ(copy_range(space_.table(), *other,
                       {VirtAddr(kBase + k2M - kPage), VirtAddr(kBase + k2M + kPage)},
                       [&](pt::Run& from, pt::Run&) {
                         counts.push_back(from.count);
                         return true;
                       }),
            Status::Ok);
  EXPECT_EQ(counts, (std::vector<uint32_t>{1, 1}));
  EXPECT_EQ(other->table_bytes(), 16 * kK);
}

TEST_F(Accounting, ForkOfDenseMemory) {
  // N/2 leaf tables, one above them for each GiB, one more: in KiB.
  const std::vector<std::pair<uint64_t, uint64_t>> cases = {{16, 40}, {64, 136}, {256, 520}};
  for (const auto& [mib, kib] : cases) {
    Space space(machine_);
    space.touch(kBase, mib << 20);
    const auto child = machine_.factory->create(MmId(2));
    ASSERT_EQ(copy_range(space.table(), *child, {VirtAddr(kBase), VirtAddr(kBase + (mib << 20))},
                         [](pt::Run& from, pt::Run& to) {
                           for (uint32_t i = 0; i < from.count; ++i)
                             to.set(i, from.get(i));
                           return true;
                         }),
              Status::Ok);
    EXPECT_EQ(child->table_bytes(), kib * kK);
    EXPECT_EQ(child->stats().leaves, mib * 256);
  }
}

TEST_F(Accounting, MovingAlignedTables) {
  space_.map(kBase, k2M);
  space_.map(kBase + 4 * k2M, k2M);
  space_.touch(kBase, k2M);
  EXPECT_EQ(space_.change(), 12);
  const auto leaf_word = [&](uint64_t va) {
    WalkPath path;
    static_cast<void>(space_.table().walk(VirtAddr(va), path));
    return path.steps().back().address;
  };
  const PhysAddr word_before = leaf_word(kBase);
  uint64_t done = 0;
  ASSERT_EQ(space_.table().move_range(VirtAddr(kBase), VirtAddr(kBase + 4 * k2M), k2M, done),
            Status::Ok);
  space_.unmap(kBase, k2M);
  EXPECT_EQ(space_.change(), 0);
  // The table itself has moved.
  EXPECT_EQ(leaf_word(kBase + 4 * k2M), word_before);
  EXPECT_EQ(space_.table().stats().leaves, 512u);
}

TEST_F(Accounting, MovingToAnOddAddress) {
  space_.map(kBase, k2M);
  space_.map(kBase + 4 * k2M + kPage, k2M);
  space_.touch(kBase, k2M);
  EXPECT_EQ(space_.change(), 12);
  uint64_t done = 0;
  ASSERT_EQ(
      space_.table().move_range(VirtAddr(kBase), VirtAddr(kBase + 4 * k2M + kPage), k2M, done),
      Status::Ok);
  space_.unmap(kBase, k2M);
  EXPECT_EQ(space_.change(), 4);
}

TEST_F(Accounting, MovingAGigabyteMovesOneEntry) {
  space_.touch(kBase);
  space_.touch(kBase + k1G - kPage);
  EXPECT_EQ(space_.change(), 16);
  const uint64_t writes_before = machine_.sink.count(mem::Origin::Kernel, 2, true);
  uint64_t done = 0;
  ASSERT_EQ(space_.table().move_range(VirtAddr(kBase), VirtAddr(kBase + 3 * k1G), k1G, done),
            Status::Ok);
  EXPECT_EQ(space_.change(), 0);
  EXPECT_EQ(machine_.sink.count(mem::Origin::Kernel, 2, true) - writes_before, 2u);
  EXPECT_NE(space_.table().find(VirtAddr(kBase + 4 * k1G - kPage)).entry, kNone);
  EXPECT_EQ(space_.table().find(VirtAddr(kBase)).entry, kNone);
}

// An empty table at the target stands in the way of moving a table, not of moving its leaves.
TEST_F(Accounting, MovingOntoAnEmptyTable) {
  space_.touch(kBase, k2M);
  space_.touch(kBase + 4 * k2M);
  space_.zap(kBase + 4 * k2M, kBase + 5 * k2M);
  EXPECT_EQ(space_.change(), 16);
  uint64_t done = 0;
  ASSERT_EQ(space_.table().move_range(VirtAddr(kBase), VirtAddr(kBase + 4 * k2M), k2M, done),
            Status::Ok);
  EXPECT_EQ(space_.change(), 0);
  EXPECT_EQ(space_.table().stats().leaves, 512u);
  EXPECT_EQ(space_.table().find(VirtAddr(kBase)).entry, kNone);
}

TEST_F(Accounting, FloorAndCeilingAreExact) {
  struct Case {
    uint64_t floor, ceiling;
    int64_t change;
  };
  // One page at kBase + 1 GiB + 2 MiB: a leaf table, one above it, and one above that.
  const uint64_t at = kBase + k1G + k2M;
  const std::vector<Case> cases = {
      {0, 0, -12},
      {kBase, kBase + k512G, -12},
      {kBase, kBase + k512G - kPage, -8},
      {kBase + kPage, kBase + k512G, -8},
      {kBase + k1G, kBase + 2 * k1G, -8},
      {kBase + k1G, kBase + 2 * k1G - kPage, -4},
      {kBase + k1G + kPage, kBase + 2 * k1G, -4},
      {at, at + k2M, -4},
      {at, at + k2M - kPage, 0},
      {at + kPage, at + k2M, 0},
      {at, at + kPage, 0},
      {0, at + k2M, -4},
      {at, 0, -4},
  };
  for (const Case& c : cases) {
    space_.touch(at);
    space_.change();
    space_.zap(at, at + kPage);
    space_.trim(at, at + kPage, c.floor, c.ceiling);
    EXPECT_EQ(space_.change(), c.change) << std::hex << c.floor << " " << c.ceiling;
    space_.trim(at, at + kPage, 0, 0);
    EXPECT_EQ(space_.table().table_bytes(), 0u);
    space_.change();
  }
}

// What a flush must cover when only tables went: a page for each, at the stride of the entries
// cleared, as Linux's gather has it.
TEST_F(Accounting, GatherOfRemovedTables) {
  space_.touch(kBase + k2M);
  space_.zap(kBase + k2M, kBase + k2M + kPage);
  Gather gather;
  space_.table().trim({VirtAddr(kBase + k2M), VirtAddr(kBase + k2M + kPage)}, VirtAddr(kBase + k2M),
                      VirtAddr(kBase + 2 * k2M), gather);
  ASSERT_EQ(gather.tables().size(), 1u);
  EXPECT_EQ(gather.range(), (VirtRange{VirtAddr(kBase + k2M), VirtAddr(kBase + k2M + kPage)}));
  EXPECT_EQ(gather.smallest(), PageShift(21));
  gather.release_tables();
}

}  // namespace mlpt_accounting_test
}  // namespace mmusim::pt
