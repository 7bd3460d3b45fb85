#include "pt/conformance/promises.h"

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "pt/conformance/model.h"

namespace mmusim::pt::conformance {
namespace {

// What a check compares, in the words of the code: that is what the author of a page table reads
// next to what came.
template <class A, class B>
void check_equal(const A& came, const B& expected, const char* what, const char* promise) {
  if (came == expected) return;
  throw Broken{promise, fmt::format("{} is {}", what, text_of(A(expected))), text_of(came)};
}
#define CHECK_EQ(came, expected) check_equal((came), (expected), #came, sentence_)
#define CHECK_NE(came, other) \
  expect(!((came) == (other)), sentence_, #came " is not " #other, "it is")
#define CHECK_TRUE(condition) expect((condition), sentence_, #condition, "it is not so")
#define CHECK_FALSE(condition) expect(!(condition), sentence_, "not " #condition, "it is so")
#define CHECK_LT(a, b) expect((a) < (b), sentence_, #a " < " #b, "it is not so")

class Case {
 public:
  Case(Machine& machine, const char* sentence) : machine_(machine), sentence_(sentence) {}

  void EmptyTable();
  void EmptyRanges();
  void NoMemoryForTheRoot();
  void SizesNotOffered();
  void BeyondTheAddressSpace();
  void EnsureWithoutMemory();
  void CopyWithoutMemory();
  void MoveWithoutMemory();
  void SplitWithoutMemory();
  void HandlesGoStale();
  void LargeSlotTakenBySmallerLeaves();
  void KeptEntries();
  void OverlappingMoveDown();
  void CursorMeetsStraddlingLeavesOnce();
  void CursorsResume();
  void ClearingUnderACursor();
  void PromotionIsUndoneBySplit();
  void PromotionWantsUniformLeaves();
  void ForkThenUnmapInEitherOrder();
  void TrimKeepsToItsLimits();
  void TablesAreAccountedFor();
  void SharedLeavesAreSeenByAll();
  void UnshareMakesACopy();
  void LeavingASharedSubTree();

 private:
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
    CHECK_EQ(slot.status, Status::Ok);
    CHECK_EQ(table.install(slot.handle, slot.entry, e), Status::Ok);
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
    CHECK_EQ(table.table_bytes(), uint64_t{0});
  }
  [[nodiscard]] std::optional<PageShift> promotable(PageTable& table) const;

  Machine& machine_;
  const char* sentence_;
};

void Case::EmptyTable() {
  const auto table = machine_.factory->create(MmId(1));
  CHECK_EQ(table->stats().leaves, 0u);
  CHECK_EQ(table->table_bytes(), 0u);
  CHECK_EQ(table->find(VirtAddr(0x5000)).entry, kNone);
  Run run;
  CHECK_FALSE(table->cursor(machine_.everything())->next(run));
  Gather gather;
  table->trim(machine_.everything(), VirtAddr(0), VirtAddr(0), gather);
  CHECK_FALSE(gather.needs_flush());
  uint64_t done = 7;
  CHECK_EQ(table->move_range(VirtAddr(0), VirtAddr(span()), span(), done), Status::Ok);
  CHECK_EQ(done, span());
}

void Case::EmptyRanges() {
  const auto table = machine_.factory->create(MmId(1));
  const auto child = machine_.factory->create(MmId(2));
  map(*table, VirtAddr(0), page_leaf(1));
  const VirtRange empty{VirtAddr(0), VirtAddr(0)};
  Run run;
  CHECK_FALSE(table->cursor(empty)->next(run));
  CHECK_EQ(copy_range(*table, *child, empty, [](Run&, Run&) { return false; }), Status::Ok);
  Gather gather;
  table->trim(empty, VirtAddr(0), VirtAddr(0), gather);
  CHECK_FALSE(gather.needs_flush());
  uint64_t done = 7;
  CHECK_EQ(table->move_range(VirtAddr(0), VirtAddr(span()), 0, done), Status::Ok);
  CHECK_EQ(done, 0u);
}

void Case::NoMemoryForTheRoot() {
  machine_.allocator.fail_after(1);
  const auto table = machine_.factory->create(MmId(1));
  // A backend whose root takes no table memory has nothing to fail.
  CHECK_TRUE(table == nullptr || table->stats().root_bytes == 0);
}

void Case::SizesNotOffered() {
  const auto table = machine_.factory->create(MmId(1));
  std::set<unsigned> offered;
  for (const PageShift size : table->capabilities().leaf_sizes)
    offered.insert(size.log2());
  CHECK_EQ(*offered.begin(), machine_.page.log2());
  for (unsigned log2 = machine_.page.log2(); log2 < 48; ++log2) {
    if (offered.count(log2) != 0) continue;
    CHECK_EQ(table->ensure(VirtAddr(0), PageShift(log2)).status, Status::BadSize);
  }
}

void Case::BeyondTheAddressSpace() {
  const auto table = machine_.factory->create(MmId(1));
  const VirtAddr beyond(machine_.end);
  if (machine_.end % (uint64_t{1} << 20) != 0) return;  // all 64 bits: nothing is beyond
  for (const VirtAddr va : {beyond, beyond + 0x1234000, VirtAddr(uint64_t{1} << 63)}) {
    const Lookup found = table->find(va);
    CHECK_EQ(found.entry, kNone);
    CHECK_FALSE(found.has_slot);
    CHECK_TRUE(found.empty.contains(va));
    CHECK_EQ(table->ensure(va, machine_.page).status, Status::NotSupported);
  }
  map(*table, beyond - machine_.page.bytes(), page_leaf(3));
  Run run;
  const auto cursor = table->cursor({beyond - machine_.page.bytes(), beyond + span()});
  CHECK_TRUE(cursor->next(run));
  CHECK_EQ(run.start, beyond - machine_.page.bytes());
  CHECK_EQ(run.count, 1u);
  CHECK_FALSE(cursor->next(run));
}

// With memory failing at the first, second, ... allocation: nothing is mapped, nothing leaks, and
// it works once there is memory.
void Case::EnsureWithoutMemory() {
  for (const VirtAddr va : scattered()) {
    for (uint64_t n = 1;; n += 1 + n / 8) {  // there may be thousands
      const auto table = machine_.factory->create(MmId(1));
      machine_.allocator.fail_after(n);
      const Slot slot = table->ensure(va, machine_.page);
      machine_.allocator.fail_after(0);
      if (slot.status == Status::Ok) break;
      CHECK_EQ(slot.status, Status::NoMemory);
      CHECK_EQ(table->find(va).entry, kNone);
      CHECK_EQ(table->stats().leaves, 0u);
      const Slot again = table->ensure(va, machine_.page);
      CHECK_EQ(again.status, Status::Ok);
      CHECK_EQ(again.entry, kNone);
      expect_clean(*table);
    }
  }
  CHECK_EQ(machine_.allocator.bytes_in_use(), 0u);
}

void Case::CopyWithoutMemory() {
  const auto table = machine_.factory->create(MmId(1));
  uint64_t pfn = 10;
  for (const VirtAddr va : scattered())
    map(*table, va, page_leaf(++pfn));
  const uint64_t before = machine_.allocator.bytes_in_use();
  for (uint64_t n = 1;; n += 1 + n / 8) {  // there may be thousands
    const auto child = machine_.factory->create(MmId(2));
    std::set<uint64_t> copied;
    machine_.allocator.fail_after(n);
    const Status status =
        copy_range(*table, *child, machine_.everything(), [&](Run& from, Run& to) {
          for (uint32_t i = 0; i < from.count; ++i) {
            if (from.get(i) == kNone) continue;
            to.set(i, from.get(i));
            copied.insert(from.address(i).value());
          }
          return true;
        });
    machine_.allocator.fail_after(0);
    for (const VirtAddr va : scattered())
      CHECK_EQ(child->find(va).entry,
               copied.count(va.value()) != 0 ? table->find(va).entry : kNone);
    CHECK_EQ(child->stats().leaves, copied.size());
    if (status == Status::Ok) {
      CHECK_EQ(copied.size(), scattered().size());
      break;
    }
    CHECK_EQ(status, Status::NoMemory);
    CHECK_LT(copied.size(), scattered().size());
  }
  CHECK_EQ(machine_.allocator.bytes_in_use(), before);
}

void Case::MoveWithoutMemory() {
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
    for (uint64_t n = 1;; n += 1 + n / 8) {  // there may be thousands
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
        CHECK_EQ(pages.find(from + i * page).entry, moved ? kNone : page_leaf(100 + i));
        CHECK_EQ(pages.find(to + i * page).entry, moved ? page_leaf(100 + i) : kNone);
      }
      CHECK_EQ(pages.stats().leaves, move.pages);
      if (status == Status::Ok) {
        CHECK_EQ(done, move.pages * page);
        break;
      }
      CHECK_EQ(status, Status::NoMemory);
      // And back, as the kernel does after a failure: while there is still no memory.
      uint64_t undone = 0;
      machine_.allocator.fail_after(1);
      CHECK_EQ(pages.move_range(to, from, done, undone), Status::Ok);
      machine_.allocator.fail_after(0);
      for (uint64_t i = 0; i < move.pages; ++i)
        CHECK_EQ(pages.find(from + i * page).entry, page_leaf(100 + i));
    }
  }
}

