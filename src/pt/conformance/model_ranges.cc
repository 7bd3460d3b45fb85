// Operations on ranges: cursors, fork, mremap, trimming.
#include <algorithm>

#include "pt/conformance/model.h"
#include "pt/conformance/verdict.h"

namespace mmusim::pt::conformance {

// A cursor over a range, with changes to the entries it hands out and jumps.
void Model::sweep(const Operation& operation) {
  const VirtRange range = range_of(operation);
  check_leaves(*table_, oracle_, range);
  Random random(operation.salt);
  const auto cursor = table_->cursor(range);
  const uint32_t what = (operation.salt >> 4) % 4;
  each_run(*cursor, [&](Run& run, LastSeen& last) {
    for (uint32_t i = 0; i < run.count; ++i) {
      const uint64_t va = run.address(i).value();
      const Entry e = run.get(i);
      const bool hit = random.below(4) != 0;
      if (what == 0 && hit && e != kNone) {
        run.set(i, kNone);
        oracle_.erase(va);
      } else if (what == 1 && hit && machine_.format.is_writable(e)) {
        run.set(i, machine_.format.write_protected(e));
        oracle_.set({va, run.size.log2(), machine_.format.write_protected(e)});
      } else if (what == 2 && !hit && e == kNone) {
        const Entry next = entry_for(run.size, random);
        run.set(i, next);
        oracle_.set({va, run.size.log2(), next});
      }
    }
    if (what == 3 && random.below(4) == 0) {
      // Resuming somewhere sees from there on what a fresh cursor sees.
      const uint64_t pages = range.bytes() >> machine_.page.log2();
      const VirtAddr there = range.begin + (random.below(pages) << machine_.page.log2());
      cursor->seek(there);
      last = {};
      const auto fresh = table_->cursor({there, range.end});
      Run a;
      Run b;
      const bool more = cursor->next(a);
      expect_same(more, fresh->next(b), promise::kResume, "whether there is a run");
      if (!more) return false;
      expect_same(a.start, b.start, promise::kResume, "the start of the run");
      expect_same(uint64_t{a.count}, uint64_t{b.count}, promise::kResume, "the run's slots");
      expect_same(a.size, b.size, promise::kResume, "the run's size");
      if (random.below(3) == 0) return false;
    }
    return true;
  });
  check_leaves(*table_, oracle_, range);
}

void Model::build(const Operation& operation) {
  VirtRange range = range_of(operation);
  const uint64_t most = uint64_t{1024} << machine_.page.log2();
  if (range.bytes() > most) range.end = range.begin + most;
  Random random(operation.salt);
  const auto cursor = table_->cursor(range, CursorMode::Build);
  uint64_t next_va = range.begin.value();
  each_run(*cursor, [&](Run& run) {
    check_size(run, promise::kBuild);
    expect(
        run.start.value() <= next_va, promise::kBuild,
        [&] { return fmt::format("a run that begins at {:#x} or before", next_va); },
        [&] { return text_of(run.start); });
    for (uint32_t i = 0; i < run.count; ++i)
      if (run.get(i) == kNone && random.below(4) != 0) {
        const Entry next = entry_for(run.size, random);
        run.set(i, next);
        oracle_.set({run.address(i).value(), run.size.log2(), next});
      }
    next_va = run.address(run.count - 1).value() + run.size.bytes();
    return true;
  });
  const Status status = cursor->status();
  if (status == Status::NotSupported) return;
  if (status != Status::Ok)
    expect_out_of_memory(status, promise::kBuild, "the status of a Build cursor that stopped");
  else
    expect(
        next_va == 0 || next_va >= range.end.value(), promise::kBuild,
        [&] { return text_of(range.end); }, [&] { return text_of(next_va); });
  check_leaves(*table_, oracle_, range);
}

void Model::cut(uint64_t va) {
  while (va < machine_.everything().end.value()) {
    const auto leaf = oracle_.at(va);
    if (!leaf || leaf->base == va) return;
    const size_t at = static_cast<size_t>(
        std::find(sizes_.begin(), sizes_.end(), PageShift(leaf->log2)) - sizes_.begin());
    const Lookup found = table_->find(VirtAddr(va));
    expect_same(table_->split(found.handle, sizes_[at - 1]), Status::Ok, promise::kSplit,
                "the status of split()");
    adopt(leaf->base, leaf->end(), promise::kSplit);
  }
}

void Model::wipe(VirtRange range) {
  cut(range.begin.value());
  cut(range.end.value());
  const auto cursor = table_->cursor(range);
  each_run(*cursor, [&](Run& run) {
    for (uint32_t i = 0; i < run.count; ++i)
      if (run.get(i) != kNone) {
        expect(range.contains(run.address(i)), promise::kCursor, "a leaf inside the range",
               [&] { return text_of(run.address(i)); });
        run.set(i, kNone);
        oracle_.erase(run.address(i).value());
      }
    return true;
  });
}

void Model::adopt(uint64_t begin, uint64_t end, const char* promise) {
  std::vector<OracleLeaf> now;
  const auto cursor = table_->cursor({VirtAddr(begin), VirtAddr(end)});
  each_run(*cursor, [&](Run& run) {
    for (uint32_t i = 0; i < run.count; ++i)
      if (run.get(i) != kNone) now.push_back({run.address(i).value(), run.size.log2(), run.get(i)});
    return true;
  });
  // Every new leaf says what the oracle says of its first page, its last and one in between.
  uint64_t bytes = 0;
  Random random(begin ^ end);
  for (const OracleLeaf& leaf : now) {
    bytes += uint64_t{1} << leaf.log2;
    const uint64_t pages = uint64_t{1} << (leaf.log2 - machine_.page.log2());
    for (const uint64_t page : {uint64_t{0}, pages - 1, random.below(pages)}) {
      const uint64_t va = leaf.base + (page << machine_.page.log2());
      expect_same(page_entry(leaf, va), page_entry(oracle_.at(va), va), promise,
                  [&] { return at_text("the translation of the page", va); });
    }
  }
  // And together they cover as much.
  const auto old = oracle_.within(begin, end);
  uint64_t old_bytes = 0;
  for (const OracleLeaf& leaf : old)
    old_bytes += uint64_t{1} << leaf.log2;
  expect_same(bytes, old_bytes, promise, [&] {
    return fmt::format("the number of bytes mapped in [{:#x}, {:#x})", begin, end);
  });
  for (const OracleLeaf& leaf : old)
    oracle_.erase(leaf.base);
  for (const OracleLeaf& leaf : now)
    oracle_.set(leaf);
}

// fork: a fresh table gets copies of some ranges.
void Model::copy(const Operation& operation) {
  Random random(operation.salt);
  const uint64_t bytes_before = machine_.allocator.bytes_in_use();
  {
    const auto child = machine_.factory->create(MmId(2));
    if (child == nullptr) {
      expect(may_fail_, promise::kCopy, "a table for the child", "none");
      return;
    }
    Oracle copied;
    const VirtRange range = range_of(operation);
    const uint64_t salt = random.next();
    const bool protect = random.below(2) == 0;
    const uint64_t stop_after = random.below(6) == 0 ? random.below(3) : ~uint64_t{0};
    uint64_t runs = 0;
    const auto chosen = [&](uint64_t va) { return Random(va ^ salt).below(8) != 0; };
    const auto copier = [&](Run& from, Run& to) {
      check_size(from, promise::kCopy);
      expect_same(to.start, from.start, promise::kCopy, "the start of the twin");
      expect_same(to.size, from.size, promise::kCopy, "the size of the twin");
      expect_same(uint64_t{to.count}, uint64_t{from.count}, promise::kCopy, "the twin's slots");
      expect(range.begin.value() <= from.start.value() + from.size.offset_mask() &&
                 from.address(from.count - 1) < range.end,
             promise::kCopy, "only slots that reach into the range",
             [&] { return text_of(from.start); });
      if (runs++ == stop_after) return false;
      uint64_t protect_writes = 0;
      uint64_t copies = 0;
      for (uint32_t i = 0; i < from.count; ++i) {
        const uint64_t va = from.address(i).value();
        Entry e = from.get(i);
        if (e == kNone || !chosen(va)) continue;
        if (protect && machine_.format.is_present(e)) {
          e = machine_.format.write_protected(e);
          from.set(i, e);
          ++protect_writes;
          oracle_.set({va, from.size.log2(), e});
        }
        to.set(i, e);
        copied.set({va, from.size.log2(), e});
        ++copies;
      }
      from.report(machine_.sink, mem::Origin::Kernel, from.count,
                  protect_writes == 0 ? 0 : from.count);
      to.report(machine_.sink, mem::Origin::Kernel, 0, copies == 0 ? 0 : to.count);
      return true;
    };
    const auto expected = oracle_.within(range.begin.value(), range.end.value());
    const Status status = copy_range(*table_, *child, range, copier);
    if (status == Status::Stopped)
      expect(runs > stop_after, promise::kCopy, "no stop without being asked", "Stopped");
    else if (runs > stop_after)
      expect_same(status, Status::Stopped, promise::kCopy, "the status of a copy that was stopped");
    else if (status != Status::Ok)
      expect_out_of_memory(status, promise::kCopy, "the status of copy_ranges()");
    else
      for (const OracleLeaf& leaf : expected)
        expect(
            !chosen(leaf.base) || copied.at(leaf.base).has_value(), promise::kCopy,
            [&] { return at_text("a visit to the leaf", leaf.base); }, "none");
    check_leaves(*child, copied, machine_.everything());
    const Stats stats = child->stats();
    expect_same(stats.leaves, uint64_t{copied.size()}, promise::kAccount, "the copy's leaves");
    check_leaves(*table_, oracle_, range);
  }
  expect_same(machine_.allocator.bytes_in_use() <= bytes_before + machine_.factory->common_bytes(),
              true, promise::kNothingLeft, "whether the copy's memory has come back");
}

void Model::move(const Operation& operation) {
  const VirtRange range = range_of(operation);
  const uint64_t bytes = range.bytes();
  const uint64_t from = range.begin.value();
  uint64_t to = address_of(operation.to);
  if (bytes > machine_.room(to)) {
    const VirtRange space = machine_.space_of(to);
    if (bytes > space.bytes()) return;
    to = (space.end - bytes).value();
  }
  if (to == from || (to > from && to < from + bytes)) return;
  const bool overlaps = to < from && to + bytes > from;
  machine_.allocator.fail_after(0);  // not in the preparations
  wipe({VirtAddr(to), VirtAddr(overlaps ? from : to + bytes)});
  machine_.allocator.fail_after(operation.fails);
  uint64_t done = ~uint64_t{0};
  const Status status = table_->move_range(VirtAddr(from), VirtAddr(to), bytes, done);
  machine_.allocator.fail_after(0);
  if (status != Status::Ok)
    expect_out_of_memory(status, promise::kMove, "the status of move_range()");
  expect(status == Status::Ok ? done == bytes : done < bytes, promise::kMove,
         "all done if Ok, less if not", [&] { return text_of(done); });

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
    adopt(std::min(to, source_begin), std::max(to + bytes, source_end), promise::kMove);
    return;
  }
  adopt(source_begin, source_end, promise::kMove);
  adopt(to, to + bytes, promise::kMove);
}

