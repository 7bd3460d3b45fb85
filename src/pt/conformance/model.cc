#include "pt/conformance/model.h"

#include <algorithm>
#include <array>

namespace mmusim::pt::conformance {
namespace {

std::string at_text(const char* what, uint64_t va) {
  return fmt::format("{} at {:#x}", what, va);
}

}  // namespace

Model::Model(const Backend& backend, const Architecture& architecture, const std::string& settings)
    : machine_(backend, architecture, settings), table_(machine_.factory->create(MmId(1))) {
  expect(table_ != nullptr, promise::kEnsure, "an empty table", "none");
  sizes_ = table_->capabilities().leaf_sizes;
  expect(!sizes_.empty() && sizes_.front() == machine_.page, promise::kEnsure,
         "the base page among the leaf sizes, first", "another list");
  // The beginning, the end, and the ends of the spans of tables of each level.
  anchors_ = {0, machine_.end - machine_.page.bytes()};
  for (const RadixLevel& level : machine_.environment.geometry) {
    const unsigned span = level.shift + level.index_bits;
    if (span < 63 && (uint64_t{1} << span) < machine_.end) anchors_.push_back(uint64_t{1} << span);
  }
}

unsigned Model::near() const {
  return machine_.environment.geometry[0].index_bits + 3;
}

uint64_t Model::address_of(const Spot& spot) const {
  const uint64_t anchor = anchors_[spot.anchor % anchors_.size()];
  const uint64_t distance = uint64_t(std::abs(int64_t{spot.page})) << machine_.page.log2();
  if (spot.page < 0) return distance <= anchor ? anchor - distance : 0;
  const uint64_t last = machine_.end - machine_.page.bytes();
  return distance <= last - anchor ? anchor + distance : last;
}

PageShift Model::size_of(const Operation& operation) const {
  return sizes_[operation.size % sizes_.size()];
}

VirtRange Model::range_of(const Operation& operation) const {
  uint64_t begin = address_of(operation.at);
  uint64_t bytes = uint64_t{std::max(1u, operation.pages)} << machine_.page.log2();
  if (operation.salt % 3 == 1) {  // whole leaf tables
    const RadixLevel& leaf_level = machine_.environment.geometry[0];
    const unsigned span = leaf_level.shift + leaf_level.index_bits;
    begin = begin >> span << span;
    bytes = (1 + (operation.salt >> 8) % 4) << span;
  }
  bytes = std::min(bytes, machine_.end - begin);
  return {VirtAddr(begin), VirtAddr(begin + bytes)};
}

Entry Model::entry_for(PageShift size, Random& random) const {
  // Something that is not present and not none must be kept as it is.
  if (size == machine_.page && random.below(8) == 0)
    return TestFormat::Kept::kMask | random.below(1 << 20) << 10;
  LeafFields fields;
  const uint64_t frames = size.bytes() >> machine_.page.log2();
  fields.pfn = Pfn((1 + random.below(1000)) * frames);
  fields.size = size;
  fields.rights = Rights(Rights::kRead | Rights::kUser)
                      .with(random.below(2) != 0 ? unsigned{Rights::kWrite} : 0u);
  fields.accessed = random.below(2) != 0;
  fields.dirty = random.below(2) != 0;
  return machine_.format.make_leaf(fields);
}

std::string Model::describe(const Operation& operation) const {
  const VirtRange range = range_of(operation);
  const auto in_range = [&](const char* what) {
    return fmt::format("{} [{:#x}, {:#x})", what, range.begin.value(), range.end.value());
  };
  std::string text;
  switch (operation.action) {
    case Action::Map:
      text = fmt::format("map a page of 2^{} bytes at {:#x}", size_of(operation).log2(),
                         address_of(operation.at) & ~size_of(operation).offset_mask());
      break;
    case Action::Clear:
      text = at_text("clear what is", address_of(operation.at));
      break;
    case Action::Sweep: {
      static constexpr std::array<const char*, 4> kWhat = {
          "clear through a cursor", "write-protect through a cursor",
          "fill empty slots through a cursor", "read with seeks"};
      text = in_range(kWhat[(operation.salt >> 4) % 4]);
      break;
    }
    case Action::Build:
      text = in_range("fill with a Build cursor");
      break;
    case Action::Split:
      text = fmt::format("split the leaf at {:#x} into pages of 2^{} bytes",
                         address_of(operation.at), size_of(operation).log2());
      break;
    case Action::Promote:
      text = fmt::format("promote the block of 2^{} bytes around {:#x}", size_of(operation).log2(),
                         address_of(operation.at));
      break;
    case Action::Copy:
      text = in_range("copy") + " into a new table, check it, and drop it";
      break;
    case Action::Trim:
      text = in_range("trim");
      break;
    case Action::Move:
      text = in_range("move") + fmt::format(" to {:#x}", address_of(operation.to));
      break;
    case Action::Share:
      text = describe_share(operation);
      break;
  }
  if (operation.fails != 0)
    text += fmt::format(", while allocation {} from here on fails", operation.fails);
  return text;
}

Entry Model::page_entry(const std::optional<OracleLeaf>& leaf, uint64_t va) const {
  if (!leaf) return kNone;
  if (!machine_.format.is_present(leaf->entry)) return leaf->entry;
  LeafFields fields = machine_.format.parse_leaf(leaf->entry, PageShift(leaf->log2));
  fields.pfn += (va - leaf->base) >> machine_.page.log2();
  fields.size = machine_.page;
  return machine_.format.make_leaf(fields);
}

void Model::check_address(uint64_t va) {
  const auto leaf = oracle_.at(va);
  const uint64_t page = va & ~machine_.page.offset_mask();
  const auto compare = [&](const Lookup& found, const char* promise) {
    expect_same(found.entry, leaf ? leaf->entry : kNone, promise,
                [&] { return at_text("the entry", va); });
    if (leaf) {
      expect_same(found.base.value(), leaf->base, promise,
                  [&] { return at_text("the leaf's base", va); });
      expect_same(found.size, PageShift(leaf->log2), promise,
                  [&] { return at_text("the leaf's size", va); });
      expect(
          found.has_slot, promise, [&] { return at_text("a slot", va); }, "none");
      expect_same(found.handle.base.value(), leaf->base, promise,
                  [&] { return at_text("the handle's base", va); });
      expect_same(found.handle.size, PageShift(leaf->log2), promise,
                  [&] { return at_text("the handle's size", va); });
      return;
    }
    const auto void_text = [&] {
      return fmt::format("[{:#x}, {:#x})", found.empty.begin.value(), found.empty.end.value());
    };
    expect(
        found.empty.begin.value() <= page &&
            found.empty.end.value() - 1 >= page + machine_.page.offset_mask(),
        promise::kVoid, [&] { return at_text("a void around the page", va); },
        [&] { return void_text(); });
    const auto inside = oracle_.within(found.empty.begin.value(), found.empty.end.value());
    if (!inside.empty())
      throw Broken{promise::kVoid, fmt::format("a void without the leaf at {:#x}", inside[0].base),
                   void_text()};
    expect(
        !found.has_slot || found.handle.size == machine_.page, promise,
        [&] { return at_text("a slot for a base page, if any,", va); },
        [&] { return text_of(found.handle.size); });
  };
  const uint64_t before = machine_.sink.total(mem::Origin::Kernel);
  compare(table_->peek(VirtAddr(va)), promise::kPeek);
  expect_same(machine_.sink.total(mem::Origin::Kernel), before, promise::kPeek,
              "the number of references reported");
  WalkPath path;
  compare(table_->walk(VirtAddr(va), path), promise::kWalk);
  expect_same(machine_.sink.total(mem::Origin::Kernel), before, promise::kWalk,
              "the number of references reported");
  compare(table_->find(VirtAddr(va), mem::Origin::Kernel), promise::kFind);
  expect_same(machine_.sink.total(mem::Origin::Kernel) - before, uint64_t{path.count()},
              promise::kWalk, [&] { return at_text("the number of references of find()", va); });
}

void Model::check_leaves(PageTable& table, const Oracle& oracle, VirtRange range) {
  std::vector<OracleLeaf> seen;
  const auto cursor = table.cursor(range);
  each_run(*cursor, [&](Run& run) {
    const uint64_t last = run.address(run.count - 1).value();
    expect(
        last < range.end.value() &&
            range.begin.value() <= run.start.value() + run.size.offset_mask(),
        promise::kCursor,
        [&] {
          return fmt::format("slots that reach into [{:#x}, {:#x})", range.begin.value(),
                             range.end.value());
        },
        [&] { return fmt::format("a run from {:#x} to {:#x}", run.start.value(), last); });
    for (uint32_t i = 0; i < run.count; ++i)
      if (run.get(i) != kNone)
        seen.push_back({run.address(i).value(), run.size.log2(), run.get(i)});
    return true;
  });
  const auto expected = oracle.within(range.begin.value(), range.end.value());
  const auto text = [](const std::vector<OracleLeaf>& leaves, size_t i) {
    if (i >= leaves.size()) return std::string("no further leaf");
    return fmt::format("leaf {:#x} of 2^{} bytes at {:#x}", leaves[i].entry, leaves[i].log2,
                       leaves[i].base);
  };
  for (size_t i = 0; i < std::max(seen.size(), expected.size()); ++i)
    expect(
        i < seen.size() && i < expected.size() && seen[i] == expected[i], promise::kCursor,
        [&] {
          return fmt::format("as number {} of [{:#x}, {:#x}) {}", i + 1, range.begin.value(),
                             range.end.value(), text(expected, i));
        },
        [&] { return text(seen, i); });
}

void Model::expect_out_of_memory(Status status, const char* promise,
                                 const std::string& what) const {
  expect_same(status, may_fail_ ? Status::NoMemory : Status::Ok, promise, what);
}

void Model::map(const Operation& operation) {
  const PageShift size = size_of(operation);
  const uint64_t va = address_of(operation.at);
  const uint64_t base = va & ~size.offset_mask();
  if (size.bytes() > machine_.end - base) return;
  Random random(operation.salt);
  const auto there = oracle_.within(base, base + size.bytes());
  const Slot slot = table_->ensure(VirtAddr(va), size);
  const std::string what = fmt::format("the status of ensure({:#x}, 2^{})", va, size.log2());
  if (slot.status == Status::NoMemory) {
    expect_out_of_memory(slot.status, promise::kEnsure, what);
    return check_address(va);
  }
  if (!there.empty() && there[0].log2 > size.log2()) {
    expect_same(slot.status, Status::Overlap, promise::kEnsure, what);
    expect_same(slot.entry, there[0].entry, promise::kEnsure, "the larger leaf's entry");
    expect_same(slot.handle.base.value(), there[0].base, promise::kEnsure,
                "the larger leaf's base");
    return check_address(va);
  }
  if (!there.empty() && there[0].log2 < size.log2()) {
    expect_same(slot.status, Status::Occupied, promise::kEnsure, what);
    return check_address(va);
  }
  // Empty tables may stand in the way of a larger leaf, never in that of a base page.
  if (slot.status == Status::Occupied && size > sizes_[0]) return check_address(va);
  expect_same(slot.status, Status::Ok, promise::kEnsure, what);
  const Entry old = there.empty() ? kNone : there[0].entry;
  expect_same(slot.entry, old, promise::kEnsure,
              [&] { return at_text("the entry in the slot", va); });
  expect_same(slot.handle.base.value(), base, promise::kEnsure, "the handle's base");
  expect_same(slot.handle.size, size, promise::kEnsure, "the handle's size");
  const Entry next = entry_for(size, random);
  expect_same(table_->install(slot.handle, old ^ 0x10000, next), Status::Changed, promise::kInstall,
              "the status of install() with another expected entry");
  check_address(va);
  if (size > sizes_[0]) {
    const Entry crooked = next + (Entry{1} << machine_.format.pfn_shift);
    expect_same(table_->install(slot.handle, old, crooked), Status::BadAlign, promise::kInstall,
                "the status of install() of a frame that is not aligned");
  }
  expect_same(table_->install(slot.handle, old, next), Status::Ok, promise::kInstall,
              "the status of install()");
  oracle_.set({base, size.log2(), next});
  check_address(va);
  check_address(base + size.bytes() - machine_.page.bytes());
}

void Model::clear(const Operation& operation) {
  const uint64_t va = address_of(operation.at);
  const Lookup found = table_->find(VirtAddr(va));
  if (!found.has_slot) return;
  Entry old = ~Entry{0};
  expect_same(table_->clear(found.handle, old), Status::Ok, promise::kClear,
              "the status of clear()");
  expect_same(old, found.entry, promise::kClear, "the old entry");
  if (found.entry != kNone) oracle_.erase(found.base.value());
  check_address(va);
}

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
  while (va < machine_.end) {
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

void Model::split(const Operation& operation) {
  if (sizes_.size() < 2) return;
  const uint64_t va = address_of(operation.at);
  const Lookup found = table_->find(VirtAddr(va));
  if (found.entry == kNone) return;
  const PageShift to = size_of(operation);
  if (to < found.size && found.size.log2() - to.log2() > 12) return;  // needlessly many
  const Status status = table_->split(found.handle, to);
  if (to >= found.size) {
    expect_same(status, Status::BadSize, promise::kSplit, "the status of split()");
  } else if (status == Status::NoMemory) {
    expect_out_of_memory(status, promise::kSplit, "the status of split()");
  } else {
    expect_same(status, Status::Ok, promise::kSplit, "the status of split()");
    adopt(found.base.value(), found.base.value() + found.size.bytes(), promise::kSplit);
    const auto leaf = oracle_.at(va);
    expect(
        leaf.has_value() && leaf->log2 == to.log2(), promise::kSplit,
        [&] { return fmt::format("a leaf of 2^{} bytes at {:#x}", to.log2(), va); },
        [&] { return leaf ? fmt::format("one of 2^{}", leaf->log2) : std::string("none"); });
  }
  check_address(va);
  check_address(found.base.value());
}

void Model::promote(const Operation& operation) {
  const PageShift to = size_of(operation);
  const uint64_t base = address_of(operation.at) & ~to.offset_mask();
  if (to == machine_.page || to.log2() > machine_.page.log2() + 12 ||
      to.bytes() > machine_.end - base)
    return;
  // Seldom is a block uniform by chance: make it so, three times in four.
  Random random(operation.salt);
  const uint64_t pages = to.bytes() >> machine_.page.log2();
  if (random.below(4) != 0) {
    machine_.allocator.fail_after(0);  // not in the preparations
    wipe({VirtAddr(base), VirtAddr(base + to.bytes())});
    LeafFields fields;
    fields.pfn = Pfn((1 + random.below(100)) * pages);
    fields.rights = Rights(Rights::kRead | Rights::kUser);
    fields.size = machine_.page;
    for (uint64_t i = 0; i < pages; ++i) {
      const VirtAddr va(base + (i << machine_.page.log2()));
      const Slot slot = table_->ensure(va, machine_.page);
      expect_same(slot.status, Status::Ok, promise::kEnsure, "the status of ensure()");
      fields.accessed = random.below(2) != 0;
      const Entry e = machine_.format.make_leaf(fields);
      expect_same(table_->install(slot.handle, slot.entry, e), Status::Ok, promise::kInstall,
                  "the status of install()");
      oracle_.set({va.value(), machine_.page.log2(), e});
      fields.pfn += 1;
    }
    machine_.allocator.fail_after(operation.fails);
  }
  const auto parts = oracle_.within(base, base + to.bytes());
  std::vector<Entry> before;
  for (uint64_t i = 0; i < pages; ++i) {
    const uint64_t va = base + (i << machine_.page.log2());
    before.push_back(page_entry(oracle_.at(va), va));
  }
  Gather gather;
  const Status status = table_->promote(VirtAddr(base), to, gather);
  if (status == Status::NoMemory) expect_out_of_memory(status, promise::kPromote, "the status");
  if (status == Status::Ok) {
    const OracleLeaf leaf{base, to.log2(), table_->peek(VirtAddr(base)).entry};
    Entry gathered = kNone;
    for (uint64_t i = 0; i < pages; ++i) {
      const uint64_t va = base + (i << machine_.page.log2());
      const Entry hardware = machine_.format.accessed_mask | machine_.format.dirty_mask;
      gathered |= before[i] & hardware;
      expect_same(page_entry(leaf, va) & ~hardware, before[i] & ~hardware, promise::kPromote,
                  [&] { return at_text("the translation of the page", va); });
    }
    expect_same(leaf.entry & (machine_.format.accessed_mask | machine_.format.dirty_mask), gathered,
                promise::kPromote, "accessed and dirty, of the parts together");
    for (const OracleLeaf& part : parts)
      oracle_.erase(part.base);
    oracle_.set(leaf);
  }
  gather.release_tables();
  check_leaves(*table_, oracle_, {VirtAddr(base), VirtAddr(base + to.bytes())});
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
      expect_same(to.start, from.start, promise::kCopy, "the start of the twin");
      expect_same(to.size, from.size, promise::kCopy, "the size of the twin");
      expect_same(uint64_t{to.count}, uint64_t{from.count}, promise::kCopy, "the twin's slots");
      expect(range.begin.value() <= from.start.value() + from.size.offset_mask() &&
                 from.address(from.count - 1) < range.end,
             promise::kCopy, "only slots that reach into the range",
             [&] { return text_of(from.start); });
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
  if (bytes > machine_.end - to) to = machine_.end - bytes;
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
  const uint64_t after = table_->table_bytes();
  table_->trim(range, VirtAddr(floor), VirtAddr(ceiling), gather);
  expect_same(table_->table_bytes(), after, promise::kTrim, "table bytes after a second trim");
  gather.release_tables();
  check_leaves(*table_, oracle_, range);
}

void Model::apply(const Operation& operation) {
  may_fail_ = operation.fails != 0 && operation.action != Action::Trim;
  machine_.allocator.fail_after(may_fail_ ? operation.fails : 0);
  switch (operation.action) {
    case Action::Map:
      map(operation);
      break;
    case Action::Clear:
      clear(operation);
      break;
    case Action::Sweep:
      sweep(operation);
      break;
    case Action::Build:
      build(operation);
      break;
    case Action::Split:
      split(operation);
      break;
    case Action::Promote:
      promote(operation);
      break;
    case Action::Copy:
      copy(operation);
      break;
    case Action::Trim:
      trim(operation);
      break;
    case Action::Move:
      move(operation);
      break;
    case Action::Share:
      share(operation);
      break;
  }
  machine_.allocator.fail_after(0);
  // An address the operation said nothing of.
  Random random(operation.salt ^ 0x5eed);
  check_address(address_of(
      {static_cast<uint8_t>(random.below(anchors_.size())),
       static_cast<int32_t>(random.below(uint64_t{1} << near())) - (1 << (near() - 1))}));
  expect(machine_.allocator.misuse().empty(), promise::kFrees, "memory freed as it was allocated",
         [&] { return machine_.allocator.misuse(); });
}

void Model::verify() {
  check_leaves(*table_, oracle_, machine_.everything());
  check_account();
}

void Model::check_account() {
  const Stats stats = table_->stats();
  expect_same(stats.leaves, uint64_t{oracle_.size()}, promise::kAccount, "the number of leaves");
  expect_same(stats.table_bytes, table_->table_bytes(), promise::kAccount,
              "table_bytes of stats()");
  expect_same(machine_.allocator.bytes_in_use(),
              stats.table_bytes + stats.root_bytes + machine_.factory->common_bytes(),
              promise::kAccount, "what the allocator has given out");
  expect_same(machine_.allocator.held_bytes(),
              machine_.memory.frames_in(mem::FrameUse::Table) << machine_.page.log2(),
              promise::kAccount, "frames used for tables");
}

void Model::finish() {
  wipe(machine_.everything());
  Gather gather;
  table_->trim(machine_.everything(), VirtAddr(0), VirtAddr(0), gather);
  gather.release_tables();
  const Stats stats = table_->stats();
  expect_same(stats.table_bytes, uint64_t{0}, promise::kNothingLeft,
              "table bytes after clearing and trimming all");
  expect_same(stats.leaves, uint64_t{0}, promise::kNothingLeft, "leaves after clearing all");
  table_.reset();
  expect_same(machine_.allocator.bytes_in_use(), uint64_t{0}, promise::kNothingLeft,
              "bytes allocated when the table is gone");
  expect_same(machine_.memory.free_frames(), machine_.memory.total_frames() - 1,
              promise::kNothingLeft, "free frames");
  expect(machine_.allocator.misuse().empty(), promise::kFrees, "memory freed as it was allocated",
         [&] { return machine_.allocator.misuse(); });
}

}  // namespace mmusim::pt::conformance
