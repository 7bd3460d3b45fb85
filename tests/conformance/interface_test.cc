// What the page-table interface promises, case by case, for every backend.
#include <functional>
#include <gtest/gtest.h>
#include <set>
#include <string>

#include "tests/conformance/machine.h"

namespace mmusim::pt {
namespace {

class Interface : public testing::TestWithParam<Subject> {
 protected:
  Interface() : machine_(*GetParam().backend, *GetParam().architecture, GetParam().settings()) {}

  [[nodiscard]] Entry leaf(uint64_t pfn, PageShift size) const {
    LeafFields fields;
    fields.pfn = Pfn(pfn);
    fields.size = size;
    fields.rights = Rights(Rights::kRead | Rights::kWrite | Rights::kUser);
    return machine_.format.make_leaf(fields);
  }
  [[nodiscard]] Entry page_leaf(uint64_t pfn) const { return leaf(pfn, machine_.page); }
  void map(PageTable& table, VirtAddr va, Entry e) { map(table, va, e, machine_.page); }
  void map(PageTable& table, VirtAddr va, Entry e, PageShift size) {
    const Slot slot = table.ensure(va, size);
    ASSERT_EQ(slot.status, Status::Ok);
    ASSERT_EQ(table.install(slot.handle, slot.entry, e), Status::Ok);
  }
  // Bytes that one leaf table of the architecture covers.
  [[nodiscard]] uint64_t span() const {
    const RadixLevel& level = machine_.environment.geometry[0];
    return uint64_t{1} << (level.shift + level.index_bits);
  }
  // Pages far from each other and, in a tree, below different tables of each level.
  [[nodiscard]] std::vector<VirtAddr> scattered() const {
    std::vector<VirtAddr> found{VirtAddr(0)};
    for (const RadixLevel& level : machine_.environment.geometry)
      if (level.shift + level.index_bits < 63 && uint64_t{3} << level.shift < machine_.end)
        found.push_back(VirtAddr(uint64_t{3} << level.shift));
    return found;
  }
  // All leaves gone and tables trimmed: nothing but the root may be left.
  void expect_clean(PageTable& table) {
    Gather gather;
    table.trim(machine_.everything(), VirtAddr(0), VirtAddr(0), gather);
    gather.release_tables();
    EXPECT_EQ(table.table_bytes(), 0u);
  }