void Model::trim(const Operation& operation) {
  const VirtRange range = range_of(operation);
  Random random(operation.salt);
  // Any gap that contains the range will do: trim must not lose a leaf, whatever it is told.
  const auto near_spot = [&] {
    return address_of({static_cast<uint8_t>(random.below(anchors_.size())),
                       static_cast<int32_t>(random.below(512)) - 256});
  };
  const uint64_t floor = random.below(3) == 0 ? 0 : std::min(range.begin.value(), near_spot());
  const uint64_t ceiling = random.below(3) == 0 ? 0 : std::max(range.end.value(), near_spot());
  Gather gather;
  // Looking at all tables twice takes long where there are many.
  const bool closely = !shared_ && (operation.salt >> 16) % 8 == 0;
  const Trimmed trimmed{.before = closely ? tables_of(*table_) : TableMap(),
                        .restructures = closely ? table_->stats().restructures : 0,
                        .range = range,
                        .floor = VirtAddr(floor),
                        .ceiling = VirtAddr(ceiling)};
  const uint64_t before = table_->table_bytes();
  const uint64_t held_before = machine_.allocator.bytes_in_use();
  table_->trim(range, VirtAddr(floor), VirtAddr(ceiling), gather);
  uint64_t removed = 0;
  for (const RemovedTable& table : gather.tables())
    removed += table.bytes;
  // What is smaller now is in the gather; tables may have been replaced by smaller ones besides.
  expect(table_->table_bytes() <= before, promise::kTrim, "no more table bytes than before",
         [&] { return text_of(table_->table_bytes()); });
  expect(
      table_->table_bytes() + removed >= before, promise::kGather,
      [&] {
        return fmt::format("at least {} bytes in the gather", before - table_->table_bytes());
      },
      [&] { return text_of(removed); });
  expect_same(gather.needs_flush(), removed != 0, promise::kGather, "whether a flush is needed");
  expect(machine_.allocator.bytes_in_use() + before >= held_before + table_->table_bytes(),
         promise::kGather, "memory that stays allocated until the flush",
         [&] { return text_of(machine_.allocator.bytes_in_use()); });
  if (closely) check_trimmed(trimmed, *table_, gather, oracle_);
  const uint64_t after = table_->table_bytes();
  table_->trim(range, VirtAddr(floor), VirtAddr(ceiling), gather);
  expect_same(table_->table_bytes(), after, promise::kTrim, "table bytes after a second trim");
  gather.release_tables();
  check_leaves(*table_, oracle_, range);
}

}  // namespace mmusim::pt::conformance