void Case::SplitWithoutMemory() {
  const auto sizes = machine_.factory->create(MmId(1))->capabilities().leaf_sizes;
  if (sizes.size() < 2) return;
  const PageShift large = sizes[1];
  const uint64_t parts = large.bytes() >> machine_.page.log2();
  const VirtAddr va(3 * large.bytes());
  for (uint64_t n = 1;; n += 1 + n / 8) {  // a split may take thousands
    const auto table = machine_.factory->create(MmId(1));
    map(*table, va, leaf(8 * parts, large), large);
    const uint64_t before = machine_.allocator.bytes_in_use();
    machine_.allocator.fail_after(n);
    const Status status = table->split(table->find(va).handle, machine_.page);
    machine_.allocator.fail_after(0);
    if (status == Status::Ok) {
      CHECK_EQ(table->stats().leaves, parts);
      CHECK_EQ(table->find(va + (parts - 1) * machine_.page.bytes()).entry,
               page_leaf(8 * parts + parts - 1));
      break;
    }
    CHECK_EQ(status, Status::NoMemory);
    CHECK_EQ(machine_.allocator.bytes_in_use(), before);
    CHECK_EQ(table->find(va).entry, leaf(8 * parts, large));
    CHECK_EQ(table->stats().leaves, 1u);
  }
}