  Machine machine_;
};

TEST_P(Interface, EmptyTable) {
  const auto table = machine_.factory->create(MmId(1));
  EXPECT_EQ(table->stats().leaves, 0u);
  EXPECT_EQ(table->table_bytes(), 0u);
  EXPECT_EQ(table->find(VirtAddr(0x5000)).entry, kNone);
  pt::Run run;
  EXPECT_FALSE(table->cursor(machine_.everything())->next(run));
  Gather gather;
  table->trim(machine_.everything(), VirtAddr(0), VirtAddr(0), gather);
  EXPECT_FALSE(gather.needs_flush());
  uint64_t done = 7;
  EXPECT_EQ(table->move_range(VirtAddr(0), VirtAddr(span()), span(), done), Status::Ok);
  EXPECT_EQ(done, span());
}

TEST_P(Interface, EmptyRanges) {
  const auto table = machine_.factory->create(MmId(1));
  const auto child = machine_.factory->create(MmId(2));
  map(*table, VirtAddr(0), page_leaf(1));
  const VirtRange empty{VirtAddr(0), VirtAddr(0)};
  pt::Run run;
  EXPECT_FALSE(table->cursor(empty)->next(run));
  EXPECT_EQ(copy_range(*table, *child, empty, [](pt::Run&, pt::Run&) { return false; }),
            Status::Ok);
  Gather gather;
  table->trim(empty, VirtAddr(0), VirtAddr(0), gather);
  EXPECT_FALSE(gather.needs_flush());
  uint64_t done = 7;
  EXPECT_EQ(table->move_range(VirtAddr(0), VirtAddr(span()), 0, done), Status::Ok);
  EXPECT_EQ(done, 0u);
}

TEST_P(Interface, NoMemoryForTheRoot) {
  machine_.allocator.fail_after(1);
  const auto table = machine_.factory->create(MmId(1));
  // A backend whose root takes no table memory has nothing to fail.
  EXPECT_TRUE(table == nullptr || table->stats().root_bytes == 0);
}

TEST_P(Interface, SizesNotOffered) {
  const auto table = machine_.factory->create(MmId(1));
  std::set<unsigned> offered;
  for (const PageShift size : table->capabilities().leaf_sizes)
    offered.insert(size.log2());
  EXPECT_EQ(*offered.begin(), machine_.page.log2());
  for (unsigned log2 = machine_.page.log2(); log2 < 48; ++log2) {
    if (offered.count(log2) != 0) continue;
    EXPECT_EQ(table->ensure(VirtAddr(0), PageShift(log2)).status, Status::BadSize) << log2;
  }
}

TEST_P(Interface, BeyondTheAddressSpace) {
  const auto table = machine_.factory->create(MmId(1));
  const VirtAddr beyond(machine_.end);
  if (machine_.end % (uint64_t{1} << 20) != 0) return;  // all 64 bits: nothing is beyond
  for (const VirtAddr va : {beyond, beyond + 0x1234000, VirtAddr(uint64_t{1} << 63)}) {
    const Lookup found = table->find(va);
    EXPECT_EQ(found.entry, kNone);
    EXPECT_FALSE(found.has_slot);
    EXPECT_TRUE(found.empty.contains(va));
    EXPECT_EQ(table->ensure(va, machine_.page).status, Status::NotSupported);
  }
  map(*table, beyond - machine_.page.bytes(), page_leaf(3));
  pt::Run run;
  const auto cursor = table->cursor({beyond - machine_.page.bytes(), beyond + span()});
  ASSERT_TRUE(cursor->next(run));
  EXPECT_EQ(run.start, beyond - machine_.page.bytes());
  EXPECT_EQ(run.count, 1u);
  EXPECT_FALSE(cursor->next(run));
}

// With memory failing at the first, second, ... allocation: nothing is mapped, nothing leaks, and
// it works once there is memory.
TEST_P(Interface, EnsureWithoutMemory) {
  for (const VirtAddr va : scattered()) {
    for (uint64_t n = 1;; ++n) {
      const auto table = machine_.factory->create(MmId(1));
      machine_.allocator.fail_after(n);
      const Slot slot = table->ensure(va, machine_.page);
      machine_.allocator.fail_after(0);
      if (slot.status == Status::Ok) break;
      ASSERT_EQ(slot.status, Status::NoMemory);
      EXPECT_EQ(table->find(va).entry, kNone);
      EXPECT_EQ(table->stats().leaves, 0u);
      const Slot again = table->ensure(va, machine_.page);
      ASSERT_EQ(again.status, Status::Ok);
      EXPECT_EQ(again.entry, kNone);
      expect_clean(*table);
    }
  }
  EXPECT_EQ(machine_.allocator.bytes_in_use(), 0u);
}

TEST_P(Interface, CopyWithoutMemory) {
  const auto table = machine_.factory->create(MmId(1));
  uint64_t pfn = 10;
  for (const VirtAddr va : scattered())
    map(*table, va, page_leaf(++pfn));
  const uint64_t before = machine_.allocator.bytes_in_use();
  for (uint64_t n = 1;; ++n) {
    const auto child = machine_.factory->create(MmId(2));
    std::set<uint64_t> copied;
    machine_.allocator.fail_after(n);
    const Status status =
        copy_range(*table, *child, machine_.everything(), [&](pt::Run& from, pt::Run& to) {
          for (uint32_t i = 0; i < from.count; ++i) {
            if (from.get(i) == kNone) continue;
            to.set(i, from.get(i));
            copied.insert(from.address(i).value());
          }
          return true;
        });
    machine_.allocator.fail_after(0);
    for (const VirtAddr va : scattered())
      EXPECT_EQ(child->find(va).entry,
                copied.count(va.value()) != 0 ? table->find(va).entry : kNone);
    EXPECT_EQ(child->stats().leaves, copied.size());
    if (status == Status::Ok) {
      EXPECT_EQ(copied.size(), scattered().size());
      break;
    }
    ASSERT_EQ(status, Status::NoMemory);
    EXPECT_LT(copied.size(), scattered().size());
  }
  EXPECT_EQ(machine_.allocator.bytes_in_use(), before);
}

TEST_P(Interface, MoveWithoutMemory) {
  const uint64_t page = machine_.page.bytes();
  struct Move {
    uint64_t from, to, pages;
  };
  const uint64_t table = span() / page;
  const std::vector<Move> moves = {
      // Not aligned to each other, so that it cannot be done by moving tables.
      {2 * table - 2, 6 * table - 3, 4},
      // Aligned: a whole table, with some pages before and behind.
      {table - 2, 5 * table - 2, table + 4},
  };
  for (const Move& move : moves) {
    const VirtAddr from(move.from * page);
    const VirtAddr to(move.to * page);
    if (to.value() + move.pages * page > machine_.end) continue;
    for (uint64_t n = 1;; ++n) {
      const auto table_made = machine_.factory->create(MmId(1));
      PageTable& pages = *table_made;
      for (uint64_t i = 0; i < move.pages; ++i)
        map(pages, from + i * page, page_leaf(100 + i));
      machine_.allocator.fail_after(n);
      uint64_t done = 0;
      const Status status = pages.move_range(from, to, move.pages * page, done);
      machine_.allocator.fail_after(0);
      for (uint64_t i = 0; i < move.pages; ++i) {
        const bool moved = i * page < done;
        ASSERT_EQ(pages.find(from + i * page).entry, moved ? kNone : page_leaf(100 + i));
        ASSERT_EQ(pages.find(to + i * page).entry, moved ? page_leaf(100 + i) : kNone);
      }
      EXPECT_EQ(pages.stats().leaves, move.pages);
      if (status == Status::Ok) {
        EXPECT_EQ(done, move.pages * page);
        break;
      }
      ASSERT_EQ(status, Status::NoMemory);
      // And back, as the kernel does after a failure: while there is still no memory.
      uint64_t undone = 0;
      machine_.allocator.fail_after(1);
      ASSERT_EQ(pages.move_range(to, from, done, undone), Status::Ok);
      machine_.allocator.fail_after(0);
      for (uint64_t i = 0; i < move.pages; ++i)
        ASSERT_EQ(pages.find(from + i * page).entry, page_leaf(100 + i));
    }
  }
}

TEST_P(Interface, SplitWithoutMemory) {
  const auto sizes = machine_.factory->create(MmId(1))->capabilities().leaf_sizes;
  if (sizes.size() < 2) return;
  const PageShift large = sizes[1];
  const uint64_t parts = large.bytes() >> machine_.page.log2();
  const VirtAddr va(3 * large.bytes());
  for (uint64_t n = 1;; ++n) {
    const auto table = machine_.factory->create(MmId(1));
    map(*table, va, leaf(8 * parts, large), large);
    const uint64_t before = machine_.allocator.bytes_in_use();
    machine_.allocator.fail_after(n);
    const Status status = table->split(table->find(va).handle, machine_.page);
    machine_.allocator.fail_after(0);
    if (status == Status::Ok) {
      EXPECT_EQ(table->stats().leaves, parts);
      EXPECT_EQ(table->find(va + (parts - 1) * machine_.page.bytes()).entry,
                page_leaf(8 * parts + parts - 1));
      break;
    }
    ASSERT_EQ(status, Status::NoMemory);
    EXPECT_EQ(machine_.allocator.bytes_in_use(), before);
    EXPECT_EQ(table->find(va).entry, leaf(8 * parts, large));
    EXPECT_EQ(table->stats().leaves, 1u);
  }
}

TEST_P(Interface, HandlesGoStale) {
  const auto table = machine_.factory->create(MmId(1));
  const VirtAddr va(5 * span());
  map(*table, va, page_leaf(9));
  Handle handle = table->find(va).handle;
  Entry old = kNone;
  ASSERT_EQ(table->clear(handle, old), Status::Ok);
  EXPECT_EQ(old, page_leaf(9));
  // A backend may dismantle what becomes empty at once.
  const Status again = table->clear(handle, old);
  ASSERT_TRUE(again == Status::Moved || (again == Status::Ok && old == kNone));
  expect_clean(*table);
  // The slot is gone, unless the backend had none to free.
  const Status status = table->install(handle, kNone, page_leaf(10));
  EXPECT_TRUE(status == Status::Moved || table->find(va).entry == page_leaf(10));
  if (status == Status::Moved) {
    EXPECT_EQ(table->clear(handle, old), Status::Moved);
    EXPECT_EQ(table->split(handle, machine_.page), Status::Moved);
    EXPECT_EQ(table->find(va).entry, kNone);
  }

  // A leaf that has moved away must not be found through its old handle.
  map(*table, VirtAddr(0), page_leaf(11));
  handle = table->find(VirtAddr(0)).handle;
  uint64_t done = 0;
  ASSERT_EQ(table->move_range(VirtAddr(0), VirtAddr(8 * span()), span(), done), Status::Ok);
  EXPECT_NE(table->install(handle, page_leaf(11), page_leaf(12)), Status::Ok);
  EXPECT_EQ(table->find(VirtAddr(8 * span())).entry, page_leaf(11));

  // Nor a large leaf that has been split.
  const auto sizes = table->capabilities().leaf_sizes;
  if (sizes.size() < 2) return;
  const VirtAddr at(4 * sizes[1].bytes());
  const uint64_t frames = sizes[1].bytes() >> machine_.page.log2();
  map(*table, at, leaf(frames, sizes[1]), sizes[1]);
  handle = table->find(at).handle;
  ASSERT_EQ(table->split(handle, machine_.page), Status::Ok);
  EXPECT_EQ(table->clear(handle, old), Status::Moved);
  EXPECT_EQ(table->find(at).entry, page_leaf(frames));
}

// A slot for a large leaf, taken before smaller ones came: must not be used over them.
TEST_P(Interface, LargeSlotTakenBySmallerLeaves) {
  const auto table = machine_.factory->create(MmId(1));
  const auto sizes = table->capabilities().leaf_sizes;
  if (sizes.size() < 2) return;
  const VirtAddr va(2 * sizes[1].bytes());
  const Slot slot = table->ensure(va, sizes[1]);
  ASSERT_EQ(slot.status, Status::Ok);
  map(*table, va, page_leaf(21));
  const uint64_t frames = sizes[1].bytes() >> machine_.page.log2();
  EXPECT_NE(table->install(slot.handle, kNone, leaf(frames, sizes[1])), Status::Ok);
  Entry old = kNone;
  EXPECT_EQ(table->clear(slot.handle, old), Status::Moved);
  EXPECT_EQ(table->find(va).entry, page_leaf(21));
}

// Entries that are neither none nor present are stored as they are, at any size.
TEST_P(Interface, KeptEntries) {
  const auto table = machine_.factory->create(MmId(1));
  uint64_t at = 0;
  std::vector<std::pair<VirtAddr, Entry>> kept;
  for (const PageShift size : table->capabilities().leaf_sizes) {
    at += 2 * size.bytes();
    if (at + size.bytes() > machine_.end) break;
    at = at >> size.log2() << size.log2();
    kept.emplace_back(VirtAddr(at), TestFormat::Kept::kMask | 0xdead0000 | size.log2() << 10);
    map(*table, VirtAddr(at), kept.back().second, size);
  }
  for (const auto& [va, e] : kept) {
    const Lookup found = table->find(va);
    EXPECT_EQ(found.entry, e);
    EXPECT_EQ(table->split(found.handle, machine_.page),
              found.size > machine_.page ? Status::NotSupported : Status::BadSize);
  }
  EXPECT_EQ(table->stats().leaves, kept.size());
  const auto cursor = table->cursor(machine_.everything());
  pt::Run run;
  size_t seen = 0;
  while (cursor->next(run))
    for (uint32_t i = 0; i < run.count; ++i)
      if (run.get(i) != kNone) {
        EXPECT_EQ(run.address(i), kept.at(seen).first);
        EXPECT_EQ(run.get(i), kept.at(seen).second);
        ++seen;
      }
  EXPECT_EQ(seen, kept.size());
}

// exec shifts the stack down by less than its size.
TEST_P(Interface, OverlappingMoveDown) {
  const auto table = machine_.factory->create(MmId(1));
  const uint64_t page = machine_.page.bytes();
  const uint64_t pages = 2 * (span() / page) + 3;
  const VirtAddr from(4 * span() - page);
  for (uint64_t i = 0; i < pages; ++i)
    map(*table, from + i * page, page_leaf(1 + i));
  const VirtAddr to = from - 3 * page;
  uint64_t done = 0;
  ASSERT_EQ(table->move_range(from, to, pages * page, done), Status::Ok);
  for (uint64_t i = 0; i < pages; ++i)
    ASSERT_EQ(table->find(to + i * page).entry, page_leaf(1 + i)) << i;
  EXPECT_EQ(table->stats().leaves, pages);
}

// A leaf across either end of the range is handed out whole, once.
TEST_P(Interface, CursorMeetsStraddlingLeavesOnce) {
  const auto table = machine_.factory->create(MmId(1));
  const auto sizes = table->capabilities().leaf_sizes;
  if (sizes.size() < 2) return;
  const uint64_t bytes = sizes[1].bytes();
  const uint64_t frames = bytes >> machine_.page.log2();
  for (const uint64_t i : {2u, 3u, 4u})
    map(*table, VirtAddr(i * bytes), leaf(i * frames, sizes[1]), sizes[1]);
  const uint64_t page = machine_.page.bytes();
  const auto cursor = table->cursor({VirtAddr(2 * bytes + page), VirtAddr(4 * bytes + page)});
  std::vector<uint64_t> bases;
  pt::Run run;
  while (cursor->next(run))
    for (uint32_t i = 0; i < run.count; ++i)
      if (run.get(i) != kNone) bases.push_back(run.address(i).value() / bytes);
  EXPECT_EQ(bases, (std::vector<uint64_t>{2, 3, 4}));
}

INSTANTIATE_TEST_SUITE_P(Backends, Interface, testing::ValuesIn(subjects()),
                         [](const auto& param) { return name_of(param.param); });

}  // namespace
}  // namespace mmusim::pt
