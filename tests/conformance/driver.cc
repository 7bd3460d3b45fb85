#include "tests/conformance/driver.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace mmusim::pt {

Driver::Driver(const Subject& subject, uint64_t seed)
    : machine_(*subject.backend, *subject.architecture, subject.settings()),
      random_(seed),
      table_(machine_.factory->create(MmId(1))) {
  if (table_ == nullptr) {
    ADD_FAILURE() << "no table";
    return;
  }
  sizes_ = table_->capabilities().leaf_sizes;
  // The beginning, the end, and the ends of the spans of tables of each level.
  anchors_ = {0, machine_.end - machine_.page.bytes()};
  for (const RadixLevel& level : machine_.environment.geometry) {
    const unsigned span = level.shift + level.index_bits;
    if (span < 63 && (uint64_t{1} << span) < machine_.end) anchors_.push_back(uint64_t{1} << span);
  }
}

uint64_t Driver::pick_address() {
  const uint64_t anchor = anchors_[random_.below(anchors_.size())];
  const RadixLevel& leaf_level = machine_.environment.geometry[0];
  const unsigned bits = static_cast<unsigned>(random_.below(leaf_level.index_bits + 3));
  const uint64_t offset = random_.below(uint64_t{1} << bits) << machine_.page.log2();
  if (random_.below(2) == 0 && offset <= anchor) return anchor - offset;
  return anchor + offset < machine_.end && anchor + offset >= anchor ? anchor + offset : anchor;
}

PageShift Driver::pick_size() {
  return random_.below(3) != 0 ? sizes_[0] : sizes_[random_.below(sizes_.size())];
}

VirtRange Driver::pick_range() {
  uint64_t begin = pick_address();
  const RadixLevel& leaf_level = machine_.environment.geometry[0];
  uint64_t bytes = (1 + random_.below(uint64_t{1} << random_.below(leaf_level.index_bits + 3)))
                   << machine_.page.log2();
  if (random_.below(3) == 0) {  // aligned, so that whole tables are met
    const unsigned span = leaf_level.shift + leaf_level.index_bits;
    begin = begin >> span << span;
    bytes = (1 + random_.below(4)) << span;
  }
  bytes = std::min(bytes, machine_.end - begin);
  return {VirtAddr(begin), VirtAddr(begin + bytes)};
}

Entry Driver::make_entry(PageShift size) {
  // Something that is not present and not none must be kept as it is.
  if (size == machine_.page && random_.below(8) == 0)
    return TestFormat::Kept::kMask | random_.below(1 << 20) << 10;
  LeafFields fields;
  const uint64_t frames = size.bytes() >> machine_.page.log2();
  fields.pfn = Pfn((1 + random_.below(1000)) * frames);
  fields.size = size;
  fields.rights = Rights(Rights::kRead | Rights::kUser)
                      .with(random_.below(2) != 0 ? unsigned{Rights::kWrite} : 0u);
  fields.accessed = random_.below(2) != 0;
  fields.dirty = random_.below(2) != 0;
  return machine_.format.make_leaf(fields);
}

void Driver::maybe_fail(bool failing_memory) {
  may_fail_ = failing_memory;
  machine_.allocator.fail_after(failing_memory ? 1 + random_.below(4) : 0);
}

Entry Driver::page_entry(const std::optional<OracleLeaf>& leaf, uint64_t va) const {
  if (!leaf) return kNone;
  if (!machine_.format.is_present(leaf->entry)) return leaf->entry;
  LeafFields fields = machine_.format.parse_leaf(leaf->entry, PageShift(leaf->log2));
  fields.pfn += (va - leaf->base) >> machine_.page.log2();
  fields.size = machine_.page;
  return machine_.format.make_leaf(fields);
}

void Driver::check_address(uint64_t va) {
  const auto leaf = oracle_.at(va);
  for (const bool peek : {false, true}) {
    const uint64_t before = machine_.sink.total(mem::Origin::Kernel);
    const Lookup found = peek ? table_->peek(VirtAddr(va)) : table_->find(VirtAddr(va));
    EXPECT_TRUE(!peek || machine_.sink.total(mem::Origin::Kernel) == before) << "peek touched";
    ASSERT_EQ(found.entry, leaf ? leaf->entry : kNone) << std::hex << va;
    if (leaf) {
      ASSERT_EQ(found.base.value(), leaf->base) << std::hex << va;
      ASSERT_EQ(found.size.log2(), leaf->log2) << std::hex << va;
      ASSERT_TRUE(found.has_slot);
      ASSERT_EQ(found.handle.base.value(), leaf->base);
      ASSERT_EQ(found.handle.size.log2(), leaf->log2);
    } else {
      const uint64_t page = va >> machine_.page.log2() << machine_.page.log2();
      ASSERT_LE(found.empty.begin.value(), page) << std::hex << va;
      ASSERT_GE(found.empty.end.value(), page + machine_.page.bytes()) << std::hex << va;
      ASSERT_TRUE(oracle_.within(found.empty.begin.value(), found.empty.end.value()).empty())
          << std::hex << va;
      ASSERT_TRUE(!found.has_slot || found.handle.size == machine_.page);
    }
  }
}