void Case::HandlesGoStale() {
  const auto table = machine_.factory->create(MmId(1));
  const VirtAddr va(5 * span());
  map(*table, va, page_leaf(9));
  Handle handle = table->find(va).handle;
  Entry old = kNone;
  CHECK_EQ(table->clear(handle, old), Status::Ok);
  CHECK_EQ(old, page_leaf(9));
  // A backend may dismantle what becomes empty at once.
  const Status again = table->clear(handle, old);
  CHECK_TRUE(again == Status::Moved || (again == Status::Ok && old == kNone));
  expect_clean(*table);
  // The slot is gone, unless the backend had none to free.
  const Status status = table->install(handle, kNone, page_leaf(10));
  CHECK_TRUE(status == Status::Moved || table->find(va).entry == page_leaf(10));
  if (status == Status::Moved) {
    CHECK_EQ(table->clear(handle, old), Status::Moved);
    CHECK_EQ(table->split(handle, machine_.page), Status::Moved);
    CHECK_EQ(table->find(va).entry, kNone);
  }

  // A leaf that has moved away must not be found through its old handle.
  map(*table, VirtAddr(0), page_leaf(11));
  handle = table->find(VirtAddr(0)).handle;
  uint64_t done = 0;
  CHECK_EQ(table->move_range(VirtAddr(0), VirtAddr(8 * span()), span(), done), Status::Ok);
  CHECK_NE(table->install(handle, page_leaf(11), page_leaf(12)), Status::Ok);
  CHECK_EQ(table->find(VirtAddr(8 * span())).entry, page_leaf(11));

  // Nor a large leaf that has been split.
  const auto sizes = table->capabilities().leaf_sizes;
  if (sizes.size() < 2) return;
  const VirtAddr at(4 * sizes[1].bytes());
  const uint64_t frames = sizes[1].bytes() >> machine_.page.log2();
  map(*table, at, leaf(frames, sizes[1]), sizes[1]);
  handle = table->find(at).handle;
  CHECK_EQ(table->split(handle, machine_.page), Status::Ok);
  CHECK_EQ(table->clear(handle, old), Status::Moved);
  CHECK_EQ(table->find(at).entry, page_leaf(frames));
}

