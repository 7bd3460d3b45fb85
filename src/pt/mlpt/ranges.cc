// fork's copy and mremap's move.
#include <algorithm>

#include "base/error.h"
#include "pt/mlpt/mlpt.h"

namespace mmusim::pt::mlpt {
namespace {

// Linux moves table pointers at its two lowest levels of tables, never higher.
constexpr unsigned kHighestMovedTable = 2;
// The level of the lowest table that a move makes at its target where the source has one and an
// entry in it, though nothing lies further below (Linux: alloc_new_pud).
constexpr unsigned kLowestMadeTable = 2;

}  // namespace

Status Mlpt::copy_ranges(PageTable& to, std::span<const VirtRange> ranges, const RunCopier& copy) {
  auto* other = dynamic_cast<Mlpt*>(&to);
  MMUSIM_ASSERT(other != nullptr && other != this && other->shape_ == shape_);
  for (size_t i = 0; i < ranges.size(); ++i) {
    const VirtRange range = ranges[i];
    if (range.empty()) continue;
    const uint64_t first = shape_->flat_from(range.begin);
    const uint64_t last = shape_->flat_up_to(range.end - 1);
    if (first > last) continue;
    const Status status =
        copy_table(*other, shape_->top(), root_, other->root_, first, last, i, copy);
    if (status != Status::Ok) return status;
  }
  return Status::Ok;
}

// [first, last], flat, lies in the span of both tables, which are of `level`.
Status Mlpt::copy_table(Mlpt& to, unsigned level, const Table& from, const Table& into,
                        uint64_t first, uint64_t last, size_t range, const RunCopier& copy) {
  const Shape::Level& shape = shape_->level(level);
  const uint64_t base = first >> shape.shift;  // slot numbers count from address 0
  const uint64_t slots = (last >> shape.shift) - base + 1;
  const uint64_t index = base & (shape.entries - 1);
  const auto copy_run = [&](uint64_t slot, uint64_t count) {
    const VirtAddr start = shape_->address_of((base + slot) << shape.shift);
    Run source = run_of(from, level, index + slot, count, start);
    Run target = run_of(into, level, index + slot, count, start);
    return copy(range, source, target) ? Status::Ok : Status::Stopped;
  };
  if (level == 0) return copy_run(0, slots);

  for (uint64_t slot = 0; slot < slots;) {
    const uint64_t i = index + slot;
    const Entry e = read(from, i, level);
    if (e == kNone) {
      ++slot;
      continue;
    }
    const Entry there = to.read(into, i, level);
    Status status = Status::Ok;
    if (is_leaf(e, level)) {
      if (there != kNone && !is_leaf(there, level)) return Status::Occupied;
      uint64_t count = 1;
      while (slot + count < slots) {
        const Entry next = read(from, i + count, level);
        if (next == kNone || !is_leaf(next, level)) break;
        const Entry twin = to.read(into, i + count, level);
        if (twin != kNone && !is_leaf(twin, level)) break;
        ++count;
      }
      status = copy_run(slot, count);
      slot += count;
    } else {
      // Whether the table below holds anything is not asked: an empty one is copied too.
      if (there == kNone)
        status = to.add_table(into, i, level);
      else if (is_leaf(there, level))
        status = Status::Overlap;
      if (status == Status::Ok) {
        const uint64_t begin = (base + slot) << shape.shift;
        const uint64_t end = begin + ((uint64_t{1} << shape.shift) - 1);
        status = copy_table(to, level - 1, below(from, e, level - 1),
                            to.below(into, to.word(into, i), level - 1), std::max(first, begin),
                            std::min(last, end), range, copy);
      }
      ++slot;
    }
    if (status != Status::Ok) return status;
  }
  return Status::Ok;
}

Status Mlpt::move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) {
  MMUSIM_ASSERT(is_aligned(from, page_) && is_aligned(to, page_) &&
                (bytes & page_.offset_mask()) == 0);
  done = 0;
  while (done < bytes) {
    uint64_t moved = 0;
    const Status status = move_piece(from + done, to + done, bytes - done, moved);
    if (status != Status::Ok) return status;
    done += moved;
  }
  return Status::Ok;
}

// Moves what lies at `from`, or passes over the void there: at most `left` bytes, `moved` of them.
Status Mlpt::move_piece(VirtAddr from, VirtAddr to, uint64_t left, uint64_t& moved) {
  if (!shape_->maps(from)) {
    moved = left;
    return Status::Ok;
  }
  Place place{.table = root_, .level = shape_->top()};
  while (true) {
    place.index = shape_->index(from, place.level);
    if (place.level == 0) return move_slots(place, to, left, moved);
    place.entry = read(place.table, place.index, place.level);
    const PageShift size = shape_->size(place.level);
    if (place.entry == kNone) {
      moved = std::min(left, size.bytes() - (from.value() & size.offset_mask()));
      if (place.level >= kLowestMadeTable) return Status::Ok;
      moved = std::min(moved, size.bytes() - (to.value() & size.offset_mask()));
      // Nothing moves, so that nothing is lost where there is no memory for it.
      Table made;
      static_cast<void>(ensure_table(to, kLowestMadeTable, made));
      return Status::Ok;
    }
    const bool leaf = is_leaf(place.entry, place.level);
    const bool fits = is_aligned(from, size) && is_aligned(to, size) && left >= size.bytes();
    if (fits && (leaf || place.level <= kHighestMovedTable)) {
      Table target;
      const Status status = ensure_table(to, place.level, target);
      // Without memory for the tables above, a table may still turn out to hold no leaf.
      const bool tries_on = status == Status::NoMemory && !leaf;
      if (status != Status::Ok && !tries_on) return status;
      const uint64_t index = shape_->index(to, place.level);
      if (!tries_on && read(target, index, place.level) == kNone) {
        write(place.table, place.index, place.level, kNone);
        write(target, index, place.level, place.entry);
        ++generation_;
        moved = size.bytes();
        return Status::Ok;
      }
      // Tables without leaves may stand at the target; a table's contents can still be moved there.
    }
    if (leaf) {
      const Status status = split(handle_of(from, place), shape_->leaf_size_below(place.level));
      if (status != Status::Ok) return status;
      place.entry = word(place.table, place.index);
    }
    --place.level;
    place.table = below(place.table, place.entry, place.level);
  }
}

// The part of a leaf table that reaches to the end of either table or of the range.
Status Mlpt::move_slots(const Place& from, VirtAddr to, uint64_t left, uint64_t& moved) {
  const uint64_t entries = shape_->level(0).entries;
  const uint64_t index = shape_->index(to, 0);
  const uint64_t slots = std::min({left >> page_.log2(), entries - from.index, entries - index});
  Table target;
  const Status status = ensure_table(to, 0, target);
  if (status != Status::Ok) {
    // Nothing needs no table: when a move is undone, an empty table may stand where a void was
    // passed over.
    for (uint64_t i = 0; i < slots; ++i)
      if (read(from.table, from.index + i, 0) != kNone) return status;
    moved = slots << page_.log2();
    return status == Status::NoMemory ? Status::Ok : status;
  }
  for (uint64_t i = 0; i < slots; ++i) {
    const Entry e = read(from.table, from.index + i, 0);
    if (e == kNone) continue;
    write(from.table, from.index + i, 0, kNone);
    write(target, index + i, 0, e);
  }
  moved = slots << page_.log2();
  return Status::Ok;
}

}  // namespace mmusim::pt::mlpt
