// Operations on one address, and the table as a whole.
#include "pt/mlpt/mlpt.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "pt/joined.h"

namespace mmusim::pt::mlpt {
namespace {

// A handle's place: the word's address, and in the low bits the level.
constexpr unsigned kLevelBits = 3;

// The end of a range that may reach the end of the address space, where it cannot be written.
VirtAddr end_of(VirtAddr begin, unsigned log2) {
  const uint64_t end = log2 >= 64 ? 0 : begin.value() + (uint64_t{1} << log2);
  return VirtAddr(end <= begin.value() ? std::numeric_limits<uint64_t>::max() : end);
}

}  // namespace

Mlpt::Mlpt(const Environment& environment, const Shape& shape, MmId mm, PhysAddr root,
           Sharing* sharing)
    : PageTable(*environment.sink),
      frames_(&environment.allocator->frames()),
      format_(environment.format),
      allocator_(environment.allocator),
      shape_(&shape),
      sharing_(sharing),
      narrow_(environment.format->entry_bytes == sizeof(uint32_t)),
      page_(environment.page),
      mm_(mm),
      root_{.address = root, .words = frames_->words(root)} {
  tables_[shape.top()] = 1;
}

Mlpt::~Mlpt() {
  take_apart([this] {
    free_below(root_, shape_->top(), 0);
    allocator_->free(root_.address, shape_->level(shape_->top()).table_bytes);
  });
}

// `base`: the flat address the table begins at.
void Mlpt::free_below(const Table& table, unsigned level, uint64_t base) {
  if (level == 0) return;
  for (uint64_t i = 0; i < shape_->level(level).entries; ++i) {
    const Entry e = word(table, i);
    if (e == kNone || is_leaf(e, level)) continue;
    const Table next = below(table, e, level - 1);
    const uint64_t begin = base + (i << shape_->level(level).shift);
    if (next.tree != 0) {
      stop_sharing(next.address, level - 1, shape_->address_of(begin));
      continue;
    }
    free_below(next, level - 1, begin);
    allocator_->free(next.address, shape_->level(level - 1).table_bytes);
  }
}

template <class Note>
Mlpt::Place Mlpt::descend(VirtAddr va, Note note) const {
  Place place{.table = root_, .level = shape_->top()};
  while (true) {
    place.index = shape_->index(va, place.level);
    note(place.table, place.index, place.level);
    place.entry = word(place.table, place.index);
    if (place.entry == kNone || is_leaf(place.entry, place.level)) return place;
    --place.level;
    place.table = below(place.table, place.entry, place.level);
  }
}

Handle Mlpt::handle_of(VirtAddr va, const Place& place) const {
  const PageShift size = shape_->size(place.level);
  return {.base = align_down(va, size),
          .size = size,
          .place = word_at(place.table, place.index).value() << kLevelBits | place.level,
          .generation = generation_};
}

// REQUIRES: the handle is not stale.
Mlpt::Place Mlpt::place_of(const Handle& handle) const {
  // The 8 bytes the word lies in serve as a table of one word, or two.
  const uint64_t at = handle.place >> kLevelBits;
  const PhysAddr bytes(at & ~uint64_t{sizeof(uint64_t) - 1});
  Place place{.table = {.address = bytes, .words = frames_->words(bytes)},
              .level = static_cast<unsigned>(handle.place & ((1u << kLevelBits) - 1)),
              .index = (at - bytes.value()) / word_bytes()};
  place.entry = word(place.table, place.index);
  return place;
}

Lookup Mlpt::lookup_of(VirtAddr va, const Place& place) const {
  Lookup found;
  found.entry = place.entry;
  found.has_slot = place.entry != kNone || place.level == 0;
  if (found.has_slot) found.handle = handle_of(va, place);
  found.shared = place.table.tree != 0;
  if (found.shared) {
    found.tree_size = PageShift(place.table.tree);
    found.tree_base = align_down(va, found.tree_size);
  }
  const PageShift size = shape_->size(place.level);
  const VirtAddr base = align_down(va, size);
  if (place.entry != kNone) {
    found.base = base;
    found.size = size;
  } else {
    found.empty = {base, end_of(base, size.log2())};
  }
  return found;
}

Lookup Mlpt::nothing_beyond(VirtAddr va) const {
  Lookup nothing;
  nothing.empty = shape_->beyond(va);
  return nothing;
}

Lookup Mlpt::find(VirtAddr va, mem::Origin origin) {
  if (!shape_->maps(va)) return nothing_beyond(va);
  return lookup_of(va, descend(va, [&](const Table& table, uint64_t index, unsigned level) {
                     touch(table, index, level, false, origin);
                   }));
}

Lookup Mlpt::walk(VirtAddr va, WalkPath& path) const {
  if (!shape_->maps(va)) return nothing_beyond(va);
  return lookup_of(va, descend(va, [&](const Table& table, uint64_t index, unsigned level) {
                     const bool root = level == shape_->top();
                     path.add({.address = word_at(table, index),
                               .table = table.address,
                               .serves = static_cast<uint8_t>(root ? 0 : shape_->level(level).span),
                               .bytes = static_cast<uint8_t>(word_bytes()),
                               .level = static_cast<uint8_t>(level),
                               .dependent = !root});
                   }));
}

Lookup Mlpt::peek(VirtAddr va) const {
  if (!shape_->maps(va)) return nothing_beyond(va);
  return lookup_of(va, descend(va, [](const Table&, uint64_t, unsigned) {}));
}

void Mlpt::count_table(unsigned level, bool added, bool shared) {
  const uint64_t bytes = shape_->level(level).table_bytes;
  if (shared) {
    sharing_->count(bytes, added);
    return;
  }
  tables_[level] += added ? 1 : -uint64_t{1};
  table_bytes_ += added ? bytes : -bytes;
}

Status Mlpt::add_table(const Table& parent, uint64_t index, unsigned level) {
  const auto address = allocator_->allocate(shape_->level(level - 1).table_bytes, mm_);
  if (!address) return Status::NoMemory;
  count_table(level - 1, true, parent.tree != 0);
  write(parent, index, level, format_->make_table(*address, shape_->size(level)));
  return Status::Ok;
}

Status Mlpt::ensure_table(VirtAddr va, unsigned level, Table& table) {
  if (!shape_->maps(va)) return Status::NotSupported;
  table = root_;
  for (unsigned at = shape_->top(); at > level; --at) {
    const uint64_t index = shape_->index(va, at);
    const Entry e = read(table, index, at);
    if (e == kNone) {
      const Status status = add_table(table, index, at);
      if (status != Status::Ok) return status;
    } else if (is_leaf(e, at)) {
      return Status::Overlap;
    }
    table = below(table, word(table, index), at - 1);
  }
  return Status::Ok;
}

Slot Mlpt::ensure(VirtAddr va, PageShift size) {
  const int level = shape_->leaf_level(size);
  if (level < 0) return {.status = Status::BadSize, .handle = {}};
  Place place{.table = {}, .level = static_cast<unsigned>(level)};
  const Status status = ensure_table(va, place.level, place.table);
  if (status == Status::Overlap) {
    const Place larger = descend(va, [](const Table&, uint64_t, unsigned) {});
    return {.status = status, .handle = handle_of(va, larger), .entry = larger.entry};
  }
  if (status != Status::Ok) return {.status = status, .handle = {}};
  place.index = shape_->index(va, place.level);
  place.entry = read(place.table, place.index, place.level);
  if (place.entry != kNone && !is_leaf(place.entry, place.level))
    return {.status = Status::Occupied, .handle = {}};
  return {.status = Status::Ok, .handle = handle_of(va, place), .entry = place.entry};
}

Status Mlpt::install(const Handle& handle, Entry expected, Entry next) {
  if (handle.generation != generation_) return Status::Moved;
  if (handle.size != page_ && format_->is_present(next)) {
    const uint64_t frames = uint64_t{1} << (handle.size.log2() - page_.log2());
    if ((format_->parse_leaf(next, handle.size).pfn.value() & (frames - 1)) != 0)
      return Status::BadAlign;
  }
  const Place place = place_of(handle);
  touch(place.table, place.index, place.level, false);
  if (place.entry != expected) return Status::Changed;
  touch(place.table, place.index, place.level, true);
  set_word(place.table, place.index, next);
  return Status::Ok;
}

Status Mlpt::clear(const Handle& handle, Entry& old) {
  if (handle.generation != generation_) return Status::Moved;
  const Place place = place_of(handle);
  touch(place.table, place.index, place.level, false);
  // Smaller leaves may have come where a larger one was wanted.
  if (place.entry != kNone && !is_leaf(place.entry, place.level)) return Status::Moved;
  touch(place.table, place.index, place.level, true);
  old = place.entry;
  set_word(place.table, place.index, kNone);
  return Status::Ok;
}

Status Mlpt::split(const Handle& handle, PageShift to) {
  if (handle.generation != generation_) return Status::Moved;
  const Place place = place_of(handle);
  const int target = shape_->leaf_level(to);
  if (target < 0 || static_cast<unsigned>(target) >= place.level) return Status::BadSize;
  if (place.entry == kNone || !is_leaf(place.entry, place.level)) return Status::Changed;
  if (!format_->is_present(place.entry)) return Status::NotSupported;

  // All memory first, so that failing leaves things as they were.
  const auto to_level = static_cast<unsigned>(target);
  Reserve tables;
  uint64_t needed = 1;
  bool enough = true;
  for (unsigned level = place.level; enough && level-- > to_level;) {
    for (uint64_t i = 0; enough && i < needed; ++i) {
      const auto address = allocator_->allocate(shape_->level(level).table_bytes, mm_);
      enough = address.has_value();
      if (enough) tables[level].push_back(*address);
    }
    needed *= shape_->level(level).entries;
  }
  if (!enough) {
    for (unsigned level = 0; level < place.level; ++level)
      for (const PhysAddr address : tables[level])
        allocator_->free(address, shape_->level(level).table_bytes);
    return Status::NoMemory;
  }
  for (auto& of_level : tables)
    std::reverse(of_level.begin(), of_level.end());

  const bool shared = sharers(handle.base).size() > 1;
  const PhysAddr parts = fill_split(place.level - 1, to_level,
                                    format_->parse_leaf(place.entry, handle.size), tables, shared);
  write(place.table, place.index, place.level, format_->make_table(parts, handle.size));
  ++generation_;
  return Status::Ok;
}

// Tables of one size as a rule; where sizes differ, blocks of the largest do for all.
SplitReserve Mlpt::split_reserve(PageShift from, PageShift to) const {
  const int top = shape_->leaf_level(from);
  const int target = shape_->leaf_level(to);
  TableBlocks reserve;
  uint64_t needed = 1;
  for (int level = top - 1; target >= 0 && level >= target; --level) {
    const Shape::Level& shape = shape_->level(static_cast<unsigned>(level));
    reserve.bytes = std::max(reserve.bytes, shape.table_bytes);
    reserve.count += needed;
    needed *= shape.entries;
  }
  return {reserve};
}

PhysAddr Mlpt::fill_split(unsigned level, unsigned to_level, LeafFields fields, Reserve& tables,
                          bool shared) {
  const PhysAddr address = tables[level].back();
  tables[level].pop_back();
  count_table(level, true, shared);
  const Table table{.address = address, .words = frames_->words(address)};
  const uint64_t frames = uint64_t{1} << (shape_->level(level).shift - page_.log2());
  fields.size = shape_->size(level);
  for (uint64_t i = 0; i < shape_->level(level).entries; ++i, fields.pfn += frames)
    set_word(table, i,
             level == to_level
                 ? format_->make_leaf(fields)
                 : format_->make_table(fill_split(level - 1, to_level, fields, tables, shared),
                                       shape_->size(level)));
  sink().reference_run(
      address, word_bytes(), shape_->level(level).entries, true,
      {.origin = mem::Origin::Kernel, .level = static_cast<uint8_t>(level), .dependent = false});
  return address;
}

bool Mlpt::join_below(const Table& table, unsigned level, Joined& joined) const {
  const uint64_t entries = shape_->level(level).entries;
  sink().reference_run(
      table.address, word_bytes(), entries, false,
      {.origin = mem::Origin::Kernel, .level = static_cast<uint8_t>(level), .dependent = false});
  for (uint64_t i = 0; i < entries; ++i) {
    const Entry e = word(table, i);
    if (e == kNone) return false;
    const bool fits = is_leaf(e, level) ? joined.add(shape_->size(level), e)
                                        : join_below(below(table, e, level - 1), level - 1, joined);
    if (!fits) return false;
  }
  return true;
}

Status Mlpt::promote(VirtAddr va, PageShift to, Gather& gather) {
  const int found = shape_->leaf_level(to);
  if (found <= 0) return Status::BadSize;
  if (!shape_->maps(va)) return Status::NotUniform;
  // The table of the wanted level, and the one below it whose leaves are to become one.
  const auto level = static_cast<unsigned>(found);
  Table table = root_;
  for (unsigned at = shape_->top();; --at) {
    const uint64_t index = shape_->index(va, at);
    const Entry e = read(table, index, at);
    if (e == kNone || is_leaf(e, at)) return Status::NotUniform;
    if (at == level) break;
    table = below(table, e, at - 1);
  }
  const uint64_t index = shape_->index(va, level);
  const Table joining = below(table, word(table, index), level - 1);
  if (joining.tree != 0 || shares_below(joining, level - 1)) return Status::NotUniform;
  Joined joined(*format_, page_, to);
  if (!join_below(joining, level - 1, joined)) return Status::NotUniform;
  const VirtAddr base = align_down(va, to);
  if (level > 1) unlink_below(joining, level - 1, shape_->flat_of(base), gather);
  const Shape::Level& parts = shape_->level(level - 1);
  write(table, index, level, joined.entry());
  count_table(level - 1, false, false);
  gather.table({base, end_of(base, to.log2())}, shape_->size(level - 1),
               {.allocator = allocator_, .address = joining.address, .bytes = parts.table_bytes});
  ++generation_;
  return Status::Ok;
}

uint64_t Mlpt::count_leaves(const Table& table, unsigned level) const {
  uint64_t leaves = 0;
  for (uint64_t i = 0; i < shape_->level(level).entries; ++i) {
    const Entry e = word(table, i);
    if (e == kNone) continue;
    leaves += is_leaf(e, level) ? 1 : count_leaves(below(table, e, level - 1), level - 1);
  }
  return leaves;
}

Stats Mlpt::stats() const {
  Stats stats;
  stats.table_bytes = table_bytes_;
  stats.root_bytes = shape_->level(shape_->top()).table_bytes;
  stats.leaves = count_leaves(root_, shape_->top());
  stats.tables.assign(tables_.begin(), tables_.begin() + shape_->top() + 1);
  return stats;
}

void Mlpt::visit_tables(const TableVisitor& visit) const {
  TableNode node;
  node.address = node.parent = root_.address;
  visit_table(root_, shape_->top(), node, visit);
}

// `node` says where the table hangs.
void Mlpt::visit_table(const Table& table, unsigned level, TableNode node,
                       const TableVisitor& visit) const {
  const Shape::Level& shape = shape_->level(level);
  node.bytes = shape.table_bytes;
  node.level = level;
  // The root's regions lie all over the address space.
  const bool regions = level == shape_->top() && shape_->geometry().back().region_bits != 0;
  node.covers = regions ? 64 : shape.span;
  node.slots = static_cast<uint32_t>(shape.entries);
  for (uint64_t i = 0; i < shape.entries; ++i) {
    const Entry e = word(table, i);
    if (e == kNone) continue;
    ++(is_leaf(e, level) ? node.leaves : node.tables);
  }
  visit(node);
  if (node.tables == 0) return;
  for (uint64_t i = 0; i < shape.entries; ++i) {
    const Entry e = word(table, i);
    if (e == kNone || is_leaf(e, level)) continue;
    TableNode next;
    next.address = format_->table_address(e);
    next.base = shape_->address_of(shape_->flat_of(node.base) + (i << shape.shift));
    next.parent = table.address;
    next.slot = static_cast<uint32_t>(i);
    visit_table(below(table, e, level - 1), level - 1, next, visit);
  }
}

Capabilities Mlpt::capabilities() const {
  Capabilities capabilities;
  for (unsigned level = 0; level <= shape_->top(); ++level)
    if (shape_->level(level).leaf_allowed) capabilities.leaf_sizes.push_back(shape_->size(level));
  capabilities.void_grain = shape_->size(shape_->top());
  capabilities.promotes = capabilities.leaf_sizes.size() > 1;
  capabilities.share_sizes = share_sizes();
  return capabilities;
}

Run Mlpt::run_of(const Table& table, unsigned level, uint64_t index, uint64_t count,
                 VirtAddr start) const {
  Run run;
  run.start = start;
  run.size = shape_->size(level);
  run.count = static_cast<uint32_t>(count);
  run.shared = table.tree != 0;
  run.place({.words = reinterpret_cast<std::byte*>(table.words) + index * word_bytes(),
             .address = word_at(table, index),
             .stride = static_cast<uint32_t>(word_bytes()),
             .entry_bytes = static_cast<uint8_t>(word_bytes()),
             .level = static_cast<uint8_t>(level)});
  return run;
}

}  // namespace mmusim::pt::mlpt