void Driver::check_leaves(PageTable& table, const Oracle& oracle, VirtRange range) {
  std::vector<OracleLeaf> seen;
  const auto cursor = table.cursor(range);
  uint64_t at = 0;
  Run run;
  while (cursor->next(run)) {
    ASSERT_GT(run.count, 0u);
    ASSERT_GE(run.start.value(), at) << "out of order";
    at = run.start.value() + (uint64_t{run.count - 1} << run.size.log2());
    ASSERT_LT(at, range.end.value());
    ASSERT_LT(range.begin.value(), run.start.value() + run.size.bytes());
    for (uint32_t i = 0; i < run.count; ++i)
      if (run.get(i) != kNone)
        seen.push_back({run.address(i).value(), run.size.log2(), run.get(i)});
  }
  const auto expected = oracle.within(range.begin.value(), range.end.value());
  ASSERT_EQ(seen.size(), expected.size());
  for (size_t i = 0; i < seen.size(); ++i)
    ASSERT_EQ(seen[i], expected[i]) << std::hex << seen[i].base << " " << expected[i].base;
}

void Driver::map() {
  const PageShift size = pick_size();
  const uint64_t va = pick_address();
  const uint64_t base = va & ~size.offset_mask();
  if (base + size.bytes() > machine_.end || base + size.bytes() < base) return;
  const auto there = oracle_.within(base, base + size.bytes());
  const Slot slot = table_->ensure(VirtAddr(va), size);
  if (slot.status == Status::NoMemory) {
    ASSERT_TRUE(may_fail_);
    return check_address(va);
  }
  if (!there.empty() && there[0].log2 > size.log2()) {
    ASSERT_EQ(slot.status, Status::Overlap);
    ASSERT_EQ(slot.entry, there[0].entry);
    ASSERT_EQ(slot.handle.base.value(), there[0].base);
    return check_address(va);
  }
  if (!there.empty() && there[0].log2 < size.log2()) {
    ASSERT_EQ(slot.status, Status::Occupied);
    return check_address(va);
  }
  // Empty tables may stand in the way of a larger leaf, never in that of a base page.
  if (slot.status == Status::Occupied && size > sizes_[0]) return check_address(va);
  ASSERT_EQ(slot.status, Status::Ok) << name_of(slot.status);
  const Entry old = there.empty() ? kNone : there[0].entry;
  ASSERT_EQ(slot.entry, old);
  ASSERT_EQ(slot.handle.base.value(), base);
  ASSERT_EQ(slot.handle.size, size);
  const Entry next = make_entry(size);
  ASSERT_EQ(table_->install(slot.handle, old ^ 0x10000, next), Status::Changed);
  check_address(va);
  if (size > sizes_[0]) {
    const Entry crooked = TestFormat::Frame::set(next, TestFormat::Frame::get(next) + 1);
    ASSERT_EQ(table_->install(slot.handle, old, crooked), Status::BadAlign);
  }
  ASSERT_EQ(table_->install(slot.handle, old, next), Status::Ok);
  oracle_.set({base, size.log2(), next});
  check_address(va);
  check_address(base + size.bytes() - machine_.page.bytes());
}

void Driver::clear_one() {
  const uint64_t va = pick_address();
  const Lookup found = table_->find(VirtAddr(va));
  if (!found.has_slot) return;
  Entry old = ~Entry{0};
  ASSERT_EQ(table_->clear(found.handle, old), Status::Ok);
  ASSERT_EQ(old, found.entry);
  if (found.entry != kNone) oracle_.erase(found.base.value());
  check_address(va);
}