// A slot for a large leaf, taken before smaller ones came: must not be used over them.
void Case::LargeSlotTakenBySmallerLeaves() {
  const auto table = machine_.factory->create(MmId(1));
  const auto sizes = table->capabilities().leaf_sizes;
  if (sizes.size() < 2) return;
  const VirtAddr va(2 * sizes[1].bytes());
  const Slot slot = table->ensure(va, sizes[1]);
  CHECK_EQ(slot.status, Status::Ok);
  map(*table, va, page_leaf(21));
  const uint64_t frames = sizes[1].bytes() >> machine_.page.log2();
  CHECK_NE(table->install(slot.handle, kNone, leaf(frames, sizes[1])), Status::Ok);
  Entry old = kNone;
  CHECK_EQ(table->clear(slot.handle, old), Status::Moved);
  CHECK_EQ(table->find(va).entry, page_leaf(21));
}

// Entries that are neither none nor present are stored as they are, at any size.
void Case::KeptEntries() {
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
    CHECK_EQ(found.entry, e);
    CHECK_EQ(table->split(found.handle, machine_.page),
             found.size > machine_.page ? Status::NotSupported : Status::BadSize);
  }
  CHECK_EQ(table->stats().leaves, kept.size());
  const auto cursor = table->cursor(machine_.everything());
  Run run;
  size_t seen = 0;
  while (cursor->next(run))
    for (uint32_t i = 0; i < run.count; ++i)
      if (run.get(i) != kNone) {
        CHECK_EQ(run.address(i), kept.at(seen).first);
        CHECK_EQ(run.get(i), kept.at(seen).second);
        ++seen;
      }
  CHECK_EQ(seen, kept.size());
}

// exec shifts the stack down by less than its size.
void Case::OverlappingMoveDown() {
  const auto table = machine_.factory->create(MmId(1));
  const uint64_t page = machine_.page.bytes();
  const uint64_t pages = 2 * (span() / page) + 3;
  const VirtAddr from(4 * span() - page);
  for (uint64_t i = 0; i < pages; ++i)
    map(*table, from + i * page, page_leaf(1 + i));
  const VirtAddr to = from - 3 * page;
  uint64_t done = 0;
  CHECK_EQ(table->move_range(from, to, pages * page, done), Status::Ok);
  for (uint64_t i = 0; i < pages; ++i)
    CHECK_EQ(table->find(to + i * page).entry, page_leaf(1 + i));
  CHECK_EQ(table->stats().leaves, pages);
}

// A leaf across either end of the range is handed out whole, once.
void Case::CursorMeetsStraddlingLeavesOnce() {
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
  Run run;
  while (cursor->next(run))
    for (uint32_t i = 0; i < run.count; ++i)
      if (run.get(i) != kNone) bases.push_back(run.address(i).value() / bytes);
  CHECK_EQ(bases, (std::vector<uint64_t>{2, 3, 4}));
}

