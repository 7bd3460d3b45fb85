// Making slots and taking them away: where the way to an address ends, what comes to stand there,
// and what that changes above.
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/error.h"
#include "pt/gpt/gpt.h"

namespace mmusim::pt::gpt {

// --- Changing one entry, and what follows for those above

void Gpt::replace(const Path& path, unsigned i, const GuardedEntry& e) {
  const Place& place = path[i];
  if (place.in_line) {
    const Place& above = path[i - 1];
    if (!e.is(Kind::Invalid)) return tables_.write(place, e);
    return remove_from_line(above, (place.address - above.load().address()) / kEntryBytes);
  }
  const GuardedEntry before = place.load();
  tables_.write(place, e);
  if (place.top) return;
  const Place& parent = path[i - 1];
  const GuardedEntry above = parent.load();
  Weight weight = Tables::counted(above);
  weight -= tables_.weigh(before, above.width(), place.consumed);
  weight += tables_.weigh(e, above.width(), place.consumed);
  tables_.write_counts(parent, weight);
}

void Gpt::settle_above(const Path& path, unsigned least) {
  for (unsigned i = path.size() - 1; i-- > 0;) {
    GuardedEntry e = path[i].load();
    // What goes on below a shared root does not show in its users' entries.
    if (e.is(Kind::Shared)) return;
    const bool changed = resizer_.settle(e, path[i], true);
    if (changed) replace(path, i, e);
    // A line may join what it has with a table in it that has grown.
    if (!changed && i <= least && !path[i].in_line) return;
  }
}

void Gpt::settle_in_time(const Path& path, uint64_t key, unsigned least) {
  if (rules_->policy.restructure == Restructure::AtOnce) return settle_above(path, least);
  put_off(key);
}

void Gpt::put_off(uint64_t key) {
  if (due_.empty()) walks_since_ = 0;
  due_.push_back(key);
}

void Gpt::catch_up() {
  for (const uint64_t key : std::exchange(due_, {})) {
    Path path = path_to(key);
    unsigned least = path.size();
    if (path.back().load().is(Kind::Array)) static_cast<void>(grow_array(path, key, least));
    settle_above(path, 0);
  }
}

Gpt::Way Gpt::go_down(Path& path, const GuardedEntry& e, uint64_t key, unsigned end,
                      bool reported) const {
  const Place& place = path.back();
  if (e.is(Kind::Invalid)) return Way::Ends;
  const uint64_t local = place.local(key);
  if (e.common_with(local) < std::min(e.length(), end)) return Way::Parts;
  if (e.is(Kind::Leaf) || e.is(Kind::Array) || e.length() > end) return Way::Ends;
  if (e.is(Kind::Shared)) {
    path.push(tables_.shared_root_of(place, e));
    return Way::On;
  }
  if (e.length() == end) return Way::Ends;
  if (e.is_line()) {
    const Tables::Searched searched = tables_.search(e, local, end);
    if (reported) tables_.read_line(place, e, searched.looked_at);
    if (!searched.entry) return Way::Parts;
    path.push(tables_.entry_of_line(place, e, *searched.entry));
    return Way::On;
  }
  if (end < e.length() + e.width()) return Way::Ends;
  path.push(tables_.slot_of(place, e, key));
  return Way::On;
}

Path Gpt::path_to(uint64_t key) const {
  Path path;
  path.push(root_);
  while (go_down(path, tables_.read(path.back()), key, kKeyBits, true) == Way::On) {
  }
  return path;
}

void Gpt::remove_leaf(Path& path) {
  const Place place = path.back();
  const GuardedEntry e = place.load();
  MMUSIM_ASSERT(e.is(Kind::Leaf));
  const unsigned replicas_log2 = place.replicas_log2(e);
  if (place.in_line) {
    replace(path, path.size() - 1, {});
    path.pop();
  } else if (place.top || replicas_log2 == 0) {
    replace(path, path.size() - 1, {});
  } else {
    const uint64_t count = uint64_t{1} << replicas_log2;
    const Table slots = tables_.at(PhysAddr(place.address.value() & ~(count * kEntryBytes - 1)));
    for (uint64_t i = 0; i < count; ++i)
      slots.set(i, {});
    tables_.touch_slots(slots, 0, count, true, place.level);
    const Place& parent = path[path.size() - 2];
    const GuardedEntry above = parent.load();
    tables_.write_counts(
        parent, {.valid = above.valid() - static_cast<uint32_t>(count), .full = above.full()});
  }
  tables_.moved(place.shared);
}

bool Gpt::cut(const Path& path, unsigned common) {
  const Place& place = path.back();
  const GuardedEntry e = place.load();
  const Policy& policy = rules_->policy;
  const unsigned at = policy.adaptive() ? common : common / policy.order * policy.order;
  const unsigned width = policy.adaptive() ? 1 : std::min(policy.order, policy.key_end - at);
  const auto table = tables_.allocate(Shape::entries(width), place.shared);
  if (!table) return false;
  const unsigned end = at + width;
  const unsigned log2 = e.length() >= end ? 0 : end - e.length();  // a leaf larger than a slot
  const uint64_t first = bits_of(e.prefix(), at, width);
  const uint64_t written = uint64_t{1} << log2;
  for (uint64_t i = 0; i < written; ++i)
    table->set(first + i, e);
  tables_.touch_slots(*table, first, written, true, tables_.level_of(kKeyBits - end));
  replace(path, path.size() - 1, tables_.entry_of(*table, width, e.prefix(), at));
  tables_.moved(place.shared);
  return true;
}

// --- Lines

void Gpt::append_to_line(const Place& place, const GuardedEntry& line, const GuardedEntry& fresh) {
  MMUSIM_ASSERT(line.valid() < line.room());
  tables_.write(tables_.entry_of_line(place, line, line.valid()), fresh);
  tables_.write_counts(place, {.valid = line.valid() + 1, .full = line.full()});
}

GuardedEntry Gpt::extend_line(const Place& place, const GuardedEntry& line,
                              const GuardedEntry& fresh) {
  tables_.write(tables_.entry_of_line(place, line, line.valid()), fresh);
  GuardedEntry wider = line.with_prefix(line.prefix(), line.common_with(fresh.prefix()));
  wider.count(line.valid() + 1, line.full());
  return wider;
}

void Gpt::remove_from_line(const Place& place, uint64_t i) {
  const GuardedEntry line = place.load();
  const Place last = tables_.entry_of_line(place, line, line.valid() - 1);
  if (i + 1 != line.valid()) tables_.write(tables_.entry_of_line(place, line, i), last.load());
  tables_.write(last, {});
  tables_.write_counts(place, {.valid = line.valid() - 1, .full = line.full()});
  tables_.moved(place.shared);
}

// What the line of `e` holds, and one more.
std::vector<GuardedEntry> Gpt::with_one_more(const GuardedEntry& e,
                                             const GuardedEntry& fresh) const {
  std::vector<GuardedEntry> all;
  for (uint64_t i = 0; i < e.valid(); ++i)
    all.push_back(tables_.below(e).get(i));
  all.push_back(fresh);
  return all;
}

bool Gpt::put_beside(Path& path, const GuardedEntry& fresh, unsigned& least) {
  const Place place = path.back();
  const GuardedEntry e = place.load();
  const unsigned common = std::min(e.common_with(fresh.prefix()), fresh.length());
  const bool inside = e.is_line() && common == e.length();
  const unsigned index = path.size() - 1;
  if (inside && e.valid() < e.room()) {
    append_to_line(place, e, fresh);
    path.push(tables_.entry_of_line(place, e, e.valid()));
    return true;
  }
  least = std::min(least, index);
  if (e.is_line() && e.valid() < e.room()) {
    const GuardedEntry wider = extend_line(place, e, fresh);
    replace(path, index, wider);
    path.push(tables_.entry_of_line(place, wider, e.valid()));
    return true;
  }
  if (inside && e.room() == kLineEntries) return overflow(path, e, fresh);
  std::optional<GuardedEntry> made;
  if (e.is_line() && !inside) tables_.read_line(place, e, e.valid());
  if (e.is_line() && e.room() < kLineEntries) {
    made = resizer_.line_of(with_one_more(e, fresh), place, &e);
  } else if (e.is_line()) {
    made = resizer_.table_of(with_one_more(e, fresh), place, &e);
  }
  if (!made && !inside) made = resizer_.line_of(std::array{e, fresh}, place);
  if (!made) return false;
  replace(path, index, *made);
  tables_.moved(place.shared);
  follow(path, place.base_of(fresh), fresh.length());
  return true;
}

// Five entries for a line of four: a table, if they part well enough; otherwise the two that have
// most in common get a line of their own.
bool Gpt::overflow(Path& path, const GuardedEntry& line, const GuardedEntry& fresh) {
  const Place place = path.back();
  const unsigned index = path.size() - 1;
  const std::vector<GuardedEntry> all = with_one_more(line, fresh);
  if (const auto table = resizer_.table_of(all, place, &line)) {
    replace(path, index, *table);
  } else {
    unsigned a = 0;
    unsigned b = 1;
    unsigned most = 0;
    for (unsigned i = 0; i < all.size(); ++i)
      for (unsigned j = i + 1; j < all.size(); ++j) {
        const unsigned common = common_bits(all[i].prefix(), all[j].prefix());
        if (common <= most) continue;
        most = common;
        a = i;
        b = j;
      }
    const Place at = tables_.entry_of_line(place, line, a);
    if (all[a].is_line() && all[a].valid() < all[a].room()) {
      tables_.write(at, extend_line(at, all[a], all[b]));
    } else {
      const bool grows = all[a].is_line() && all[a].room() < kLineEntries;
      if (grows) tables_.read_line(at, all[a], all[a].valid());
      const auto made = grows ? resizer_.line_of(with_one_more(all[a], all[b]), place, &all[a])
                              : resizer_.line_of(std::array{all[a], all[b]}, place);
      if (!made) return false;
      tables_.write(at, *made);
    }
    if (b != kLineEntries) tables_.write(tables_.entry_of_line(place, line, b), fresh);
  }
  tables_.moved(place.shared);
  follow(path, place.base_of(fresh), fresh.length());
  return true;
}

void Gpt::order_lines(uint64_t key) {
  Path path;
  path.push(root_);
  while (go_down(path, path.back().load(), key, kKeyBits, false) == Way::On) {
    const Place& place = path.back();
    if (!place.in_line) continue;
    const GuardedEntry e = place.load();
    const Place line = path[path.size() - 2];
    if (top_.repeats(line.load().address())) continue;
    const auto entry = [&](uint64_t i) { return tables_.entry_of_line(line, line.load(), i); };
    uint64_t i = 0;
    while (entry(i).load().is(Kind::Internal) && entry(i).load().length() < e.length())
      ++i;
    const Place first = entry(i);
    if (first.address >= place.address) continue;
    const GuardedEntry before = first.load();
    tables_.write(place, before);
    tables_.write(first, e);
    tables_.moved(place.shared);
    path.pop();
    path.push(first);
  }
}

// --- What is below an entry

bool Gpt::array_holds(const GuardedEntry& e, uint64_t first, uint64_t count) const {
  const uint64_t* words = tables_.below(e).words + first;
  return std::any_of(words, words + count, [](Entry word) { return word != kNone; });
}

bool Gpt::holds_leaves(const GuardedEntry& e, bool reported) const {
  switch (e.kind()) {
    case Kind::Invalid:
      return false;
    case Kind::Leaf:
      return e.body != kNone;
    case Kind::Shared:
      return true;  // whatever it holds, it is not this table's to take away
    case Kind::Array: {
      const uint64_t pages = uint64_t{1} << tables_.pages_log2(e);
      const uint64_t* const words = tables_.below(e).words;
      const uint64_t* const leaf =
          std::find_if(words, words + pages, [](Entry word) { return word != kNone; });
      const bool holds = leaf != words + pages;
      if (reported)
        tables_.touch_words(e.address(), holds ? static_cast<uint64_t>(leaf - words) + 1 : pages,
                            false);
      return holds;
    }
    case Kind::Internal:
      break;
  }
  const Table table = tables_.below(e);
  if (reported)
    tables_.touch_slots(table, 0, e.slots(), false,
                        tables_.level_of(kKeyBits - e.length() - e.width()));
  for (uint64_t i = 0; i < e.slots(); ++i)
    if (holds_leaves(table.get(i), reported)) return true;
  return false;
}

// No leaf, in shared sub-trees neither.
bool Gpt::is_empty(const GuardedEntry& e) const {
  if (e.is(Kind::Shared)) return is_empty(tables_.at(e.address()).get(0));
  if (!e.is(Kind::Internal)) return !holds_leaves(e, false);
  const Table table = tables_.below(e);
  for (uint64_t i = 0; i < e.slots(); ++i)
    if (!is_empty(table.get(i))) return false;
  return true;
}

void Gpt::retire_below(const GuardedEntry& e, bool shared) {
  if (!e.is(Kind::Internal) && !e.is(Kind::Array)) return;
  if (e.is(Kind::Internal))
    for (uint64_t i = 0; i < e.slots(); ++i)
      retire_below(tables_.below(e).get(i), shared);
  tables_.retire(e, shared, false);
}

}  // namespace mmusim::pt::gpt