// A cursor over a range, with changes to the entries it hands out and jumps.
void Driver::sweep() {
  const VirtRange range = pick_range();
  check_leaves(*table_, oracle_, range);
  const auto cursor = table_->cursor(range);
  const uint64_t what = random_.below(4);
  Run run;
  while (cursor->next(run)) {
    for (uint32_t i = 0; i < run.count; ++i) {
      const uint64_t va = run.address(i).value();
      const Entry e = run.get(i);
      const bool hit = random_.below(4) != 0;
      if (what == 0 && hit && e != kNone) {
        run.set(i, kNone);
        oracle_.erase(va);
      } else if (what == 1 && hit && machine_.format.is_writable(e)) {
        run.set(i, machine_.format.write_protected(e));
        oracle_.set({va, run.size.log2(), machine_.format.write_protected(e)});
      } else if (what == 2 && !hit && e == kNone) {
        const Entry next = make_entry(run.size);
        run.set(i, next);
        oracle_.set({va, run.size.log2(), next});
      }
    }
    if (what == 3 && random_.below(4) == 0) {
      // Resuming somewhere sees from there on what a fresh cursor sees.
      const uint64_t pages = range.bytes() >> machine_.page.log2();
      const VirtAddr there = range.begin + (random_.below(pages) << machine_.page.log2());
      cursor->seek(there);
      const auto fresh = table_->cursor({there, range.end});
      Run a;
      Run b;
      const bool more = cursor->next(a);
      ASSERT_EQ(more, fresh->next(b));
      if (!more) break;
      ASSERT_EQ(a.start, b.start);
      ASSERT_EQ(a.count, b.count);
      ASSERT_EQ(a.size, b.size);
      if (random_.below(3) == 0) break;
    }
  }
  check_leaves(*table_, oracle_, range);
}

// fork: a fresh table gets copies of some ranges.
void Driver::copy() {
  const uint64_t bytes_before = machine_.allocator.bytes_in_use();
  {
    auto child = machine_.factory->create(MmId(2));
    ASSERT_TRUE(child != nullptr || may_fail_);
    if (child == nullptr) return;
    Oracle copied;
    bool complete = true;
    for (uint64_t n = 1 + random_.below(3); complete && n-- > 0;) {
      const VirtRange range = pick_range();
      const uint64_t salt = random_.next();
      const bool protect = random_.below(2) == 0;
      const uint64_t stop_after = random_.below(6) == 0 ? random_.below(3) : ~uint64_t{0};
      uint64_t runs = 0;
      const auto chosen = [&](uint64_t va) { return Random(va ^ salt).below(8) != 0; };
      const auto copier = [&](Run& from, Run& to) {
        EXPECT_EQ(from.start, to.start);
        EXPECT_EQ(from.size, to.size);
        EXPECT_EQ(from.count, to.count);
        const VirtRange covered{from.start, from.address(from.count - 1) + from.size.bytes()};
        EXPECT_TRUE(covered.overlaps(range));
        // Only slots that reach into the range.
        EXPECT_LT(range.begin.value(), from.address(0).value() + from.size.bytes());
        EXPECT_LT(from.address(from.count - 1), range.end);
        if (runs++ == stop_after) return false;
        for (uint32_t i = 0; i < from.count; ++i) {
          const uint64_t va = from.address(i).value();
          Entry e = from.get(i);
          if (e == kNone || !chosen(va)) continue;
          if (protect && machine_.format.is_present(e)) {
            e = machine_.format.write_protected(e);
            from.set(i, e);
            oracle_.set({va, from.size.log2(), e});
          }
          to.set(i, e);
          copied.set({va, from.size.log2(), e});
        }
        return true;
      };
      const auto expected = oracle_.within(range.begin.value(), range.end.value());
      const Status status = copy_range(*table_, *child, range, copier);
      complete = status == Status::Ok;
      if (!complete) {
        ASSERT_EQ(status, runs > stop_after ? Status::Stopped : Status::NoMemory);
        ASSERT_TRUE(runs > stop_after || may_fail_);
        break;
      }
      for (const OracleLeaf& leaf : expected)
        ASSERT_TRUE(!chosen(leaf.base) || copied.at(leaf.base).has_value()) << "not visited";
    }
    check_leaves(*child, copied, machine_.everything());
    ASSERT_EQ(child->stats().leaves, copied.size());
    const Stats stats = child->stats();
    ASSERT_EQ(bytes_before + stats.table_bytes + stats.root_bytes,
              machine_.allocator.bytes_in_use());
  }
  ASSERT_EQ(machine_.allocator.bytes_in_use(), bytes_before);
}

void Driver::cut(uint64_t va) {
  while (va < machine_.end) {
    const auto leaf = oracle_.at(va);
    if (!leaf || leaf->base == va) return;
    const size_t at = static_cast<size_t>(
        std::find(sizes_.begin(), sizes_.end(), PageShift(leaf->log2)) - sizes_.begin());
    const Lookup found = table_->find(VirtAddr(va));
    ASSERT_EQ(table_->split(found.handle, sizes_[at - 1]), Status::Ok);
    adopt(leaf->base, leaf->end());
    if (testing::Test::HasFailure()) return;
  }
}