void Case::CursorsResume() {
  const auto table = machine_.factory->create(MmId(1));
  const uint64_t page = machine_.page.bytes();
  for (uint64_t i = 0; i < 6; ++i)
    map(*table, VirtAddr(i * span() / 2), page_leaf(10 + i));
  const auto cursor = table->cursor(machine_.everything());
  Run run;
  CHECK_TRUE(cursor->next(run));
  CHECK_EQ(run.start.value() <= 0, true);
  // Something comes and something goes ahead of it.
  map(*table, VirtAddr(5 * span()), page_leaf(99));
  Entry old = kNone;
  CHECK_EQ(table->clear(table->find(VirtAddr(4 * span() / 2)).handle, old), Status::Ok);
  cursor->seek(VirtAddr(page));
  std::vector<uint64_t> seen;
  each_run(*cursor, [&](Run& r) {
    for (uint32_t i = 0; i < r.count; ++i)
      if (r.get(i) != kNone && r.address(i).value() >= page) seen.push_back(r.address(i).value());
    return true;
  });
  const std::vector<uint64_t> expected{span() / 2, span(), 3 * span() / 2, 5 * span() / 2,
                                       5 * span()};
  CHECK_EQ(seen.size(), expected.size());
  for (size_t i = 0; i < seen.size(); ++i)
    CHECK_EQ(seen[i], expected[i]);
}

void Case::ClearingUnderACursor() {
  const auto table = machine_.factory->create(MmId(1));
  const uint64_t pages = 3 * span() / machine_.page.bytes();
  const uint64_t step = pages > 64 ? pages / 64 : 1;
  uint64_t mapped = 0;
  for (uint64_t i = 0; i < pages; i += step, ++mapped)
    map(*table, VirtAddr(i << machine_.page.log2()), page_leaf(1 + i));
  uint64_t cleared = 0;
  {
    const auto cursor = table->cursor(machine_.everything(), CursorMode::Zap);
    each_run(*cursor, [&](Run& run) {
      for (uint32_t i = 0; i < run.count; ++i)
        if (run.get(i) != kNone) {
          run.set(i, kNone);
          ++cleared;
        }
      return true;
    });
  }
  CHECK_EQ(cleared, mapped);
  CHECK_EQ(table->stats().leaves, uint64_t{0});
  expect_clean(*table);
}

// Blocks of the second leaf size, if it is not too many pages.
std::optional<PageShift> Case::promotable(PageTable& table) const {
  const Capabilities can = table.capabilities();
  if (!can.promotes || can.leaf_sizes.size() < 2) return std::nullopt;
  if (can.leaf_sizes[1].log2() > machine_.page.log2() + 12) return std::nullopt;
  return can.leaf_sizes[1];
}

void Case::PromotionIsUndoneBySplit() {
  const auto table = machine_.factory->create(MmId(1));
  const auto size = promotable(*table);
  if (!size) return;
  const uint64_t parts = size->bytes() >> machine_.page.log2();
  const VirtAddr at(3 * size->bytes());
  for (uint64_t i = 0; i < parts; ++i)
    map(*table, at + (i << machine_.page.log2()), page_leaf(4 * parts + i));
  Gather gather;
  CHECK_EQ(table->promote(at + machine_.page.bytes(), *size, gather), Status::Ok);
  gather.release_tables();
  CHECK_EQ(table->stats().leaves, uint64_t{1});
  CHECK_EQ(table->find(at).entry, leaf(4 * parts, *size));
  CHECK_EQ(table->find(at).size, *size);
  CHECK_EQ(table->split(table->find(at).handle, machine_.page), Status::Ok);
  for (uint64_t i = 0; i < parts; ++i)
    CHECK_EQ(table->find(at + (i << machine_.page.log2())).entry, page_leaf(4 * parts + i));
}

void Case::PromotionWantsUniformLeaves() {
  const auto table = machine_.factory->create(MmId(1));
  const auto size = promotable(*table);
  if (!size) return;
  const uint64_t parts = size->bytes() >> machine_.page.log2();
  const auto page = [&](uint64_t i) { return VirtAddr(i << machine_.page.log2()); };
  const auto promote = [&] {
    Gather gather;
    const Status status = table->promote(VirtAddr(0), *size, gather);
    gather.release_tables();
    return status;
  };
  for (uint64_t i = 0; i + 1 < parts; ++i)
    map(*table, page(i), page_leaf(parts + i));
  CHECK_EQ(promote(), Status::NotUniform);  // a hole
  map(*table, page(parts - 1), page_leaf(7 * parts));
  CHECK_EQ(promote(), Status::NotUniform);  // another frame
  map(*table, page(parts - 1), machine_.format.write_protected(page_leaf(2 * parts - 1)));
  CHECK_EQ(promote(), Status::NotUniform);  // other rights
  for (uint64_t i = 0; i < parts; ++i)
    map(*table, page(i), page_leaf(parts + 1 + i));
  CHECK_EQ(promote(), Status::NotUniform);  // frames that are not aligned
  CHECK_EQ(table->stats().leaves, parts);
}

