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
  Weight weight = Tables::counted(above);
  weight -= tables_.weigh(before, above.width());
  weight += tables_.weigh(e, above.width());
  tables_.write_counts(parent, weight);
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
  replace(path, path.size() - 1, tables_.entry_of(*table, width, e.guard(), at));
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

// A slot in the making: the leaf wanted, or the table of a block of them, and the way there.
struct Gpt::Making {
  uint64_t key = 0;
  unsigned end = 0;  // how many bits of it count
  Path path;
  unsigned least = Path::kMost;  // the topmost entry of the path whose own form has changed

  // What of the key has not been used on the way to `place`, and how many bits of that count.
  [[nodiscard]] uint64_t rest(const Place& place) const { return behind(key, place.consumed); }
  [[nodiscard]] unsigned left(const Place& place) const {
    return end >= place.consumed ? end - place.consumed : 0;
  }
  // From where on the path is to be settled.
  [[nodiscard]] unsigned least_settled() const { return least == 0 ? 0 : least - 1; }
};

// The slot at `place`, which holds the leaf or has just been given an empty one.
Slot Gpt::made(const Making& making, const Place& place, bool fresh) {
  Found found;
  found.place = place;
  if (fresh) {
    const uint64_t before = tables_.generation();
    settle_above(making.path, making.least_settled());
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
  Weight weight = Tables::counted(e);
  const auto weigh = [&](uint64_t i) { return tables_.weigh(table.get(i), e.width()); };
  for (uint64_t i = first; i < first + count; ++i) {
    const GuardedEntry old = table.get(i);
    weight -= weigh(i);
    if (old.is(Kind::Invalid)) continue;
    removed = true;
    retire_below(old, place.shared);
  }
  if (removed) tables_.moved(place.shared);
  for (uint64_t i = first; i < first + count; ++i) {
    table.set(i, GuardedEntry::leaf(0, 0, log2, kNone));
    weight += weigh(i);
  }
  tables_.touch_slots(table, first, count, true, place.level());
  tables_.write_counts(parent, weight);
  making.path.push(place);
  slot = made(making, place, true);
  return true;
}

// Past the path's last entry, `e`, if what is made lies below it as a whole; a guard the way parts
// from is cut first.
Gpt::Step Gpt::step_down(Making& making, GuardedEntry& e) {
  Path& path = making.path;
  const Place& place = path.back();
  e = tables_.read(place);
  if (e.is(Kind::Invalid)) return Step::Stays;
  const unsigned length = e.guard_length();
  const unsigned limit = std::min(length, making.left(place));
  const unsigned common = std::min(e.common_with(making.rest(place)), limit);
  if (common < limit) {
    if (!cut(path, common)) return Step::NoMemory;
    making.least = std::min(making.least, path.size() - 1);
    return Step::On;
  }
  if (e.is(Kind::Leaf) || length > making.left(place)) return Step::Stays;
  if (e.is(Kind::Shared)) {
    path.push(tables_.shared_root_of(place, e, making.key));
    return Step::On;
  }
  if (making.end < place.consumed + length + e.width()) return Step::Stays;
  path.push(tables_.slot_of(place, e, making.key));
  return Step::On;
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
    GuardedEntry e;
    const Step step = step_down(making, e);
    if (step == Step::NoMemory) return {.status = Status::NoMemory, .handle = {}};
    if (step == Step::On) continue;
    const Place& place = path.back();
    const unsigned left = making.left(place);
    const GuardedEntry fresh = GuardedEntry::leaf(making.rest(place), left, 0, kNone);
    if (e.is(Kind::Invalid)) {
      replace(path, path.size() - 1, fresh);
      return made(making, place, true);
    }
    if (e.is(Kind::Leaf)) {
      const unsigned covered = place.consumed + e.guard_length() - e.replicas_log2();
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
    if (e.guard_length() >= left) {
      // All of the trie here lies in the leaf wanted.
      if (holds_leaves(e)) return {.status = Status::Occupied, .handle = {}};
      retire_below(e, place.shared);
      tables_.moved(place.shared);
      replace(path, path.size() - 1, fresh);
      return made(making, place, true);
    }
    Slot slot;
    if (make_in_slots(making, place, e, slot)) return slot;
  }
}

Status Gpt::ensure_pages(uint64_t first, uint64_t last, unsigned log2) {
  if (log2 == page_.log2()) return ensure(VirtAddr(first), page_).status;
  const uint64_t pages = ((last - first) >> page_.log2()) + 1;
  Making making;
  making.key = leading(first, kKeyBits - log2);
  making.end = kKeyBits - log2;
  Path& path = making.path;
  path.push(root_);
  GuardedEntry e;
  Step step = Step::On;
  while (step == Step::On)
    step = step_down(making, e);
  if (step == Step::NoMemory) return Status::NoMemory;

  const Place& place = path.back();
  const auto fill = [&](const Table& table, uint64_t slot) {
    for (uint64_t i = slot; i < slot + pages; ++i)
      table.set(i, GuardedEntry::leaf(0, 0, 0, kNone));
    tables_.touch_slots(table, slot, pages, true, place.level());
  };
  if (e.is(Kind::Invalid)) {
    const unsigned width = log2 - page_.log2();
    const auto table = tables_.allocate(width, place.shared);
    if (!table) return Status::NoMemory;
    fill(*table, (first - making.key) >> page_.log2());
    replace(path, path.size() - 1,
            tables_.entry_of(*table, width, making.rest(place), making.left(place)));
    tables_.moved(place.shared);
  } else {
    // A part of a table whose slots are pages.
    const unsigned before = place.consumed + e.guard_length();
    if (!e.is(Kind::Internal) || before + e.width() != kKeyBits - page_.log2())
      return Status::NotSupported;
    fill(tables_.below(e), number_of(behind(first, before), e.width()));
    Weight weight = Tables::counted(e);
    weight.valid += static_cast<uint32_t>(pages);
    tables_.write_counts(place, weight);
    path.push(tables_.slot_of(place, e, first));
  }
  settle_above(path, making.least_settled());
  return Status::Ok;
}

}  // namespace mmusim::pt::gpt
