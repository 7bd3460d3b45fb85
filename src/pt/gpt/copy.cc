// fork: the trie is cloned in one pass beside the list of ranges. What lies outside of them is left
// out: lines and arrays are made as large as what is wanted of them; tables get the width they
// have, and are brought into form when they are complete.
#include <algorithm>
#include <array>

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
  const Changing changing(*other);
  other->meets_leaves_ = meets_leaves_;
  if (!other->root_.load().is(Kind::Invalid)) return copy_into(*other, ranges, copy);
  Copying copying{.to = *other, .ranges = ranges, .copy = copy};
  const Status status = copy_entry(root_, other->root_, copying);
  other->tables_.moved(false);
  return status;
}

// The runs of a leaf or of several, as far as they are wanted.
Status Gpt::copy_run(Run& run, Run& twin, Copying& copying) {
  const unsigned log2 = run.size.log2();
  const uint64_t first = run.start.value();
  const uint64_t last = last_of(run.address(run.count - 1).value(), log2);
  for (size_t i = copying.from(first);
       i < copying.ranges.size() && copying.ranges[i].begin.value() <= last; ++i) {
    const uint64_t begin = std::max(first, copying.ranges[i].begin.value());
    const uint64_t finish = std::min(last, copying.ranges[i].end.value() - 1);
    const auto at = static_cast<uint32_t>((begin - first) >> log2);
    const auto count = static_cast<uint32_t>((finish - first) >> log2) - at + 1;
    Run source = run.part(at, count);
    Run target = twin.part(at, count);
    if (!copying.copy(i, source, target)) return Status::Stopped;
  }
  return Status::Ok;
}

// Copies what `from` leads to, as far as it is wanted, into the Invalid entry `to`.
Status Gpt::copy_entry(const Place& from, const Place& to, Copying& copying) {
  const GuardedEntry e = tables_.read(from);
  if (e.is(Kind::Invalid) || stands_for_nothing(e)) return Status::Ok;
  const uint64_t base = from.base_of(e);
  if (!copying.wants(base, last_of(base, kKeyBits - e.length()))) return Status::Ok;

  switch (e.kind()) {
    case Kind::Internal:
      return e.is_line() ? copy_line(from, e, to, copying) : copy_table(from, e, to, copying);
    case Kind::Shared:  // the copy is the new table's own
      return copy_entry(tables_.shared_root_of(from, e), to, copying);
    case Kind::Array:
      return copy_array(from, e, to, copying);
    default:
      break;
  }
  // A leaf with a place for itself.
  copying.to.tables_.write(to, GuardedEntry::leaf(to.local(base), e.length(), kNone));
  Run run = run_of({.address = from.address, .words = from.words}, 0, 1, e, from);
  Run twin = copying.to.run_of({.address = to.address, .words = to.words}, 0, 1, to.load(), to);
  const Status status = copy_run(run, twin, copying);
  if (to.words[1] == kNone) copying.to.tables_.write(to, {});
  return status;
}

// Only the entries that are wanted; of one no line is made.
Status Gpt::copy_line(const Place& from, const GuardedEntry& e, const Place& to, Copying& copying) {
  Tables& tables = copying.to.tables_;
  tables_.read_line(from, e, e.valid());
  std::array<Place, kLineEntries> wanted;
  unsigned count = 0;
  for_each_child(from, e, [&](const Place& child, const GuardedEntry& there) {
    const uint64_t base = child.base_of(there);
    if (copying.wants(base, last_of(base, kKeyBits - there.length()))) wanted[count++] = child;
  });
  if (count == 0) return Status::Ok;
  if (count == 1) return copy_entry(wanted[0], to, copying);
  const unsigned room_log2 = count > 2 ? 2 : 1;
  const auto table = tables.allocate(Shape::entries(room_log2), to.shared);
  if (!table) return Status::NoMemory;
  GuardedEntry line =
      GuardedEntry::line(to.local(from.base_of(e)), e.length(), table->address, 0, room_log2);
  Status status = Status::Ok;
  uint32_t used = 0;
  for (unsigned i = 0; i < count && status == Status::Ok; ++i) {
    const Place place = tables.entry_of_line(to, line, used);
    status = copy_entry(wanted[i], place, copying);
    if (!place.load().is(Kind::Invalid)) ++used;
  }
  line.count(used, room_log2);
  copying.to.resizer_.settle(line, to, false);
  tables.write(to, line);
  return status;
}