void Case::ForkThenUnmapInEitherOrder() {
  for (const bool parent_first : {true, false}) {
    auto parent = machine_.factory->create(MmId(1));
    auto child = machine_.factory->create(MmId(2));
    uint64_t pfn = 1;
    for (const VirtAddr va : scattered())
      map(*parent, va, page_leaf(++pfn));
    CHECK_EQ(copy_range(*parent, *child, machine_.everything(),
                        [](Run& from, Run& to) {
                          for (uint32_t i = 0; i < from.count; ++i)
                            to.set(i, from.get(i));
                          return true;
                        }),
             Status::Ok);
    std::unique_ptr<PageTable>& first = parent_first ? parent : child;
    std::unique_ptr<PageTable>& second = parent_first ? child : parent;
    for (const VirtAddr va : scattered()) {
      Entry old = kNone;
      CHECK_EQ(first->clear(first->find(va).handle, old), Status::Ok);
      CHECK_EQ(second->find(va).entry, old);
    }
    expect_clean(*first);
    first.reset();
    CHECK_EQ(second->stats().leaves, uint64_t{scattered().size()});
    for (const VirtAddr va : scattered()) {
      Entry old = kNone;
      CHECK_EQ(second->clear(second->find(va).handle, old), Status::Ok);
    }
    expect_clean(*second);
    second.reset();
    CHECK_EQ(machine_.allocator.bytes_in_use(), uint64_t{0});
  }
}

void Case::TrimKeepsToItsLimits() {
  const auto table = machine_.factory->create(MmId(1));
  map(*table, VirtAddr(span()), page_leaf(5));
  Entry old = kNone;
  CHECK_EQ(table->clear(table->find(VirtAddr(span())).handle, old), Status::Ok);
  const uint64_t before = table->table_bytes();
  // A mapping that begins in the middle of the leaf table's span: the table may be needed.
  Gather gather;
  const VirtRange range{VirtAddr(span()), VirtAddr(span() + machine_.page.bytes())};
  table->trim(range, VirtAddr(0), VirtAddr(span() + machine_.page.bytes()), gather);
  gather.release_tables();
  CHECK_TRUE(table->table_bytes() <= before);
  // With nobody near, all must go.
  table->trim(range, VirtAddr(0), VirtAddr(0), gather);
  gather.release_tables();
  CHECK_EQ(table->table_bytes(), uint64_t{0});
}

void Case::TablesAreAccountedFor() {
  const auto table = machine_.factory->create(MmId(1));
  uint64_t pfn = 1;
  for (const VirtAddr va : scattered())
    for (uint64_t i = 0; i < 2; ++i)
      map(*table, va + (i << machine_.page.log2()), page_leaf(++pfn));
  std::set<uint64_t> addresses;
  uint64_t bytes = 0;
  table->visit_tables([&](const TableNode& node) {
    CHECK_TRUE(addresses.insert(node.address.value()).second);
    CHECK_TRUE(node.parent == node.address || addresses.count(node.parent.value()) != 0);
    bytes += node.bytes;
  });
  const Stats stats = table->stats();
  CHECK_EQ(bytes, stats.table_bytes + stats.root_bytes + machine_.factory->common_bytes());
  CHECK_EQ(stats.table_bytes, table->table_bytes());
  CHECK_EQ(stats.leaves, 2 * uint64_t{scattered().size()});
}

