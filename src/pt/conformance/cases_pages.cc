// Cases of single leaves: slots, handles, sizes, addresses.
#include "pt/conformance/case.h"

namespace mmusim::pt::conformance {

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

// The holes between ranges and what lies behind the last.
void Case::BeyondTheAddressSpace() {
  const auto table = machine_.factory->create(MmId(1));
  const auto& spaces = machine_.spaces;
  uint64_t mapped = 0;
  for (const VirtRange& space : spaces)
    for (const VirtAddr va : {space.begin, space.end - machine_.page.bytes()}) {
      CHECK_TRUE(machine_.factory->can_map(va));
      CHECK_EQ(table->ensure(va, machine_.page).status, Status::Ok);
    }
  for (size_t i = 0; i < spaces.size(); ++i) {
    const VirtAddr end = spaces[i].end;
    const VirtAddr next = i + 1 < spaces.size() ? spaces[i + 1].begin : VirtAddr(~uint64_t{0});
    if (next - end < 0x2000000) continue;  // all 64 bits: nothing is beyond
    for (const VirtAddr va : {end, end + 0x1234000, end + (next - end) / 2}) {
      const Lookup found = table->find(va);
      CHECK_EQ(found.entry, kNone);
      CHECK_TRUE(found.empty.contains(va));
      if (machine_.factory->can_map(va)) continue;
      CHECK_FALSE(found.has_slot);
      CHECK_EQ(table->ensure(va, machine_.page).status, Status::NotSupported);
    }
    const VirtAddr last = end - machine_.page.bytes();
    map(*table, last, page_leaf(3));
    ++mapped;
    Run run;
    const auto cursor = table->cursor({last, next - end < span() ? next : end + span()});
    CHECK_TRUE(cursor->next(run));
    CHECK_EQ(run.start, last);
    CHECK_EQ(run.get(0), page_leaf(3));
    each_run(*cursor, [&](Run& behind) {  // a table may have places there, but no leaves
      for (uint32_t slot = 0; slot < behind.count; ++slot)
        CHECK_EQ(behind.get(slot), kNone);
      return true;
    });
  }
  CHECK_EQ(table->stats().leaves, mapped);
}

void Case::HandlesGoStale() {
  const auto table = machine_.factory->create(MmId(1));
  const VirtAddr va(5 * span());
  map(*table, va, page_leaf(9));
  Handle handle = handle_at(*table, va);
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
  handle = handle_at(*table, VirtAddr(0));
  uint64_t done = 0;
  CHECK_EQ(table->move_range(VirtAddr(0), VirtAddr(8 * span()), span(), done), Status::Ok);
  CHECK_NE(table->install(handle, page_leaf(11), page_leaf(12)), Status::Ok);
  CHECK_EQ(table->find(VirtAddr(8 * span())).entry, page_leaf(11));

  // Nor a large leaf that has been split, by any of the operations that take a handle.
  const auto sizes = table->capabilities().leaf_sizes;
  if (sizes.size() < 2) return;
  const VirtAddr at(4 * sizes[1].bytes());
  const uint64_t frames = sizes[1].bytes() >> machine_.page.log2();
  map(*table, at, leaf(frames, sizes[1]), sizes[1]);
  handle = handle_at(*table, at);
  CHECK_EQ(table->split(handle, machine_.page), Status::Ok);
  CHECK_EQ(table->install(handle, page_leaf(frames), page_leaf(1)), Status::Moved);
  CHECK_EQ(table->split(handle, machine_.page), Status::Moved);
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
    if (VirtAddr(at + size.bytes()) > machine_.spaces[0].end) break;
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
  size_t seen = 0;
  each_run(*cursor, [&](Run& run) {
    for (uint32_t i = 0; i < run.count; ++i)
      if (run.get(i) != kNone) {
        CHECK_LT(seen, kept.size());
        CHECK_EQ(run.address(i), kept[seen].first);
        CHECK_EQ(run.get(i), kept[seen].second);
        ++seen;
      }
    return true;
  });
  CHECK_EQ(seen, kept.size());
}

// A leaf of each size into those of each smaller one: beside it stand one of its own size and one
// of the size below, without a gap, and behind these a page.
void Case::SplitToEachSize() {
  const auto sizes = machine_.factory->create(MmId(1))->capabilities().leaf_sizes;
  constexpr unsigned kMostParts = 9;  // log2
  for (size_t from = 1; from < sizes.size(); ++from) {
    const PageShift size = sizes[from];
    const VirtAddr at(2 * size.bytes());
    const VirtAddr behind = at + 2 * size.bytes();
    if (machine_.room(0) <= behind.value()) return;
    const uint64_t frames = size.bytes() >> machine_.page.log2();
    const PageShift below = sizes[from - 1];
    for (const PageShift to : sizes) {
      if (to >= size || size.log2() - to.log2() > kMostParts) continue;
      const auto table = machine_.factory->create(MmId(1));
      const std::vector<std::pair<VirtAddr, PageShift>> beside = {
          {at - below.bytes(), below}, {at + size.bytes(), size}, {behind, machine_.page}};
      map(*table, at, leaf(8 * frames, size), size);
      for (const auto& [va, other] : beside)
        map(*table, va, leaf(4 * frames, other), other);
      CHECK_EQ(table->split(handle_at(*table, at), to), Status::Ok);
      const uint64_t parts = size.bytes() >> to.log2();
      const uint64_t each = to.bytes() >> machine_.page.log2();
      for (uint64_t i = 0; i < parts; ++i) {
        const Lookup found = table->find(at + (i << to.log2()) + (to.bytes() - 1));
        CHECK_EQ(found.size, to);
        CHECK_EQ(found.base, at + (i << to.log2()));
        CHECK_EQ(found.entry, leaf(8 * frames + i * each, to));
      }
      for (const auto& [va, other] : beside) {
        CHECK_EQ(table->find(va).size, other);
        CHECK_EQ(table->find(va).entry, leaf(4 * frames, other));
      }
      CHECK_EQ(table->stats().leaves, parts + beside.size());
      VirtAddr last(0);
      uint64_t seen = 0;
      each_run(*table->cursor(machine_.everything()), [&](Run& run) {
        for (uint32_t i = 0; i < run.count; ++i) {
          if (run.get(i) == kNone) continue;
          CHECK_TRUE(seen == 0 || last < run.address(i));
          last = run.address(i);
          ++seen;
          run.set(i, kNone);
        }
        return true;
      });
      CHECK_EQ(seen, parts + beside.size());
      expect_clean(*table);
    }
  }
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
  CHECK_EQ(table->split(handle_at(*table, at), machine_.page), Status::Ok);
  for (uint64_t i = 0; i < parts; ++i)
    CHECK_EQ(table->find(at + (i << machine_.page.log2())).entry, page_leaf(4 * parts + i));
}

// Of two sizes, the larger ones first: wherever a table keeps them, they are found in order.
void Case::PromotionOfSeveralSizes() {
  const auto table = machine_.factory->create(MmId(1));
  const Capabilities can = table->capabilities();
  if (!can.promotes || can.leaf_sizes.size() < 3) return;
  const PageShift part = can.leaf_sizes[1];
  const PageShift whole = can.leaf_sizes[2];
  if (whole.log2() > machine_.page.log2() + 12) return;
  const uint64_t pages = whole.bytes() >> machine_.page.log2();
  const uint64_t in_part = part.bytes() >> machine_.page.log2();
  const VirtAddr at(5 * whole.bytes());
  const auto page = [&](uint64_t i) { return at + (i << machine_.page.log2()); };
  for (uint64_t i = pages; i > in_part; i -= in_part)
    map(*table, page(i - in_part), leaf(2 * pages + i - in_part, part), part);
  for (uint64_t i = in_part; i > 0; --i)
    map(*table, page(i - 1), page_leaf(2 * pages + i - 1));
  Gather gather;
  CHECK_EQ(table->promote(at, whole, gather), Status::Ok);
  gather.release_tables();
  CHECK_EQ(table->stats().leaves, uint64_t{1});
  CHECK_EQ(table->find(page(pages - 1)).entry, leaf(2 * pages, whole));
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

}  // namespace mmusim::pt::conformance
