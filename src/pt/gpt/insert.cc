// Making slots and taking them away: where a guard is cut, where a leaf comes to stand.
#include "base/error.h"
#include "pt/gpt/gpt.h"

namespace mmusim::pt::gpt {

// --- Changing one entry, and what follows for those above

void Gpt::replace(const Path& path, unsigned i, const GuardedEntry& e) {
  const Place& place = path[i];
  const GuardedEntry before = place.load();
  tables_.write(place, e);
  if (place.top) return;
  const Place& parent = path[i - 1];
  const GuardedEntry above = parent.load();
  const Weight old = tables_.weigh(before, above.width());
  const Weight now = tables_.weigh(e, above.width());
  tables_.write_counts(parent, {.valid = above.valid() + now.valid - old.valid,
                                .full = above.full() + now.full - old.full});
}

void Gpt::settle_above(const Path& path, unsigned least) {
  for (unsigned i = path.size() - 1; i-- > 0;) {
    GuardedEntry e = path[i].load();
    // What goes on below a shared root does not show in its users' entries.
    if (e.is(Kind::Shared)) return;
    const bool changed = resizer_.settle(e, path[i], true);
    if (changed) replace(path, i, e);
    if (!changed && i <= least) return;
  }
}

Path Gpt::path_to(uint64_t key) const {
  Path path;
  path.push(root_);
  while (true) {
    const GuardedEntry e = tables_.read(path.back());
    if (!e.matches(behind(key, path.back().consumed))) return path;
    if (e.is(Kind::Internal))
      path.push(tables_.slot_of(path.back(), e, key));
    else if (e.is(Kind::Shared))
      path.push(tables_.shared_root_of(path.back(), e, key));
    else
      return path;
  }
}

void Gpt::remove_leaf(const Path& path) {
  const Place& place = path.back();
  const GuardedEntry e = place.load();
  MMUSIM_ASSERT(e.is(Kind::Leaf));
  if (place.top) {
    tables_.write(place, {});
  } else {
    const uint64_t group = kEntryBytes << e.replicas_log2();
    const Table slots = tables_.at(PhysAddr(place.address.value() & ~(group - 1)));
    for (uint64_t i = 0; i < e.replicas(); ++i)
      slots.set(i, {});
    tables_.touch_slots(slots, 0, e.replicas(), true, place.level());
    const Place& parent = path[path.size() - 2];
    const GuardedEntry above = parent.load();
    tables_.write_counts(parent, {.valid = above.valid() - e.replicas(), .full = above.full()});
  }
  tables_.moved(place.shared);
}

bool Gpt::cut(const Path& path, unsigned common) {
  const Place& place = path.back();
  const GuardedEntry e = place.load();
  const Policy& policy = rules_->policy;
  const unsigned at = policy.adaptive() ? common : common / policy.order * policy.order;
  const unsigned width =
      policy.adaptive() ? 1 : std::min(policy.order, policy.key_end - place.consumed - at);
  const auto table = tables_.allocate(width, place.shared);
  if (!table) return false;

  const GuardedEntry old = e.behind_bits(at);
  const unsigned length = old.guard_length();
  uint64_t written = 1;
  if (length >= width) {
    table->set(number_of(old.guard(), width), old.behind_bits(width));
  } else {  // a leaf larger than a slot
    const unsigned log2 = width - length;
    written = uint64_t{1} << log2;
    const uint64_t first = number_of(old.guard(), length) << log2;
    const GuardedEntry replica = old.with_guard(0, 0).with_replicas(old.replicas_log2() + log2);
    for (uint64_t i = 0; i < written; ++i)
      table->set(first + i, replica);
  }
  tables_.touch_slots(*table, 0, written, true, place.level());
  GuardedEntry above = GuardedEntry::internal(e.guard(), at, width, table->address);
  const Weight weight = tables_.weigh(*table, width);
  above.count(weight.valid, weight.full);
  replace(path, path.size() - 1, above);
  tables_.moved(place.shared);
  return true;
}

// --- What is below an entry

bool Gpt::holds_leaves(const GuardedEntry& e) const {
  switch (e.kind()) {
    case Kind::Invalid:
      return false;
    case Kind::Leaf:
      return e.body != kNone;
    case Kind::Shared:
      return true;  // whatever it holds, it is not this table's to take away
    case Kind::Internal:
      break;
  }
  const Table table = tables_.below(e);
  for (uint64_t i = 0; i < e.slots(); ++i)
    if (holds_leaves(table.get(i))) return true;
  return false;
}

// No leaf, in shared sub-trees neither.
bool Gpt::is_empty(const GuardedEntry& e) const {
  switch (e.kind()) {
    case Kind::Invalid:
      return true;
    case Kind::Leaf:
      return e.body == kNone;
    case Kind::Shared:
      return is_empty(tables_.at(e.address()).get(0));
    case Kind::Internal:
      break;
  }
  const Table table = tables_.below(e);
  for (uint64_t i = 0; i < e.slots(); ++i)
    if (!is_empty(table.get(i))) return false;
  return true;
}

void Gpt::retire_below(const GuardedEntry& e, bool shared) {
  if (!e.is(Kind::Internal)) return;
  const Table table = tables_.below(e);
  for (uint64_t i = 0; i < e.slots(); ++i)
    retire_below(table.get(i), shared);
  tables_.retire(table, e.width(), shared, false);
}

// --- ensure

// A slot in the making: the leaf wanted, and the way there.
struct Gpt::Making {
  uint64_t key = 0;
  unsigned end = 0;  // how many bits of it count
  Path path;
  unsigned least = Path::kMost;  // the topmost entry of the path whose own form has changed
};

// The slot at `place`, which holds the leaf or has just been given an empty one.
Slot Gpt::made(const Making& making, const Place& place, bool fresh) {
  Found found;
  found.place = place;
  if (fresh) {
    const uint64_t before = tables_.generation();
    settle_above(making.path, making.least == 0 ? 0 : making.least - 1);
    if (tables_.generation() != before) found = descend(making.key, [](const Place&) {});
  }
  found.entry = found.place.load();
  return {.status = Status::Ok, .handle = handle_of(making.key, found), .entry = found.entry.body};
}

// The leaf covers several slots of the table that `e` at `parent`, the path's last, leads to. True:
// `slot` is the answer. False: an empty leaf larger than wanted was taken away; look again.
bool Gpt::make_in_slots(Making& making, const Place& parent, const GuardedEntry& e, Slot& slot) {
  const unsigned before = parent.consumed + e.guard_length();
  const unsigned log2 = before + e.width() - making.end;
  const Place place = tables_.slot_of(parent, e, making.key);
  const Table table = tables_.below(e);
  const uint64_t first = number_of(behind(making.key, before), e.width());
  const uint64_t count = uint64_t{1} << log2;
  tables_.touch_slots(table, first, count, false, place.level());

  const GuardedEntry there = table.get(first);
  if (there.is(Kind::Leaf) && there.guard_length() == 0 && there.replicas_log2() >= log2) {
    making.path.push(place);
    if (there.replicas_log2() == log2) {
      slot = made(making, place, false);
      return true;
    }
    if (there.is_empty_leaf()) {
      remove_leaf(making.path);
      making.path.pop();
      return false;
    }
    Found larger;
    larger.place = place;
    larger.entry = there;
    slot = {
        .status = Status::Overlap, .handle = handle_of(making.key, larger), .entry = there.body};
    return true;
  }
  for (uint64_t i = first; i < first + count; ++i)
    if (holds_leaves(table.get(i))) {
      slot = {.status = Status::Occupied, .handle = {}};
      return true;
    }
  bool removed = false;
  Weight weight{.valid = e.valid(), .full = e.full()};
  const auto weigh = [&](uint64_t i) { return tables_.weigh(table.get(i), e.width()); };
  for (uint64_t i = first; i < first + count; ++i) {
    const GuardedEntry old = table.get(i);
    weight.valid -= weigh(i).valid;
    weight.full -= weigh(i).full;
    if (old.is(Kind::Invalid)) continue;
    removed = true;
    retire_below(old, place.shared);
  }
  if (removed) tables_.moved(place.shared);
  for (uint64_t i = first; i < first + count; ++i) {
    table.set(i, GuardedEntry::leaf(0, 0, log2, kNone));
    weight.valid += weigh(i).valid;
    weight.full += weigh(i).full;
  }
  tables_.touch_slots(table, first, count, true, place.level());
  tables_.write_counts(parent, weight);
  making.path.push(place);
  slot = made(making, place, true);
  return true;
}

Slot Gpt::ensure(VirtAddr va, PageShift size) {
  if (!size_offered(size)) return {.status = Status::BadSize, .handle = {}};
  if (number_of(va.value(), kKeyBits - rules_->address_bits) != 0)
    return {.status = Status::NotSupported, .handle = {}};

  Making making;
  making.key = align_down(va, size).value();
  making.end = kKeyBits - size.log2();
  Path& path = making.path;
  path.push(root_);
  while (true) {
    const Place& place = path.back();
    const GuardedEntry e = tables_.read(place);
    const uint64_t rest = behind(making.key, place.consumed);
    const unsigned left = making.end >= place.consumed ? making.end - place.consumed : 0;
    const GuardedEntry fresh = GuardedEntry::leaf(rest, left, 0, kNone);
    const unsigned length = e.guard_length();
    const unsigned limit = std::min(length, left);
    const unsigned common = std::min(e.common_with(rest), limit);

    if (e.is(Kind::Invalid)) {
      replace(path, path.size() - 1, fresh);
      return made(making, place, true);
    }
    if (common < limit) {
      // The way parts within the guard.
      if (!cut(path, common)) return {.status = Status::NoMemory, .handle = {}};
      making.least = std::min(making.least, path.size() - 1);
      continue;
    }
    if (e.is(Kind::Leaf)) {
      const unsigned covered = place.consumed + length - e.replicas_log2();
      if (covered == making.end) return made(making, place, false);
      if (e.is_empty_leaf()) {  // of another size: it makes room
        remove_leaf(path);
        continue;
      }
      if (covered > making.end) return {.status = Status::Occupied, .handle = {}};
      Found larger;
      larger.place = place;
      larger.entry = e;
      return {.status = Status::Overlap, .handle = handle_of(making.key, larger), .entry = e.body};
    }
    if (length > left || (length == left && e.is(Kind::Internal))) {
      // All of the trie here lies in the leaf wanted.
      if (holds_leaves(e)) return {.status = Status::Occupied, .handle = {}};
      retire_below(e, place.shared);
      tables_.moved(place.shared);
      replace(path, path.size() - 1, fresh);
      return made(making, place, true);
    }
    if (e.is(Kind::Shared)) {
      path.push(tables_.shared_root_of(place, e, making.key));
    } else if (making.end < place.consumed + length + e.width()) {
      Slot slot;
      if (make_in_slots(making, place, e, slot)) return slot;
    } else {
      path.push(tables_.slot_of(place, e, making.key));
    }
  }
}

// As ensure(), of which it is the part that meets nothing but a void; what it puts there is a
// table, or slots of one that has them.
Status Gpt::ensure_pages(uint64_t first, uint64_t last, unsigned log2) {
  if (log2 == page_.log2()) return ensure(VirtAddr(first), page_).status;
  const uint64_t pages = ((last - first) >> page_.log2()) + 1;
  const unsigned width = log2 - page_.log2();
  Making making;
  making.key = leading(first, kKeyBits - log2);
  making.end = kKeyBits - log2;
  const uint64_t slot = (first - making.key) >> page_.log2();
  const GuardedEntry empty = GuardedEntry::leaf(0, 0, 0, kNone);
  Path& path = making.path;
  path.push(root_);
  while (true) {
    const Place& place = path.back();
    const GuardedEntry e = tables_.read(place);
    const uint64_t rest = behind(making.key, place.consumed);
    const unsigned left = making.end >= place.consumed ? making.end - place.consumed : 0;
    const unsigned limit = std::min(e.guard_length(), left);
    const unsigned common = std::min(e.common_with(rest), limit);
    if (e.is(Kind::Invalid)) {
      const auto table = tables_.allocate(width, place.shared);
      if (!table) return Status::NoMemory;
      for (uint64_t i = slot; i < slot + pages; ++i)
        table->set(i, empty);
      tables_.touch_slots(*table, slot, pages, true, place.level());
      GuardedEntry made = GuardedEntry::internal(rest, left, width, table->address);
      made.count(static_cast<uint32_t>(pages), 0);
      replace(path, path.size() - 1, made);
      tables_.moved(place.shared);
      settle_above(path, making.least == 0 ? 0 : making.least - 1);
      return Status::Ok;
    }
    if (common < limit) {
      if (!cut(path, common)) return Status::NoMemory;
      making.least = std::min(making.least, path.size() - 1);
    } else if (e.is(Kind::Shared)) {
      path.push(tables_.shared_root_of(place, e, making.key));
    } else if (!e.is(Kind::Internal)) {
      return Status::NotSupported;
    } else if (making.end >= place.consumed + e.guard_length() + e.width()) {
      path.push(tables_.slot_of(place, e, making.key));
    } else if (place.consumed + e.guard_length() + e.width() == kKeyBits - page_.log2()) {
      // The block is a part of a table whose slots are pages.
      const Table table = tables_.below(e);
      const uint64_t at = number_of(behind(first, place.consumed + e.guard_length()), e.width());
      for (uint64_t i = at; i < at + pages; ++i)
        table.set(i, empty);
      tables_.touch_slots(table, at, pages, true, place.level());
      tables_.write_counts(place,
                           {.valid = e.valid() + static_cast<uint32_t>(pages), .full = e.full()});
      path.push(tables_.slot_of(place, e, first));
      settle_above(path, making.least == 0 ? 0 : making.least - 1);
      return Status::Ok;
    } else {
      return Status::NotSupported;
    }
  }
}

}  // namespace mmusim::pt::gpt