void Case::SharedLeavesAreSeenByAll() {
  const auto a = machine_.factory->create(MmId(1));
  const auto b = machine_.factory->create(MmId(2));
  if (!a->capabilities().shares) return;
  const PageShift size(machine_.environment.geometry[0].shift +
                       machine_.environment.geometry[0].index_bits);
  const VirtAddr at(4 * size.bytes());
  const VirtAddr there(6 * size.bytes());
  map(*a, at, page_leaf(1));
  const Rights read(Rights::kRead | Rights::kUser);
  Status status = b->share(there, *a, at, size, read);
  if (status == Status::BadSize) return;
  const bool restricts = status != Status::NotSupported;  // of some rights
  if (!restricts) status = b->share(there, *a, at, size, Rights(0xf));
  CHECK_EQ(status, Status::Ok);
  CHECK_EQ(b->find(there).entry, page_leaf(1));
  CHECK_TRUE(b->find(there).shared);
  CHECK_EQ(b->find(there).mask.has(Rights::kWrite), !restricts);
  CHECK_TRUE(a->find(at).mask.has(Rights::kWrite));
  const uint64_t page = machine_.page.bytes();
  map(*b, there + page, page_leaf(2));
  CHECK_EQ(a->find(at + page).entry, page_leaf(2));
  Entry old = kNone;
  CHECK_EQ(a->clear(a->find(at).handle, old), Status::Ok);
  CHECK_EQ(b->find(there).entry, kNone);
  CHECK_EQ(a->sharers(at).size(), size_t{2});
  CHECK_EQ(b->share(there, *a, at + page, size, Rights(0xf)), Status::BadAlign);
  CHECK_EQ(a->clear(a->find(at + page).handle, old), Status::Ok);
}

void Case::UnshareMakesACopy() {
  const auto a = machine_.factory->create(MmId(1));
  const auto b = machine_.factory->create(MmId(2));
  if (!a->capabilities().shares) return;
  const PageShift size(machine_.environment.geometry[0].shift +
                       machine_.environment.geometry[0].index_bits);
  const VirtAddr at(2 * size.bytes());
  for (uint64_t i = 0; i < 4; ++i)
    map(*a, at + (i << machine_.page.log2()), page_leaf(1 + i));
  const Status status = b->share(at, *a, at, size, Rights(0xf));
  if (status == Status::BadSize) return;  // not at this one
  CHECK_EQ(status, Status::Ok);
  CHECK_EQ(b->unshare(at,
                      [](size_t, Run& from, Run& to) {
                        for (uint32_t i = 0; i < from.count; ++i)
                          to.set(i, from.get(i));
                        return true;
                      }),
           Status::Ok);
  CHECK_TRUE(!b->find(at).shared);
  Entry old = kNone;
  CHECK_EQ(b->clear(b->find(at).handle, old), Status::Ok);
  CHECK_EQ(old, page_leaf(1));
  CHECK_EQ(a->find(at).entry, page_leaf(1));
  CHECK_EQ(a->stats().leaves, uint64_t{4});
}

void Case::LeavingASharedSubTree() {
  const auto a = machine_.factory->create(MmId(1));
  const auto b = machine_.factory->create(MmId(2));
  if (!a->capabilities().shares) return;
  const PageShift size(machine_.environment.geometry[0].shift +
                       machine_.environment.geometry[0].index_bits);
  const VirtAddr at(2 * size.bytes());
  map(*a, at, page_leaf(1));
  Gather gather;
  CHECK_EQ(a->leave(at, gather), Status::NotSupported);  // nothing is shared there
  const Status status = b->share(at, *a, at, size, Rights(0xf));
  if (status == Status::BadSize) return;  // not at this one
  CHECK_EQ(status, Status::Ok);
  CHECK_EQ(b->leave(at, gather), Status::Ok);
  gather.release_tables();
  CHECK_EQ(b->find(at).entry, kNone);
  CHECK_EQ(a->find(at).entry, page_leaf(1));
}

}  // namespace

