#include "pt/gpt/resize.h"

#include <bit>

#include "base/error.h"

namespace mmusim::pt::gpt {

Resizer::Draft::~Draft() {
  if (committed_) return;
  take_apart([this] {
    for (const Sized& one : made_)
      tables_.discard(one.table, one.width, place_.shared);
  });
}

std::optional<Table> Resizer::Draft::allocate(unsigned width) {
  const auto table = tables_.allocate(width, place_.shared);
  if (table) made_.push_back({*table, width});
  return table;
}

void Resizer::Draft::commit() {
  committed_ = true;
  uint64_t written = 0;
  for (const Sized& one : made_) {
    const uint64_t slots = uint64_t{1} << one.width;
    tables_.touch_slots(one.table, 0, slots, true, place_.level());
    written += slots;
  }
  for (const Sized& one : gone_) {
    tables_.touch_slots(one.table, 0, uint64_t{1} << one.width, false, place_.level());
    tables_.retire(one.table, one.width, place_.shared);
  }
  tables_.restructured(written);
  tables_.moved(place_.shared);
}

std::optional<GuardedEntry> Resizer::entry_for(const Table& table, uint64_t first, unsigned width,
                                               Draft& draft) {
  if (width == 0) return table.get(first);
  const uint64_t slots = uint64_t{1} << width;
  uint32_t valid = 0;
  uint64_t found = 0;  // the first valid slot
  for (uint64_t i = slots; i-- > 0;) {
    if (table.get(first + i).is(Kind::Invalid)) continue;
    ++valid;
    found = i;
  }
  if (valid == 0) return GuardedEntry{};
  const GuardedEntry e = table.get(first + found);
  if (e.is(Kind::Leaf) && e.replicas_log2() >= width)
    return e.with_replicas(e.replicas_log2() - width);
  if (e.is(Kind::Leaf) && e.replicas() == valid) {
    const unsigned bits = width - e.replicas_log2();
    return e.with_replicas(0).after_bits(key_of(found >> e.replicas_log2(), bits), bits);
  }
  if (valid == 1) return e.after_bits(key_of(found, width), width);

  const auto fresh = draft.allocate(width);
  if (!fresh) return std::nullopt;
  for (uint64_t i = 0; i < slots; ++i)
    fresh->set(i, table.get(first + i));
  GuardedEntry made = GuardedEntry::internal(0, 0, width, fresh->address);
  const Weight weight = tables_->weigh(*fresh, width);
  made.count(weight.valid, weight.full);
  return made;
}

void Resizer::finish(GuardedEntry& e, const Table& fresh, unsigned width, Draft& draft) {
  draft.give_up(tables_->below(e), e.width());
  e = GuardedEntry::internal(e.guard(), e.guard_length(), width, fresh.address);
  const Weight weight = tables_->weigh(fresh, width);
  e.count(weight.valid, weight.full);
  draft.commit();
}

// One slot becomes two: slot and slot + 1 of the fresh table.
bool Resizer::double_slot(const GuardedEntry& child, const Table& fresh, uint64_t slot,
                          Draft& draft) {
  if (child.is(Kind::Invalid)) return true;
  if (child.guard_length() != 0) {
    fresh.set(slot + number_of(child.guard(), 1), child.behind_bits(1));
    return true;
  }
  if (child.is(Kind::Leaf)) {
    const GuardedEntry twice = child.with_replicas(child.replicas_log2() + 1);
    fresh.set(slot, twice);
    fresh.set(slot + 1, twice);
    return true;
  }
  // Two entries for one shared sub-tree, or half a one, cannot be.
  if (child.is(Kind::Shared)) return false;
  const Table below = tables_->below(child);
  const unsigned width = child.width() - 1;
  for (uint64_t half = 0; half < 2; ++half) {
    const auto e = entry_for(below, half << width, width, draft);
    if (!e) return false;
    fresh.set(slot + half, *e);
  }
  draft.give_up(below, child.width());
  return true;
}

bool Resizer::double_width(GuardedEntry& e, const Place& place) {
  const Table old = tables_->below(e);
  Draft draft(*tables_, place);
  const auto fresh = draft.allocate(e.width() + 1);
  if (!fresh) return false;
  for (uint64_t i = 0; i < e.slots(); ++i)
    if (!double_slot(old.get(i), *fresh, 2 * i, draft)) return false;
  finish(e, *fresh, e.width() + 1, draft);
  return true;
}

bool Resizer::fold(GuardedEntry& e, const Place& place, unsigned width) {
  MMUSIM_ASSERT(width >= 1 && width < e.width());
  const Table old = tables_->below(e);
  const unsigned rest = e.width() - width;
  Draft draft(*tables_, place);
  const auto fresh = draft.allocate(width);
  if (!fresh) return false;
  for (uint64_t i = 0; i < uint64_t{1} << width; ++i) {
    const auto child = entry_for(old, i << rest, rest, draft);
    if (!child) return false;
    fresh->set(i, *child);
  }
  finish(e, *fresh, width, draft);
  return true;
}

bool Resizer::halve_width(GuardedEntry& e, const Place& place) {
  return fold(e, place, e.width() - 1);
}

// Nothing in it, or one thing only: no table is needed.
bool Resizer::collapse(GuardedEntry& e, const Place& place) {
  const Table table = tables_->below(e);
  GuardedEntry only;
  if (e.valid() != 0) {
    if (!std::has_single_bit(e.valid())) return false;
    uint64_t slot = 0;
    while (table.get(slot).is(Kind::Invalid))
      ++slot;
    only = table.get(slot);
    const unsigned replicas_log2 = only.is(Kind::Leaf) ? only.replicas_log2() : 0;
    if (e.valid() != uint32_t{1} << replicas_log2) {
      Place looked_at = place;
      ++looked_at.depth;
      tables_->touch_slots(table, 0, slot + 1, false, looked_at.level());
      return false;
    }
    const unsigned bits = e.width() - replicas_log2;
    if (only.is(Kind::Leaf)) only = only.with_replicas(0);
    only = only.after_bits(key_of(slot >> replicas_log2, bits), bits)
               .after_bits(e.guard(), e.guard_length());
  }
  Draft draft(*tables_, place);
  draft.give_up(table, e.width());
  draft.commit();
  e = only;
  return true;
}

bool Resizer::wants_doubling(const GuardedEntry& e, const Place& place) const {
  const Policy& policy = tables_->policy();
  return e.full() != 0 && e.width() < policy.widest &&
         place.consumed + e.guard_length() + e.width() < policy.key_end &&
         (e.valid() + e.full()) * uint64_t{100} >= policy.inflate * (e.slots() * 2);
}

bool Resizer::wants_halving(const GuardedEntry& e) const {
  return e.width() > 1 && e.valid() * uint64_t{100} < tables_->policy().halve * e.slots();
}

bool Resizer::settle(GuardedEntry& e, const Place& place, bool may_grow) {
  if (!e.is(Kind::Internal)) return false;
  if (collapse(e, place)) return true;
  if (!tables_->policy().adaptive()) return false;
  bool grown = false;
  while (may_grow && wants_doubling(e, place) && double_width(e, place))
    grown = true;
  if (grown) return true;
  bool shrunk = false;
  while (wants_halving(e) && halve_width(e, place))
    shrunk = true;
  return shrunk;
}

}  // namespace mmusim::pt::gpt
