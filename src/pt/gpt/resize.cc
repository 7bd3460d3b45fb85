#include "pt/gpt/resize.h"

#include <algorithm>
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

// The slots written.
uint64_t Resizer::Draft::touch_all() const {
  uint64_t written = 0;
  for (const Sized& one : made_) {
    const uint64_t slots = uint64_t{1} << one.width;
    tables_.touch_slots(one.table, 0, slots, true, place_.level());
    written += slots;
  }
  for (const Sized& one : gone_)
    tables_.touch_slots(one.table, 0, uint64_t{1} << one.width, false, place_.level());
  return written;
}

void Resizer::Draft::commit() {
  committed_ = true;
  tables_.restructured(touch_all());
  for (const Sized& one : gone_)
    tables_.retire(one.table, one.width, place_.shared, true);
  tables_.moved(place_.shared);
}

void Resizer::Draft::waste() {
  tables_.restructured(touch_all());
}

std::optional<GuardedEntry> Resizer::entry_alone(const Table& table, uint64_t first,
                                                 unsigned width) {
  if (width == 0) return table.get(first);
  uint32_t valid = 0;
  uint64_t found = 0;  // the first valid slot
  for (uint64_t i = uint64_t{1} << width; i-- > 0;) {
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
  return std::nullopt;
}

std::optional<GuardedEntry> Resizer::entry_for(const Table& table, uint64_t first, unsigned width,
                                               Draft& draft) {
  if (const auto alone = entry_alone(table, first, width)) return alone;
  const auto fresh = draft.allocate(width);
  if (!fresh) return std::nullopt;
  for (uint64_t i = 0; i < uint64_t{1} << width; ++i)
    fresh->set(i, table.get(first + i));
  return tables_->entry_of(*fresh, width);
}

GuardedEntry Resizer::finished(const GuardedEntry& e, const Table& fresh, unsigned width,
                               Draft& draft) {
  draft.give_up(tables_->below(e), e.width());
  return tables_->entry_of(fresh, width, e.guard(), e.guard_length());
}

bool Resizer::spread(const GuardedEntry& child, unsigned bits, const Table& fresh, uint64_t slot,
                     Draft& draft) {
  if (child.is(Kind::Invalid)) return true;
  const unsigned guarded = std::min(bits, child.guard_length());
  const unsigned left = bits - guarded;
  const uint64_t first = slot + (number_of(child.guard(), guarded) << left);
  const GuardedEntry rest = child.behind_bits(guarded);
  if (left == 0) {
    fresh.set(first, rest);
    return true;
  }
  const uint64_t count = uint64_t{1} << left;
  if (child.is(Kind::Leaf)) {
    for (uint64_t i = 0; i < count; ++i)
      fresh.set(first + i, rest.with_replicas(child.replicas_log2() + left));
    return true;
  }
  // Several entries for one shared sub-tree, or one for a part of it, cannot be.
  if (child.is(Kind::Shared)) return false;
  const Table below = tables_->below(child);
  const unsigned width = child.width();
  if (width <= left) {
    for (uint64_t i = 0; i < child.slots(); ++i)
      if (!spread(below.get(i), left - width, fresh, first + (i << (left - width)), draft))
        return false;
  } else {
    for (uint64_t i = 0; i < count; ++i) {
      const auto e = entry_for(below, i << (width - left), width - left, draft);
      if (!e) return false;
      fresh.set(first + i, *e);
    }
  }
  draft.give_up(below, width);
  return true;
}

std::optional<Weight> Resizer::weigh_spread(const GuardedEntry& child, unsigned bits,
                                            unsigned width, uint8_t level) const {
  if (child.is(Kind::Invalid)) return Weight{};
  const unsigned guarded = std::min(bits, child.guard_length());
  const unsigned left = bits - guarded;
  if (left == 0) return tables_->weigh(child.behind_bits(guarded), width);
  if (child.is(Kind::Leaf)) return Weight{.valid = uint32_t{1} << left, .full = 0};
  if (child.is(Kind::Shared)) return std::nullopt;
  return weigh_all(tables_->below(child), child.width(), left, width, level);
}

// All slots of a table, spread over 2^bits.
std::optional<Weight> Resizer::weigh_all(const Table& table, unsigned table_width, unsigned bits,
                                         unsigned width, uint8_t level) const {
  tables_->touch_slots(table, 0, uint64_t{1} << table_width, false, level);
  Weight sum;
  if (table_width > bits) {
    const unsigned group = table_width - bits;
    for (uint64_t i = 0; i < uint64_t{1} << bits; ++i) {
      const auto alone = entry_alone(table, i << group, group);
      sum += alone
                 ? tables_->weigh(*alone, width)
                 : Weight{.valid = 1, .full = group + width <= tables_->policy().widest ? 1U : 0U};
    }
    return sum;
  }
  for (uint64_t i = 0; i < uint64_t{1} << table_width; ++i) {
    const auto one = weigh_spread(table.get(i), bits - table_width, width, level);
    if (!one) return std::nullopt;
    sum += *one;
  }
  return sum;
}

unsigned Resizer::growth(const GuardedEntry& e, const Place& place, unsigned bits,
                         Weight weight) const {
  while (wants_doubling(e, place, e.width() + bits, weight)) {
    const unsigned width = e.width() + ++bits;
    const auto next = weigh_all(tables_->below(e), e.width(), width, width, place.level());
    if (!next) return bits - 1;
    weight = *next;
  }
  return bits;
}

std::optional<GuardedEntry> Resizer::wider(const GuardedEntry& e, unsigned bits, Draft& draft) {
  const Table old = tables_->below(e);
  const auto fresh = draft.allocate(e.width() + bits);
  if (!fresh) return std::nullopt;
  for (uint64_t i = 0; i < e.slots(); ++i)
    if (!spread(old.get(i), bits, *fresh, i << bits, draft)) return std::nullopt;
  return finished(e, *fresh, e.width() + bits, draft);
}

bool Resizer::grow(GuardedEntry& e, const Place& place) {
  if (!wants_doubling(e, place, e.width(), Tables::counted(e))) return false;
  unsigned bits = 1;
  {
    Draft draft(*tables_, place);
    const auto twice = wider(e, bits, draft);
    if (!twice) return false;
    const Weight weight = Tables::counted(*twice);
    if (!wants_doubling(e, place, twice->width(), weight)) {
      draft.commit();
      e = *twice;
      return true;
    }
    draft.waste();
    bits = growth(e, place, bits, weight);
  }
  // Without memory for so much, for as much as there is.
  for (; bits != 0; --bits) {
    Draft draft(*tables_, place);
    const auto made = wider(e, bits, draft);
    if (!made) continue;
    draft.commit();
    e = *made;
    return true;
  }
  return false;
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
  e = finished(e, *fresh, width, draft);
  draft.commit();
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

bool Resizer::wants_doubling(const GuardedEntry& e, const Place& place, unsigned width,
                             Weight weight) const {
  const Policy& policy = tables_->policy();
  return weight.full != 0 && width < policy.widest &&
         place.consumed + e.guard_length() + width < policy.key_end &&
         (weight.valid + weight.full) * uint64_t{100} >= policy.inflate * (uint64_t{2} << width);
}

bool Resizer::wants_halving(const GuardedEntry& e) const {
  return e.width() > 1 && e.valid() * uint64_t{100} < tables_->policy().halve * e.slots();
}

bool Resizer::settle(GuardedEntry& e, const Place& place, bool may_grow) {
  if (!e.is(Kind::Internal)) return false;
  if (collapse(e, place)) return true;
  if (!tables_->policy().adaptive()) return false;
  if (may_grow && grow(e, place)) return true;
  bool shrunk = false;
  while (wants_halving(e) && halve_width(e, place))
    shrunk = true;
  return shrunk;
}

}  // namespace mmusim::pt::gpt