const std::vector<PromiseCase>& promise_cases() {
#define MMUSIM_CASE(function, name, sentence)                                    \
  {                                                                              \
    name, sentence, [](Machine& machine) { Case(machine, sentence).function(); } \
  }
  static const std::vector<PromiseCase> kCases = {
      MMUSIM_CASE(EmptyTable, "empty_table",
                  "an empty table holds nothing, and every operation on it is well-defined"),
      MMUSIM_CASE(EmptyRanges, "empty_ranges", "operations on empty ranges do nothing"),
      MMUSIM_CASE(NoMemoryForTheRoot, "no_memory_for_the_root",
                  "create() gives no table when there is no memory for its root"),
      MMUSIM_CASE(SizesNotOffered, "sizes_not_offered",
                  "ensure() says BadSize for sizes that capabilities() does not list"),
      MMUSIM_CASE(BeyondTheAddressSpace, "beyond_the_address_space",
                  "addresses beyond the address space are empty and cannot be mapped"),
      MMUSIM_CASE(
          EnsureWithoutMemory, "ensure_without_memory",
          "ensure() without memory maps nothing, leaks nothing, and works once there is memory"),
      MMUSIM_CASE(CopyWithoutMemory, "copy_without_memory",
                  "copy_ranges() without memory leaves a prefix that is valid"),
      MMUSIM_CASE(
          MoveWithoutMemory, "move_without_memory",
          "move_range() without memory moves a prefix, which can be moved back without memory"),
      MMUSIM_CASE(SplitWithoutMemory, "split_without_memory",
                  "split() without memory leaves the leaf as it was"),
      MMUSIM_CASE(HandlesGoStale, "handles_go_stale", "a handle whose slot is gone says Moved"),
      MMUSIM_CASE(LargeSlotTakenBySmallerLeaves, "large_slot_taken_by_smaller_leaves",
                  "a slot for a large leaf cannot be used once smaller leaves are there"),
      MMUSIM_CASE(
          KeptEntries, "kept_entries",
          "entries that are neither none nor present come back as they were stored, at every size"),
      MMUSIM_CASE(OverlappingMoveDown, "overlapping_move_down",
                  "move_range() can move a range down by less than its size"),
      MMUSIM_CASE(CursorMeetsStraddlingLeavesOnce, "cursor_meets_straddling_leaves_once",
                  "a leaf across either end of a range is handed out whole, once"),
      MMUSIM_CASE(CursorsResume, "cursors_resume",
                  "a cursor that seeks after changes from elsewhere goes on by address"),
      MMUSIM_CASE(ClearingUnderACursor, "clearing_under_a_cursor",
                  "clearing what a Zap cursor hands out never makes it lose its place"),
      MMUSIM_CASE(PromotionIsUndoneBySplit, "promotion_is_undone_by_split",
                  "split() after promote() gives the translations there were"),
      MMUSIM_CASE(PromotionWantsUniformLeaves, "promotion_wants_uniform_leaves",
                  "promote() refuses holes, other frames and other rights"),
      MMUSIM_CASE(ForkThenUnmapInEitherOrder, "fork_then_unmap_in_either_order",
                  "parent and child of a fork may go in either order, and nothing is left"),
      MMUSIM_CASE(TrimKeepsToItsLimits, "trim_keeps_to_its_limits",
                  "trim() frees no table that could serve an address outside floor and ceiling"),
      MMUSIM_CASE(TablesAreAccountedFor, "tables_are_accounted_for",
                  "visit_tables() shows each table once, with the bytes stats() counts"),
      MMUSIM_CASE(
          SharedLeavesAreSeenByAll, "shared_leaves_are_seen_by_all",
          "what one user of a shared sub-tree installs or clears, all see, and rights are masked"),
      MMUSIM_CASE(UnshareMakesACopy, "unshare_makes_a_copy",
                  "after unshare() changes are one's own, and the rest stays shared"),
      MMUSIM_CASE(LeavingASharedSubTree, "leaving_a_shared_sub_tree",
                  "who leaves a shared sub-tree sees nothing of it, the others all; the last may "
                  "not leave leaves behind"),
  };
#undef MMUSIM_CASE
  return kCases;
}

}  // namespace mmusim::pt::conformance