void Driver::wipe(VirtRange range) {
  cut(range.begin.value());
  cut(range.end.value());
  const auto cursor = table_->cursor(range);
  Run run;
  while (cursor->next(run))
    for (uint32_t i = 0; i < run.count; ++i)
      if (run.get(i) != kNone) {
        ASSERT_TRUE(range.contains(run.address(i)));
        run.set(i, kNone);
        oracle_.erase(run.address(i).value());
      }
}

void Driver::adopt(uint64_t begin, uint64_t end) {
  std::vector<OracleLeaf> now;
  const auto cursor = table_->cursor({VirtAddr(begin), VirtAddr(end)});
  Run run;
  while (cursor->next(run))
    for (uint32_t i = 0; i < run.count; ++i)
      if (run.get(i) != kNone) now.push_back({run.address(i).value(), run.size.log2(), run.get(i)});
  // Every new leaf says what the oracle says of its first page, its last and one in between.
  uint64_t bytes = 0;
  for (const OracleLeaf& leaf : now) {
    bytes += uint64_t{1} << leaf.log2;
    const uint64_t pages = uint64_t{1} << (leaf.log2 - machine_.page.log2());
    for (const uint64_t page : {uint64_t{0}, pages - 1, random_.below(pages)}) {
      const uint64_t va = leaf.base + (page << machine_.page.log2());
      ASSERT_EQ(page_entry(leaf, va), page_entry(oracle_.at(va), va)) << std::hex << va;
    }
  }
  // And together they cover as much.
  const auto old = oracle_.within(begin, end);
  uint64_t old_bytes = 0;
  for (const OracleLeaf& leaf : old)
    old_bytes += uint64_t{1} << leaf.log2;
  ASSERT_EQ(bytes, old_bytes);
  for (const OracleLeaf& leaf : old)
    oracle_.erase(leaf.base);
  for (const OracleLeaf& leaf : now)
    oracle_.set(leaf);
}

void Driver::move() {
  const VirtRange range = pick_range();
  const uint64_t bytes = range.bytes();
  uint64_t from = range.begin.value();
  const VirtRange target = pick_range();
  uint64_t to = target.begin.value();
  if (bytes > machine_.end - to) to = machine_.end - bytes;
  if (to == from || (to > from && to < from + bytes)) return;
  const bool overlaps = to < from && to + bytes > from;
  // Memory is not made scarce for the preparations.
  wipe({VirtAddr(to), VirtAddr(overlaps ? from : to + bytes)});
  if (testing::Test::HasFailure()) return;
  maybe_fail(random_.below(4) == 0);
  uint64_t done = ~uint64_t{0};
  const Status status = table_->move_range(VirtAddr(from), VirtAddr(to), bytes, done);
  machine_.allocator.fail_after(0);
  ASSERT_TRUE(status == Status::Ok || (status == Status::NoMemory && may_fail_)) << name_of(status);
  ASSERT_TRUE(status == Status::Ok ? done == bytes : done < bytes);

  // Leaves within the part moved move whole where they fit; else they are split. So compare what
  // pages say, then take over the sizes.
  std::vector<OracleLeaf> moved;
  uint64_t source_begin = from;  // as far as leaves that stick out may have been split
  uint64_t source_end = from + bytes;
  for (const OracleLeaf& leaf : oracle_.within(from, from + bytes)) {
    source_begin = std::min(source_begin, leaf.base);
    source_end = std::max(source_end, leaf.end());
    const bool whole = leaf.base >= from && leaf.end() <= from + done &&
                       ((leaf.base - from + to) & ((uint64_t{1} << leaf.log2) - 1)) == 0;
    if (whole || leaf.log2 == machine_.page.log2()) {
      if (leaf.base >= from + done) continue;
      oracle_.erase(leaf.base);
      moved.push_back({leaf.base - from + to, leaf.log2, leaf.entry});
      continue;
    }
    // Into pages, in the oracle: those moved and those staying.
    oracle_.erase(leaf.base);
    for (uint64_t va = leaf.base; va < leaf.end(); va += machine_.page.bytes()) {
      const Entry e = page_entry(leaf, va);
      if (va >= from && va < from + done)
        moved.push_back({va - from + to, machine_.page.log2(), e});
      else
        oracle_.set({va, machine_.page.log2(), e});
    }
  }
  for (const OracleLeaf& leaf : moved)
    oracle_.set(leaf);
  if (overlaps) {  // a moved leaf may lie across the source's beginning
    adopt(std::min(to, source_begin), std::max(to + bytes, source_end));
    return;
  }
  adopt(source_begin, source_end);
  if (!testing::Test::HasFailure()) adopt(to, to + bytes);
}

