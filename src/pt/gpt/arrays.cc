// Arrays: base pages side by side, a page-table entry each.
//
// Pages become an array, and arrays a larger one: as large as leaves at least pt.gpt.dense per cent
// of its slots handed out, at once, so that pages which come one after the other are copied a third
// of a time each; and larger, where that takes in pages or arrays that have entries of their own,
// as long as that is pt.gpt.join per cent. What an array counts is the slots that were handed out
// since it was made; that of the largest is not kept up to date. Pages that come in any order first
// fill tables of small arrays; when one fills its slot, or is used by a quarter, half or all, what
// is beside it is looked at. Arrays of more than 2^9 pages are made of what takes half as much at
// least.
//
// An array goes back to a table only where a leaf of another size, or a sub-tree that is shared,
// comes to stand in its midst.
#include <array>

#include "base/error.h"
#include "pt/gpt/gpt.h"

namespace mmusim::pt::gpt {

bool Gpt::plain_pages(const GuardedEntry& e, Pages& pages) const {
  if (e.is(Kind::Leaf)) {
    ++pages.used;
    ++pages.slots;
    return e.length() == rules_->policy.key_end;
  }
  if (e.is(Kind::Array)) {
    pages.used += e.valid();
    pages.slots += uint64_t{1} << tables_.pages_log2(e);
    return true;
  }
  if (!e.is_line()) return e.is(Kind::Invalid);
  tables_.touch_slots(tables_.below(e), 0, e.valid(), false,
                      tables_.level_of(kKeyBits - e.length()));
  for (uint64_t i = 0; i < e.valid(); ++i)
    if (!plain_pages(tables_.below(e).get(i), pages)) return false;
  return true;
}

// What `e` holds, which has only plain pages, comes into the array, and what held it goes.
void Gpt::fill_array(const Table& array, unsigned pages, const GuardedEntry& e, bool shared) {
  const uint64_t first = bits_of(e.prefix(), rules_->policy.key_end - pages, pages);
  if (e.is(Kind::Leaf)) {
    array.words[first] = e.body;
    tables_.touch_words(array.word_at(first), 1, true);
  } else if (e.is(Kind::Array)) {
    const uint64_t count = uint64_t{1} << tables_.pages_log2(e);
    const Table old = tables_.below(e);
    std::copy_n(old.words, count, array.words + first);
    tables_.touch_words(old.address, count, false);
    tables_.touch_words(array.word_at(first), count, true);
    tables_.restructured(count);
    tables_.retire(e, shared, true);
  } else if (e.is_line()) {
    const Table line = tables_.below(e);
    for (uint64_t i = 0; i < e.valid(); ++i)
      fill_array(array, pages, line.get(i), shared);
    tables_.retire(e, shared, true);
  }
}

bool Gpt::join_array(Path& path, const GuardedEntry& fresh, uint64_t pages, unsigned& least,
                     unsigned least_width) {
  const Policy& policy = rules_->policy;
  const Place place = path.back();
  const GuardedEntry e = place.load();
  // Which entries are near: those of the line it would come to, or the one it parts from.
  const bool inside = e.is_line() && e.matches(fresh.prefix());
  const uint64_t entries = inside ? e.valid() : 1;
  const auto entry = [&](uint64_t i) { return inside ? tables_.below(e).get(i) : e; };
  const auto common_with = [&](uint64_t i) {
    return std::min(
        {common_bits(entry(i).prefix(), fresh.prefix()), entry(i).length(), fresh.length()});
  };
  const unsigned least_length = inside ? e.length() : place.consumed;
  unsigned nearest = 0;
  for (uint64_t i = 0; i < entries; ++i)
    nearest = std::max(nearest, common_with(i));

  unsigned width = 0;
  uint64_t used = 0;
  uint64_t joined = 0;  // how many entries
  for (unsigned next = std::max(policy.key_end - nearest, least_width); next <= most_array();
       ++next) {
    const unsigned length = policy.key_end - next;
    if (length < least_length) break;
    Pages sum{.used = pages, .slots = pages};
    uint64_t count = 0;
    bool plain = true;
    for (uint64_t i = 0; i < entries && plain; ++i) {
      if (common_with(i) < length) continue;
      ++count;
      plain = plain_pages(entry(i), sum);
    }
    if (!plain) break;
    if (least_width != 0 && count < 2) continue;
    if (!policy.worth(next, sum, count > joined)) continue;
    width = next;
    used = sum.used;
    joined = count;
  }
  if (width == 0) return false;
  const auto array = tables_.allocate(Shape::pages(width), place.shared);
  if (!array) return false;

  const unsigned length = policy.key_end - width;
  const GuardedEntry made = GuardedEntry::array(fresh.prefix(), length, array->address,
                                                std::min(used, uint64_t{1} << width));
  const unsigned index = path.size() - 1;
  if (joined == entries) {
    fill_array(*array, width, e, place.shared);
    replace(path, index, made);
    least = std::min(least, index);
  } else {
    uint64_t first = 0;
    while (common_with(first) < length)
      ++first;
    for (uint64_t i = entries; i-- > first;) {
      if (common_with(i) < length) continue;
      fill_array(*array, width, entry(i), place.shared);
      if (i != first) remove_from_line(place, i);
    }
    path.push(tables_.entry_of_line(place, e, first));
    tables_.write(path.back(), made);
  }
  tables_.moved(place.shared);
  return true;
}

// Whether the slots of a table are plain pages, dense enough for an array; what is read of them is
// reported.
bool Gpt::dense_slots(const Table& table, uint64_t first, unsigned width, unsigned pages,
                      uint8_t level, Pages& used) const {
  tables_.touch_slots(table, first, uint64_t{1} << width, false, level);
  used = {};
  for (uint64_t i = first; i < first + (uint64_t{1} << width); ++i)
    if (!plain_pages(table.get(i), used)) return false;
  return rules_->policy.worth(pages, used, true);
}

// The array in place of the table of `e`, of whose pages `used` were handed out.
std::optional<GuardedEntry> Gpt::array_of(const GuardedEntry& e, uint64_t used, bool shared) {
  const unsigned pages = rules_->policy.key_end - e.length();
  const auto array = tables_.allocate(Shape::pages(pages), shared);
  if (!array) return std::nullopt;
  for (uint64_t i = 0; i < e.slots(); ++i)
    fill_array(*array, pages, tables_.below(e).get(i), shared);
  tables_.retire(e, shared, true);
  tables_.moved(shared);
  return GuardedEntry::array(e.prefix(), e.length(), array->address,
                             std::min(used, uint64_t{1} << pages));
}

void Gpt::flatten(Path& path, uint64_t key) {
  const unsigned most = most_array();
  while (path.size() > 1) {
    const Place place = path.back();
    const GuardedEntry e = place.load();
    if (place.top || place.in_line || !e.is(Kind::Array) || e.length() != place.consumed) return;
    const Place parent = path[path.size() - 2];
    GuardedEntry above = parent.load();
    const Table table = tables_.below(above);
    const unsigned pages = rules_->policy.key_end - above.length();
    if (uint64_t{above.valid()} * 2 < above.slots()) return;
    Pages used;
    if (pages > most) {
      // Slots as large as the largest array, if those around this one would make one.
      const unsigned rest = most - tables_.pages_log2(e);
      const uint64_t slot = (place.address - table.address) / kEntryBytes;
      const uint64_t first = slot >> rest << rest;
      if (rest == 0 || rest >= above.width()) return;
      if (!dense_slots(table, first, rest, most, place.level, used)) return;
      if (!resizer_.fold(above, parent, above.width() - rest)) return;
      path.pop();
      replace(path, path.size() - 1, above);
      path.push(tables_.slot_of(parent, above, parent.base_of(e)));
      const GuardedEntry group = path.back().load();
      const auto made = group.is_table() ? array_of(group, used.used, place.shared) : std::nullopt;
      if (!made) return follow(path, key, rules_->policy.key_end);
      replace(path, path.size() - 1, *made);
      return;
    }
    if (!dense_slots(table, 0, above.width(), pages, place.level, used)) return;
    const auto made = array_of(above, used.used, place.shared);
    if (!made) return;
    path.pop();
    replace(path, path.size() - 1, *made);
  }
}

// Down to where the way to the address ends.
void Gpt::follow(Path& path, uint64_t key, unsigned end) const {
  while (go_down(path, path.back().load(), key, end, false) == Way::On) {
  }
  // A leaf that several slots hold: the first.
  const GuardedEntry e = path.back().load();
  if (e.is_table() && e.length() < end && end < e.length() + e.width())
    path.push(tables_.slot_of(path.back(), e, key));
}

bool Gpt::part_array(const Path& path, unsigned end) {
  const Place& place = path.back();
  const auto made = resizer_.table_of_array(place.load(), end, place);
  if (!made) return false;
  replace(path, path.size() - 1, *made);
  return true;
}

bool Gpt::count_page(const Path& path) {
  const Place& place = path.back();
  const GuardedEntry e = place.load();
  const unsigned pages = tables_.pages_log2(e);
  const uint64_t slots = uint64_t{1} << pages;
  if (pages >= most_array() || e.valid() >= slots) return false;
  const uint64_t used = e.valid() + 1;
  tables_.write_counts(place, {.valid = static_cast<uint32_t>(used), .full = 0});
  return used == slots || used * 2 == slots || used * 4 == slots;
}

bool Gpt::grow_array(Path& path, uint64_t key, unsigned& least) {
  const Place place = path.back();
  const GuardedEntry e = place.load();
  const uint64_t before = tables_.generation();
  if (place.in_line) {
    path.pop();
    const unsigned wider = tables_.pages_log2(e) + 1;
    if (!join_array(path, e, 0, least, wider)) {
      path.push(place);
      return false;
    }
  }
  flatten(path, key);
  return tables_.generation() != before;
}

}  // namespace mmusim::pt::gpt
