#include "pt/gpt/resize.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/error.h"

namespace mmusim::pt::gpt {

Resizer::Draft::~Draft() {
  if (committed_) return;
  take_apart([this] {
    if (!told_) touch_given_up();
    for (const Made& one : made_)
      tables_.discard(one.table, one.shape, place_.shared);
  });
}

std::optional<Table> Resizer::Draft::allocate(Shape shape) {
  const auto table = tables_.allocate(shape, place_.shared);
  if (table) made_.push_back({*table, shape});
  return table;
}

bool Resizer::Draft::has_made(PhysAddr address) const {
  return std::any_of(made_.begin(), made_.end(),
                     [&](const Made& one) { return one.table.address == address; });
}

void Resizer::Draft::take_back(PhysAddr address) {
  const auto one = std::find_if(made_.begin(), made_.end(),
                                [&](const Made& made) { return made.table.address == address; });
  tables_.discard(one->table, one->shape, place_.shared);
  made_.erase(one);
}

void Resizer::Draft::touch(const Table& table, Shape shape, bool write) const {
  const uint64_t slots = uint64_t{1} << shape.log2;
  if (shape.array) return tables_.touch_words(table.address, slots, write);
  // Of a line only its entries; of a table all slots are at the level of the first that is used.
  std::optional<uint8_t> level;
  for (uint64_t i = 0; i < slots; ++i) {
    const GuardedEntry e = table.get(i);
    if (e.is(Kind::Invalid)) continue;
    level = tables_.level_of(place_, e);
    if (slots > kLineEntries) break;
    tables_.touch_slots(table, i, 1, write, *level);
  }
  if (slots > kLineEntries)
    tables_.touch_slots(table, 0, slots, write, level.value_or(place_.level));
}

// The slots written.
uint64_t Resizer::Draft::touch_all() const {
  uint64_t written = 0;
  for (const Made& one : made_) {
    touch(one.table, one.shape, true);
    written += uint64_t{1} << one.shape.log2;
  }
  touch_given_up();
  return written;
}

void Resizer::Draft::touch_given_up() const {
  for (const GuardedEntry& e : gone_)
    touch(tables_.below(e), tables_.shape_of(e), false);
}

bool Resizer::Draft::saves_memory() const {
  uint64_t made = 0;
  uint64_t gone = 0;
  for (const Made& one : made_)
    made += one.shape.bytes();
  for (const GuardedEntry& e : gone_)
    gone += tables_.shape_of(e).bytes();
  return made <= gone;
}

void Resizer::Draft::commit() {
  committed_ = true;
  tables_.restructured(touch_all());
  for (const GuardedEntry& e : gone_)
    tables_.retire(e, place_.shared, true);
  tables_.moved(place_.shared);
}

void Resizer::Draft::waste() {
  told_ = true;
  tables_.restructured(touch_all());
}

// --- Lines

std::optional<GuardedEntry> Resizer::line_of(std::span<const GuardedEntry> entries, Draft& draft) {
  MMUSIM_ASSERT(entries.size() > 1 && entries.size() <= kLineEntries);
  const unsigned room_log2 = entries.size() > 2 ? 2 : 1;
  const auto table = draft.allocate(Shape::entries(room_log2));
  if (!table) return std::nullopt;
  unsigned length = kKeyBits;
  for (uint64_t i = 0; i < entries.size(); ++i) {
    table->set(i, entries[i]);
    length = std::min(length, common_bits(entries[i].prefix(), entries[0].prefix()));
  }
  return GuardedEntry::line(entries[0].prefix(), length, table->address,
                            static_cast<uint32_t>(entries.size()), room_log2);
}

std::optional<GuardedEntry> Resizer::line_of(std::span<const GuardedEntry> entries,
                                             const Place& place, const GuardedEntry* instead_of) {
  Draft draft(*tables_, place);
  const auto line = line_of(entries, draft);
  if (!line) return std::nullopt;
  if (instead_of != nullptr) draft.give_up(*instead_of);
  draft.commit();
  return line;
}

// Each slot a line's worth at most: that is what they came from.
bool Resizer::put(const Slots& slots, const GuardedEntry& e, Draft& draft) {
  const uint64_t slot = bits_of(e.prefix(), slots.length, slots.width);
  const GuardedEntry there = slots.table.get(slot);
  if (there.is(Kind::Invalid)) {
    slots.table.set(slot, e);
    return true;
  }
  // A line that this draft has made for the slot takes it, too.
  std::vector<GuardedEntry> all;
  if (there.is_line() && draft.has_made(there.address())) {
    for (uint64_t i = 0; i < there.valid(); ++i)
      all.push_back(tables_->below(there).get(i));
    draft.take_back(there.address());
  } else {
    all.push_back(there);
  }
  all.push_back(e);
  const auto made = line_of(all, draft);
  if (made) slots.table.set(slot, *made);
  return made.has_value();
}

// As wide as one that began with two slots would become.
std::optional<GuardedEntry> Resizer::table_of(std::span<const GuardedEntry> entries,
                                              const Place& place, const GuardedEntry* instead_of) {
  unsigned length = kKeyBits;
  for (const GuardedEntry& e : entries)
    length = std::min({length, common_bits(e.prefix(), entries[0].prefix()), e.length()});
  unsigned width = 0;
  Weight weight;
  do {
    const auto next = weigh_entries(entries, {.length = length, .width = width + 1});
    if (!next) break;
    weight = *next;
    ++width;
  } while (wants_doubling(length, width, weight));
  if (width < 2 || weight.valid < 3) return std::nullopt;

  Draft draft(*tables_, place);
  const auto table = draft.allocate(Shape::entries(width));
  if (!table) return std::nullopt;
  if (instead_of != nullptr) draft.give_up(*instead_of);
  for (const GuardedEntry& e : entries)
    if (!spread(e, {*table, length, width}, draft)) return std::nullopt;
  const GuardedEntry made = tables_->entry_of(*table, width, entries[0].prefix(), length);
  draft.commit();
  return made;
}

std::optional<GuardedEntry> Resizer::extended(const GuardedEntry& e,
                                              std::span<const GuardedEntry> beside,
                                              const Place& place) {
  const unsigned width = e.width() + 1;
  if (!e.is_table() || width > tables_->policy().widest ||
      (e.valid() + beside.size()) * 100 < uint64_t{tables_->policy().inflate} << width)
    return std::nullopt;
  const unsigned length = e.length() - 1;
  Draft draft(*tables_, place);
  const auto table = draft.allocate(Shape::entries(width));
  if (!table) return std::nullopt;
  draft.give_up(e);
  const uint64_t first = bits_of(e.prefix(), length, 1) << e.width();
  for (uint64_t i = 0; i < e.slots(); ++i)
    table->set(first + i, tables_->below(e).get(i));
  for (const GuardedEntry& one : beside) {
    const uint64_t slot = bits_of(one.prefix(), length, width);
    if (e.common_with(one.prefix()) != length || one.length() < length + width ||
        !table->get(slot).is(Kind::Invalid))
      return std::nullopt;
    table->set(slot, one);
  }
  const GuardedEntry made = tables_->entry_of(*table, width, e.prefix(), length);
  draft.commit();
  return made;
}

std::optional<GuardedEntry> Resizer::table_of_array(const GuardedEntry& array, unsigned end,
                                                    const Place& place) {
  const Policy& policy = tables_->policy();
  const unsigned width = std::min(policy.widest, std::min(end, policy.key_end) - array.length());
  const unsigned length = array.length() + width;
  const unsigned rest = tables_->pages_log2(array) - width;  // of the arrays below
  const Table old = tables_->below(array);
  Draft draft(*tables_, place);
  const auto table = draft.allocate(Shape::entries(width));
  if (!table) return std::nullopt;
  draft.give_up(array);
  for (uint64_t i = 0; i < uint64_t{1} << width; ++i) {
    const uint64_t first = i << rest;
    const uint64_t used = old.leaves(first, uint64_t{1} << rest);
    if (used == 0) continue;
    const uint64_t prefix = array.prefix() | key_of(i, array.length(), width);
    if (rest == 0) {
      table->set(i, GuardedEntry::leaf(prefix, length, old.words[first]));
      continue;
    }
    const auto part = draft.allocate(Shape::pages(rest));
    if (!part) return std::nullopt;
    std::copy_n(old.words + first, uint64_t{1} << rest, part->words);
    table->set(i, GuardedEntry::array(prefix, length, part->address, used));
  }
  const GuardedEntry made = tables_->entry_of(*table, width, array.prefix(), array.length());
  draft.commit();
  return made;
}

// --- Parts of a table

std::vector<GuardedEntry> Resizer::different(const Table& table, uint64_t first, unsigned width) {
  std::vector<GuardedEntry> found;
  for (uint64_t i = first; i < first + (uint64_t{1} << width); ++i) {
    const GuardedEntry e = table.get(i);
    if (e.is(Kind::Invalid) || (!found.empty() && found.back() == e)) continue;
    found.push_back(e);
    if (found.size() > kLineEntries) break;
  }
  return found;
}

// Whether so many entries, in a table of which so many slots would be used, rather make a line.
bool Resizer::makes_line(size_t entries, uint64_t valid, unsigned width) const {
  return tables_->policy().has_lines() && entries <= kLineEntries &&
         (width == 1 || valid * 2 < uint64_t{1} << width);
}

std::optional<GuardedEntry> Resizer::entry_for(const Table& table, uint64_t first, unsigned width,
                                               unsigned length, Draft& draft) {
  const std::vector<GuardedEntry> entries = different(table, first, width);
  if (entries.empty()) return GuardedEntry{};
  if (entries.size() == 1) return entries[0];
  uint64_t valid = 0;
  for (uint64_t i = 0; i < uint64_t{1} << width; ++i)
    valid += table.get(first + i).is(Kind::Invalid) ? 0 : 1;
  if (makes_line(entries.size(), valid, width)) return line_of(entries, draft);
  const auto fresh = draft.allocate(Shape::entries(width));
  if (!fresh) return std::nullopt;
  for (uint64_t i = 0; i < uint64_t{1} << width; ++i)
    fresh->set(i, table.get(first + i));
  return tables_->entry_of(*fresh, width, entries[0].prefix(), length);
}

bool Resizer::spread(const GuardedEntry& child, const Slots& slots, Draft& draft) {
  if (child.is(Kind::Invalid)) return true;
  const unsigned end = slots.end();
  if (child.length() >= end) return put(slots, child, draft);
  const unsigned left = end - child.length();
  const uint64_t first = bits_of(child.prefix(), slots.length, slots.width);
  const uint64_t count = uint64_t{1} << left;
  if (child.is(Kind::Leaf)) {
    for (uint64_t i = 0; i < count; ++i)
      slots.table.set(first + i, child);
    return true;
  }
  if (!child.is(Kind::Internal)) return false;
  draft.give_up(child);
  const Table below = tables_->below(child);
  const unsigned width = child.width();
  if (width <= left) {
    for (uint64_t i = 0; i < child.slots(); ++i)
      if (!spread(below.get(i), slots, draft)) return false;
  } else {
    for (uint64_t i = 0; i < count; ++i) {
      const auto e = entry_for(below, i << (width - left), width - left, end, draft);
      if (!e) return false;
      slots.table.set(first + i, *e);
    }
  }
  return true;
}

// --- Wider, narrower, gone

unsigned Resizer::growth(const GuardedEntry& e, unsigned bits, Weight weight) const {
  while (wants_doubling(e.length(), e.width() + bits, weight)) {
    const auto next = weigh_all(e, {.length = e.length(), .width = e.width() + ++bits});
    if (!next) return bits - 1;
    weight = *next;
  }
  return bits;
}

std::optional<GuardedEntry> Resizer::wider(const GuardedEntry& e, unsigned bits, Draft& draft) {
  const Table old = tables_->below(e);
  const unsigned width = e.width() + bits;
  const auto fresh = draft.allocate(Shape::entries(width));
  if (!fresh) return std::nullopt;
  draft.give_up(e);
  for (uint64_t i = 0; i < e.slots(); ++i)
    if (!spread(old.get(i), {*fresh, e.length(), width}, draft)) return std::nullopt;
  return tables_->entry_of(*fresh, width, e.prefix(), e.length());
}

bool Resizer::grow(GuardedEntry& e, const Place& place) {
  if (!wants_doubling(e.length(), e.width(), Tables::counted(e))) return false;
  // What is as large as a slot, and not cut, forbids smaller ones.
  const unsigned end = e.length() + e.width();
  for (uint64_t i = 0; i < e.slots(); ++i) {
    const GuardedEntry child = tables_->below(e).get(i);
    if ((!child.is(Kind::Array) && !child.is(Kind::Shared)) || child.length() > end) continue;
    tables_->touch_slots(tables_->below(e), 0, i + 1, false, tables_->level_of(kKeyBits - end));
    return false;
  }
  unsigned bits = 1;
  {
    Draft draft(*tables_, place);
    const auto twice = wider(e, bits, draft);
    if (!twice) return false;
    const Weight weight = Tables::counted(*twice);
    if (!wants_doubling(e.length(), twice->width(), weight)) {
      draft.commit();
      e = *twice;
      return true;
    }
    draft.waste();
    bits = growth(e, bits, weight);
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

bool Resizer::fold(GuardedEntry& e, const Place& place, unsigned width, bool to_save) {
  MMUSIM_ASSERT(width >= 1 && width < e.width());
  const Table old = tables_->below(e);
  const unsigned rest = e.width() - width;
  Draft draft(*tables_, place);
  const auto fresh = draft.allocate(Shape::entries(width));
  if (!fresh) return false;
  draft.give_up(e);
  for (uint64_t i = 0; i < uint64_t{1} << width; ++i) {
    const auto child = entry_for(old, i << rest, rest, e.length() + width, draft);
    if (!child) return false;
    fresh->set(i, *child);
  }
  if (to_save && !draft.saves_memory()) return false;
  e = tables_->entry_of(*fresh, width, e.prefix(), e.length());
  draft.commit();
  return true;
}

bool Resizer::shrink(GuardedEntry& e, const Place& place) {
  if (tables_->policy().has_lines() && e.valid() <= kLineEntries) {
    const Table old = tables_->below(e);
    const std::vector<GuardedEntry> entries = different(old, 0, e.width());
    Draft draft(*tables_, place);
    draft.give_up(e);
    const auto line = line_of(entries, draft);
    if (!line) return false;
    draft.commit();
    e = *line;
    return true;
  }
  return fold(e, place, e.width() - 1, true);
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
    const unsigned end = e.length() + e.width();
    const uint32_t copies =
        only.is(Kind::Leaf) && only.length() < end ? uint32_t{1} << (end - only.length()) : 1;
    if (e.valid() != copies) {
      tables_->touch_slots(table, 0, slot + 1, false, tables_->level_of(kKeyBits - end));
      return false;
    }
  }
  Draft draft(*tables_, place);
  draft.give_up(e);
  draft.commit();
  e = only;
  return true;
}

bool Resizer::join_in_line(GuardedEntry& e, const Place& place) {
  const Table line = tables_->below(e);
  for (uint64_t i = 0; i < e.valid(); ++i) {
    const GuardedEntry table = line.get(i);
    if (!table.is_table()) continue;
    std::vector<GuardedEntry> beside;
    std::vector<uint64_t> from;
    for (uint64_t other = 0; other < e.valid(); ++other)
      if (other != i && table.common_with(line.get(other).prefix()) + 1 >= table.length()) {
        beside.push_back(line.get(other));
        from.push_back(other);
      }
    if (beside.empty()) continue;
    const auto made = extended(table, beside, place);
    if (!made) continue;
    tables_->write(tables_->entry_of_line(place, e, i), *made);
    take_out(e, place, std::move(from));
    return true;
  }
  return false;
}

void Resizer::take_out(GuardedEntry& e, const Place& place, std::vector<uint64_t> numbers) {
  const Table line = tables_->below(e);
  for (; !numbers.empty(); numbers.pop_back()) {
    const uint64_t last = e.valid() - 1;
    if (numbers.back() != last)
      tables_->write(tables_->entry_of_line(place, e, numbers.back()), line.get(last));
    tables_->write(tables_->entry_of_line(place, e, last), {});
    e.count(static_cast<uint32_t>(last), e.full());
  }
}

// What fills a line in order parts badly from what filled it before: beside a table that is as wide
// as can be, a fifth entry would make no table with the others, and lines in lines would come of
// it.
bool Resizer::gather_superpages(GuardedEntry& e, const Place& place) {
  const Table line = tables_->below(e);
  const auto is_superpage = [&](const GuardedEntry& one) {
    return one.is(Kind::Leaf) && one.length() < tables_->policy().key_end;
  };
  for (uint64_t first = 0; first < e.valid(); ++first) {
    if (!is_superpage(line.get(first))) continue;
    for (uint64_t second = 0; second < e.valid(); ++second) {
      if (second == first) continue;
      const unsigned common = line.get(first).common_with(line.get(second).prefix());
      std::vector<GuardedEntry> near;
      std::vector<uint64_t> from;
      for (uint64_t i = 0; i < e.valid(); ++i)
        if (line.get(first).common_with(line.get(i).prefix()) >= common) {
          near.push_back(line.get(i));
          from.push_back(i);
        }
      if (near.size() == e.valid()) continue;  // the whole line, to which other rules apply
      const auto made = table_of(near, place);
      if (!made) continue;
      tables_->write(tables_->entry_of_line(place, e, from.front()), *made);
      from.erase(from.begin());
      take_out(e, place, std::move(from));
      return true;
    }
  }
  return false;
}

// One entry is no line; and if most of what is in it are tables and lines, it may do as a table
// that swallows them.
bool Resizer::settle_line(GuardedEntry& e, const Place& place, bool may_grow) {
  const Table line = tables_->below(e);
  const bool joined = may_grow && (join_in_line(e, place) || gather_superpages(e, place));
  if (joined && e.valid() > 1) return true;
  if (e.valid() > 2) {
    if (!may_grow) return false;
    std::array<GuardedEntry, kLineEntries> entries;
    unsigned tables = 0;
    for (uint64_t i = 0; i < e.valid(); ++i) {
      entries[i] = line.get(i);
      tables += entries[i].is(Kind::Internal) ? 1 : 0;
    }
    if (tables < 3) return false;
    const auto table = table_of(std::span(entries).first(e.valid()), place, &e);
    if (!table) return false;
    e = *table;
    static_cast<void>(grow(e, place));
    return true;
  }
  if (e.valid() == 2) {
    if (e.room() == 2) return false;
    const auto less = line_of(std::array{line.get(0), line.get(1)}, place, &e);
    if (less) e = *less;
    return less.has_value();
  }
  const GuardedEntry only = e.valid() == 0 ? GuardedEntry{} : line.get(0);
  Draft draft(*tables_, place);
  draft.give_up(e);
  draft.commit();
  e = only;
  return true;
}

bool Resizer::wants_doubling(unsigned length, unsigned width, Weight weight) const {
  const Policy& policy = tables_->policy();
  return weight.full != 0 && width < policy.widest && length + width < policy.key_end &&
         (weight.valid + weight.full) * uint64_t{100} >= policy.inflate * (uint64_t{2} << width);
}

bool Resizer::wants_halving(const GuardedEntry& e) const {
  return e.is_table() && e.width() > 1 &&
         e.valid() * uint64_t{100} < tables_->policy().halve * e.slots();
}

bool Resizer::settle(GuardedEntry& e, const Place& place, bool may_grow) {
  if (!e.is(Kind::Internal)) return false;
  if (e.is_line()) return settle_line(e, place, may_grow);
  if (collapse(e, place)) return true;
  if (!tables_->policy().adaptive()) return false;
  if (may_grow && grow(e, place)) return true;
  bool shrunk = false;
  while (wants_halving(e) && shrink(e, place))
    shrunk = true;
  return shrunk;
}

}  // namespace mmusim::pt::gpt
