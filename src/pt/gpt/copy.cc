// fork: the trie is cloned in one pass beside the list of ranges. What lies outside of them is left
// out; tables get the width they have, and are brought into form when they are complete.
#include <algorithm>

#include "base/error.h"
#include "pt/gpt/gpt.h"

namespace mmusim::pt::gpt {

struct Gpt::Copying {
  Gpt& to;
  std::span<const VirtRange> ranges;
  const RunCopier& copy;

  // The first range that does not end before or at `va`.
  [[nodiscard]] size_t from(uint64_t va) const {
    return static_cast<size_t>(
        std::partition_point(ranges.begin(), ranges.end(),
                             [&](const VirtRange& r) { return r.end.value() <= va; }) -
        ranges.begin());
  }
  // [first, last] inclusive.
  [[nodiscard]] bool wants(uint64_t first, uint64_t last) const {
    const size_t i = from(first);
    return i < ranges.size() && ranges[i].begin.value() <= last;
  }
};

Status Gpt::copy_ranges(PageTable& to, std::span<const VirtRange> ranges, const RunCopier& copy) {
  auto* other = dynamic_cast<Gpt*>(&to);
  MMUSIM_ASSERT(other != nullptr && other != this && other->rules_ == rules_);
  if (!other->root_.load().is(Kind::Invalid)) return copy_into(*other, ranges, copy);
  Copying copying{.to = *other, .ranges = ranges, .copy = copy};
  const Status status = copy_entry(root_, other->root_, copying);
  other->tables_.moved(false);
  return status;
}

// Copies what `from` leads to, as far as it is wanted, into the Invalid entry `to`.
Status Gpt::copy_entry(const Place& from, const Place& to, Copying& copying) {
  const GuardedEntry e = tables_.read(from);
  if (e.is(Kind::Invalid)) return Status::Ok;
  const uint64_t base = from.base | e.guard() >> from.consumed;
  const unsigned end = from.consumed + e.guard_length();
  if (!copying.wants(base, last_of(base, kKeyBits - end))) return Status::Ok;

  switch (e.kind()) {
    case Kind::Internal:
      return copy_table(from, e, to, copying);
    case Kind::Shared: {
      // The copy is the new table's own.
      const Status status = copy_entry(tables_.shared_root_of(from, e, base), to, copying);
      const GuardedEntry below = to.load();
      if (!below.is(Kind::Invalid))
        copying.to.tables_.write(to, below.after_bits(e.guard(), e.guard_length()));
      return status;
    }
    default:
      break;
  }
  // A leaf with a table for itself, or none.
  copying.to.tables_.write(to, GuardedEntry::leaf(e.guard(), e.guard_length(), 0, kNone));
  const Table source{.address = from.address, .words = from.words};
  const Table target{.address = to.address, .words = to.words};
  Run run = run_of(source, 0, 1, e, from);
  Run twin = run;
  twin.shared = false;
  twin.place({.words = target.words + 1,
              .address = target.address + sizeof(uint64_t),
              .stride = kEntryBytes,
              .replicas = 1,
              .entry_bytes = sizeof(Entry),
              .level = to.level()});
  Status status = Status::Ok;
  for (size_t i = copying.from(base);
       status == Status::Ok && i < copying.ranges.size() &&
       copying.ranges[i].begin.value() <= last_of(base, kKeyBits - end);
       ++i)
    if (!copying.copy(i, run, twin)) status = Status::Stopped;
  if (to.words[1] == kNone) copying.to.tables_.write(to, {});
  return status;
}

Status Gpt::copy_table(const Place& from, const GuardedEntry& e, const Place& to,
                       Copying& copying) {
  Tables& tables = copying.to.tables_;
  const auto table = tables.allocate(e.width(), to.shared);
  if (!table) return Status::NoMemory;
  const Table source = tables_.below(e);
  const uint64_t base = from.base | e.guard() >> from.consumed;
  const unsigned end = from.consumed + e.guard_length();
  const unsigned slot_log2 = kKeyBits - end - e.width();

  const auto key_of_slot = [&](uint64_t i) { return base | key_of(i, e.width()) >> end; };
  const auto wanted = [&](uint64_t i) {
    const uint64_t key = key_of_slot(i);
    return copying.wants(key, last_of(key, slot_log2));
  };
  Status status = Status::Ok;
  for (uint64_t i = 0; status == Status::Ok && i < e.slots();) {
    if (!wanted(i)) {
      ++i;
      continue;
    }
    const GuardedEntry child = source.get(i);
    if (child.is(Kind::Leaf) && child.guard_length() == 0) {
      const uint64_t first = i & ~(uint64_t{child.replicas()} - 1);
      uint64_t next = first;
      do
        next += child.replicas();
      while (next < e.slots() && wanted(next) && source.get(next).head == child.head);
      status = copy_leaves(source, *table, first, next,
                           tables_.slot_of(from, e, key_of_slot(first)), copying);
      i = next;
      continue;
    }
    const uint64_t key = key_of_slot(i);
    if (child.is(Kind::Invalid)) {
      tables_.touch_slots(source, i, 1, false, from.level());
    } else {
      const Place slot{.words = table->words + 2 * i,
                       .address = table->at(i),
                       .base = key,
                       .consumed = end + e.width(),
                       .depth = to.depth + 1,
                       .top = false,
                       .shared = to.shared,
                       .within = to.within};
      status = copy_entry(tables_.slot_of(from, e, key), slot, copying);
    }
    ++i;
  }

  GuardedEntry made = tables.entry_of(*table, e.width(), e.guard(), e.guard_length());
  copying.to.resizer_.settle(made, to, false);
  tables.write(to, made);
  return status;
}

// Leaves of one size in the slots [slot, end), of which `place` is the first.
Status Gpt::copy_leaves(const Table& from, const Table& to, uint64_t slot, uint64_t end,
                        const Place& place, Copying& copying) {
  const GuardedEntry e = from.get(slot);
  const unsigned log2 = kKeyBits - place.consumed + e.replicas_log2();
  const auto leaves = static_cast<uint32_t>((end - slot) >> e.replicas_log2());
  Run run = run_of(from, slot, leaves, e, place);
  Run twin = copying.to.run_of(to, slot, leaves, e, place);
  twin.shared = false;
  for (uint64_t i = slot; i < end; ++i)
    to.set(i, {.head = e.head, .body = kNone});
  copying.to.tables_.touch_slots(to, slot, end - slot, true, place.level());

  const uint64_t first = run.start.value();
  const uint64_t last = last_of(first + (uint64_t{leaves - 1} << log2), log2);
  Status status = Status::Ok;
  for (size_t i = copying.from(first);
       status == Status::Ok && i < copying.ranges.size() && copying.ranges[i].begin.value() <= last;
       ++i) {
    const uint64_t begin = std::max(first, copying.ranges[i].begin.value());
    const uint64_t finish = std::min(last, copying.ranges[i].end.value() - 1);
    const auto at = static_cast<uint32_t>((begin - first) >> log2);
    const auto count = static_cast<uint32_t>((finish - first) >> log2) - at + 1;
    Run source = run.part(at, count);
    Run target = twin.part(at, count);
    if (!copying.copy(i, source, target)) status = Status::Stopped;
  }
  // Slots that were given nothing are not kept.
  for (uint64_t i = slot; i < end; ++i)
    if (to.words[2 * i + 1] == kNone) to.set(i, {});
  return status;
}

// Into a table that holds something already: run by run.
Status Gpt::copy_into(Gpt& to, std::span<const VirtRange> ranges, const RunCopier& copy) {
  for (size_t i = 0; i < ranges.size(); ++i) {
    const auto source = cursor(ranges[i], CursorMode::Read);
    Run run;
    while (source->next(run)) {
      for (uint32_t at = 0; at < run.count; ++at) {
        const Slot slot = to.ensure(run.address(at), run.size);
        if (slot.status != Status::Ok) return slot.status;
        const Table there = to.replicas_of(slot.handle);
        Run leaf = run.part(at, 1);
        Run twin = leaf;
        twin.place({.words = there.words + 1,
                    .address = there.address + sizeof(uint64_t),
                    .stride = kEntryBytes,
                    .replicas = there.get(0).replicas(),
                    .entry_bytes = sizeof(Entry),
                    .level = 0});
        if (!copy(i, leaf, twin)) return Status::Stopped;
      }
    }
  }
  return Status::Ok;
}

}  // namespace mmusim::pt::gpt