void Driver::trim() {
  const VirtRange range = pick_range();
  // Any gap that contains the range will do: trim must not lose a leaf, whatever it is told.
  const uint64_t floor = random_.below(3) == 0 ? 0 : std::min(range.begin.value(), pick_address());
  const uint64_t ceiling = random_.below(3) == 0 ? 0 : std::max(range.end.value(), pick_address());
  Gather gather;
  const uint64_t before = table_->table_bytes();
  table_->trim(range, VirtAddr(floor), VirtAddr(ceiling), gather);
  uint64_t removed = 0;
  for (const RemovedTable& table : gather.tables())
    removed += table.bytes;
  // What is smaller now is in the gather; tables may have been replaced by smaller ones besides.
  ASSERT_LE(table_->table_bytes(), before);
  ASSERT_GE(table_->table_bytes() + removed, before);
  ASSERT_EQ(gather.needs_flush(), removed != 0);
  // Still allocated until the flush is done.
  ASSERT_GE(machine_.allocator.bytes_in_use(), before);
  const uint64_t after = table_->table_bytes();
  table_->trim(range, VirtAddr(floor), VirtAddr(ceiling), gather);
  ASSERT_EQ(table_->table_bytes(), after) << "not idempotent";
  gather.release_tables();
  ASSERT_FALSE(gather.freed_tables());
}

void Driver::split_one() {
  if (sizes_.size() < 2) return;
  uint64_t va = pick_address();
  // Large leaves are few: try some addresses.
  for (int tries = 0; tries < 20 && table_->peek(VirtAddr(va)).size <= sizes_[0]; ++tries)
    va = pick_address();
  const Lookup found = table_->find(VirtAddr(va));
  if (found.entry == kNone) return;
  const PageShift to = sizes_[random_.below(sizes_.size())];
  if (to < found.size && found.size.log2() - to.log2() > 12) return;  // needlessly many
  const Status status = table_->split(found.handle, to);
  if (to >= found.size) {
    ASSERT_EQ(status, Status::BadSize);
  } else if (status == Status::NoMemory) {
    ASSERT_TRUE(may_fail_);
  } else {
    ASSERT_EQ(status, Status::Ok);
    adopt(found.base.value(), found.base.value() + found.size.bytes());
    const auto leaf = oracle_.at(va);
    ASSERT_TRUE(leaf);
    ASSERT_EQ(leaf->log2, to.log2());
  }
  check_address(va);
  check_address(found.base.value());
}

void Driver::step(bool failing_memory) {
  const uint64_t what = random_.below(100);
  maybe_fail(failing_memory && what < 92);
  if (what < 50)
    map();
  else if (what < 62)
    clear_one();
  else if (what < 70)
    sweep();
  else if (what < 75)
    split_one();
  else if (what < 79)
    copy();
  else if (what < 92)
    trim();
  else
    move();
  machine_.allocator.fail_after(0);
  check_address(pick_address());
}

void Driver::verify() {
  check_leaves(*table_, oracle_, machine_.everything());
  const Stats stats = table_->stats();
  ASSERT_EQ(stats.leaves, oracle_.size());
  ASSERT_EQ(stats.table_bytes, table_->table_bytes());
  ASSERT_EQ(stats.table_bytes + stats.root_bytes, machine_.allocator.bytes_in_use());
  ASSERT_EQ(machine_.memory.frames_in(mem::FrameUse::Table) << machine_.page.log2(),
            machine_.allocator.held_bytes());
}

void Driver::finish() {
  wipe(machine_.everything());
  ASSERT_EQ(oracle_.size(), 0u);
  Gather gather;
  table_->trim(machine_.everything(), VirtAddr(0), VirtAddr(0), gather);
  gather.release_tables();
  const Stats stats = table_->stats();
  ASSERT_EQ(stats.table_bytes, 0u);
  ASSERT_EQ(stats.leaves, 0u);
  ASSERT_EQ(machine_.allocator.bytes_in_use(), stats.root_bytes);
  table_.reset();
  ASSERT_EQ(machine_.allocator.bytes_in_use(), 0u);
  ASSERT_EQ(machine_.memory.free_frames(), machine_.memory.total_frames() - 1);
}

}  // namespace mmusim::pt