// As large as what is wanted of it.
Status Gpt::copy_array(const Place& from, const GuardedEntry& e, const Place& to,
                       Copying& copying) {
  Tables& tables = copying.to.tables_;
  const uint64_t base = from.base_of(e);
  const uint64_t last = last_of(base, kKeyBits - e.length());
  size_t i = copying.from(base);
  const uint64_t first_wanted = std::max(base, copying.ranges[i].begin.value());
  uint64_t last_wanted = first_wanted;
  for (; i < copying.ranges.size() && copying.ranges[i].begin.value() <= last; ++i)
    last_wanted = std::min(last, copying.ranges[i].end.value() - 1);
  const unsigned length =
      std::min(common_bits(first_wanted, last_wanted), rules_->policy.key_end - 1);
  const Shape shape = Shape::pages(rules_->policy.key_end - length);
  const auto array = tables.allocate(shape, to.shared);
  if (!array) return Status::NoMemory;
  GuardedEntry made = GuardedEntry::array(to.local(first_wanted), length, array->address);
  const uint64_t count = uint64_t{1} << shape.log2;
  const uint64_t first = tables_.page_in_array(leading(first_wanted, length), e);
  Run run = run_of_array(tables_.below(e), first, static_cast<uint32_t>(count), e, from);
  Run twin = copying.to.run_of_array(*array, 0, static_cast<uint32_t>(count), made, to);
  const Status status = copy_run(run, twin, copying);
  const uint64_t used = array->leaves(0, count);
  if (used == 0) {
    tables.discard(*array, shape, to.shared);
    return status;
  }
  made.count_pages(used);
  tables.write(to, made);
  return status;
}

Status Gpt::copy_table(const Place& from, const GuardedEntry& e, const Place& to,
                       Copying& copying) {
  Tables& tables = copying.to.tables_;
  const auto table = tables.allocate(Shape::entries(e.width()), to.shared);
  if (!table) return Status::NoMemory;
  const Table source = tables_.below(e);
  const uint64_t base = from.base_of(e);
  const unsigned end = e.length() + e.width();
  GuardedEntry made = GuardedEntry::internal(to.local(base), e.length(), e.width(), table->address);

  const auto key_of_slot = [&](uint64_t i) { return base | key_of(i, e.length(), e.width()); };
  const auto wanted = [&](uint64_t i) {
    const uint64_t key = key_of_slot(i);
    return copying.wants(key, last_of(key, kKeyBits - end));
  };
  Status status = Status::Ok;
  for (uint64_t i = 0; status == Status::Ok && i < e.slots();) {
    if (!wanted(i)) {
      ++i;
      continue;
    }
    const GuardedEntry child = source.get(i);
    if (child.is(Kind::Leaf) && child.length() <= end) {
      const uint64_t replicas = uint64_t{1} << (end - child.length());
      const uint64_t first = i & ~(replicas - 1);
      uint64_t next = first;
      do
        next += replicas;
      while (next < e.slots() && wanted(next) && source.get(next).is(Kind::Leaf) &&
             source.get(next).length() == child.length());
      if (stands_for_nothing(child))
        tables_.touch_slots(source, first, next - first, false, from.level);
      else
        status = copy_leaves(source, *table, first, next,
                             tables_.slot_of(from, e, key_of_slot(first)), copying);
      i = next;
      continue;
    }
    const uint64_t key = key_of_slot(i);
    if (child.is(Kind::Invalid))
      tables_.touch_slots(source, i, 1, false, from.level);
    else
      status = copy_entry(tables_.slot_of(from, e, key), tables.slot_of(to, made, key), copying);
    ++i;
  }

  made = tables.entry_of(*table, e.width(), made.prefix(), e.length());
  copying.to.resizer_.settle(made, to, false);
  tables.write(to, made);
  return status;
}

// Leaves of one size in the slots [slot, end), of which `place` is the first.
Status Gpt::copy_leaves(const Table& from, const Table& to, uint64_t slot, uint64_t end,
                        const Place& place, Copying& copying) {
  const GuardedEntry e = from.get(slot);
  const unsigned replicas_log2 = place.replicas_log2(e);
  const auto leaves = static_cast<uint32_t>((end - slot) >> replicas_log2);
  for (uint64_t i = slot; i < end; ++i)
    to.set(i, {.head = from.get(i).moved_by(place.difference).head, .body = kNone});
  copying.to.tables_.touch_slots(to, slot, end - slot, true, place.level);
  Place target = place;  // but that it is the new table's own
  target.shared = false;
  target.difference = 0;
  Run run = run_of(from, slot, leaves, e, place);
  Run twin = copying.to.run_of(to, slot, leaves, to.get(slot), target);
  const Status status = copy_run(run, twin, copying);
  // Where the copier has not looked, nobody else says what was read.
  if (status == Status::Stopped) tables_.touch_slots(from, slot, end - slot, false, place.level);
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
        const LeafWord there = LeafWord::unpacked(slot.handle.place);
        Run leaf = run.part(at, 1);
        Run twin = leaf;
        twin.place({.words = to.tables_.words(there.address),
                    .address = there.address,
                    .stride = kEntryBytes,
                    .replicas = uint32_t{1} << there.replicas_log2,
                    .entry_bytes = sizeof(Entry),
                    .level = there.level});
        if (!copy(i, leaf, twin)) return Status::Stopped;
      }
    }
  }
  return Status::Ok;
}

}  // namespace mmusim::pt::gpt
