// ensure(): a slot for a leaf of any size, with what stands in its way; for a run of pages; and for
// a page of an area.
#include <algorithm>

#include "base/error.h"
#include "pt/gpt/gpt.h"

namespace mmusim::pt::gpt {

// A slot in the making, and the way there.
struct Gpt::Making {
  uint64_t key = 0;
  unsigned end = 0;  // how many bits of it count
  Path path;
  unsigned least = Path::kMost;  // the topmost entry of the path whose own form has changed

  // From where on the path is to be settled.
  [[nodiscard]] unsigned least_settled() const { return least == 0 ? 0 : least - 1; }
};

// The slot at the end of the path, which holds the leaf or has just been given an empty one.
Slot Gpt::made(const Making& making, bool fresh) {
  Found found;
  found.place = making.path.back();
  if (fresh) {
    const uint64_t before = tables_.generation();
    settle_in_time(making.path, making.key, making.least_settled());
    if (rules_->policy.has_lines()) order_lines(making.key);
    if (tables_.generation() != before) found = descent_.of_kernel(making.key);
  }
  found.entry = found.place.load();
  return {.status = Status::Ok,
          .handle = handle_of(making.key, found),
          .entry = pte_of(making.key, found)};
}

Slot Gpt::occupied_by(const Making& making, const GuardedEntry& e) const {
  Found larger;
  larger.place = making.path.back();
  larger.entry = e;
  return {.status = Status::Overlap, .handle = handle_of(making.key, larger), .entry = e.body};
}

// The leaf covers several slots of the table that `e`, the path's last, leads to. True: `slot` is
// the answer. False: an empty leaf larger than wanted was taken away; look again.
bool Gpt::make_in_slots(Making& making, const GuardedEntry& e, Slot& slot) {
  Path& path = making.path;
  const Place parent = path.back();
  const unsigned end = e.length() + e.width();
  const Place place = tables_.slot_of(parent, e, making.key);
  const Table table = tables_.below(e);
  const uint64_t first = bits_of(making.key, e.length(), e.width());
  const uint64_t count = uint64_t{1} << (end - making.end);
  tables_.touch_slots(table, first, count, false, place.level);

  const GuardedEntry there = table.get(first);
  if (there.is(Kind::Leaf) && there.length() <= making.end) {
    path.push(place);
    if (there.length() == making.end) {
      slot = made(making, false);
      return true;
    }
    if (there.is_empty_leaf()) {
      remove_leaf(path);
      path.pop();
      return false;
    }
    slot = occupied_by(making, there);
    return true;
  }
  for (uint64_t i = first; i < first + count; ++i)
    if (holds_leaves(table.get(i), true)) {
      slot = {.status = Status::Occupied, .handle = {}};
      return true;
    }
  bool removed = false;
  Weight weight = Tables::counted(e);
  const GuardedEntry fresh = GuardedEntry::leaf(place.local(making.key), making.end, kNone);
  for (uint64_t i = first; i < first + count; ++i) {
    const GuardedEntry old = table.get(i);
    weight -= tables_.weigh(old, e.width(), end);
    if (!old.is(Kind::Invalid)) removed = true;
    retire_below(old, place.shared);
    table.set(i, fresh);
    weight += tables_.weigh(fresh, e.width(), end);
  }
  if (removed) tables_.moved(place.shared);
  tables_.changes_top();
  tables_.touch_slots(table, first, count, true, place.level);
  tables_.write_counts(parent, weight);
  path.push(place);
  slot = made(making, true);
  return true;
}

// Whether entry `e`, as it stands there, lies in the block of the leaf.
static bool lies_in(const GuardedEntry& e, const GuardedEntry& leaf) {
  return e.length() >= leaf.length() && e.common_with(leaf.prefix()) >= leaf.length();
}

// What stands at the end of the path lies in the block of the leaf, in a line perhaps with others,
// which go.
void Gpt::put_leaf(Path& path, const GuardedEntry& leaf) {
  const Place place = path.back();
  tables_.moved(place.shared);
  if (!place.in_line) {
    retire_below(place.load(), place.shared);
    return replace(path, path.size() - 1, leaf);
  }
  const Place line = path[path.size() - 2];
  for (uint64_t i = line.load().valid(); i-- > 0;) {
    const Place other = tables_.entry_of_line(line, line.load(), i);
    if (!lies_in(other.load(), leaf)) continue;
    retire_below(other.load(), line.shared);
    if (other.address != place.address) remove_from_line(line, i);
  }
  tables_.write(place, leaf);  // the first of them, as search() has found it
}

// Whether there are leaves in that block.
bool Gpt::block_holds_leaves(const Path& path, const GuardedEntry& leaf) const {
  const Place& place = path.back();
  if (!place.in_line) return holds_leaves(place.load(), true);
  const Place& line = path[path.size() - 2];
  for (uint64_t i = 0; i < line.load().valid(); ++i) {
    const GuardedEntry other = tables_.entry_of_line(line, line.load(), i).load();
    if (lies_in(other, leaf) && holds_leaves(other, true)) return true;
  }
  return false;
}

Slot Gpt::ensure(VirtAddr va, PageShift size) {
  const Changing changing(*this);
  if (!size_offered(size)) return {.status = Status::BadSize, .handle = {}};
  if (!rules_->have(va)) return {.status = Status::NotSupported, .handle = {}};

  if (due_.size() >= kMostDue || (rules_->policy.restructure == Restructure::ByMisses &&
                                  walks_since_ >= kWalksPaid * due_.size()))
    catch_up();
  constexpr Slot kNoMemory = {.status = Status::NoMemory, .handle = {}};
  constexpr Slot kOccupied = {.status = Status::Occupied, .handle = {}};
  Making making;
  making.key = align_down(va, size).value();
  making.end = kKeyBits - size.log2();
  Path& path = making.path;
  path.push(root_);
  while (true) {
    const Place place = path.back();
    const GuardedEntry e = tables_.read(place);
    const GuardedEntry fresh = GuardedEntry::leaf(place.local(making.key), making.end, kNone);
    const Way way = go_down(path, e, making.key, making.end, true);
    if (way == Way::On) continue;
    if (way == Way::Parts) {
      if (!rules_->policy.has_lines()) {
        if (!cut(path, std::min(e.common_with(fresh.prefix()), making.end))) return kNoMemory;
        making.least = std::min(making.least, path.size() - 1);
        continue;
      }
      if (size == page_ && join_array(path, fresh, 1, making.least))
        flatten(path, making.key);
      else if (!put_beside(path, fresh, making.least))
        return kNoMemory;
      return made(making, true);
    }
    if (e.is(Kind::Invalid)) {
      replace(path, path.size() - 1, fresh);
      return made(making, true);
    }
    if (e.is(Kind::Array) && size == page_) {
      const uint64_t page = tables_.page_in_array(making.key, e);
      tables_.touch_words(tables_.below(e).word_at(page), 1, false);
      const bool due = !array_holds(e, page, 1) && count_page(path);
      if (due && rules_->policy.restructure != Restructure::AtOnce) put_off(making.key);
      const bool grown = due && rules_->policy.restructure == Restructure::AtOnce &&
                         grow_array(path, making.key, making.least);
      return made(making, grown);
    }
    if (e.is(Kind::Leaf) && e.length() == making.end) return made(making, false);
    if (e.length() >= making.end) {
      if (block_holds_leaves(path, fresh)) return kOccupied;
      put_leaf(path, fresh);
      return made(making, true);
    }
    if (e.is(Kind::Leaf)) {
      if (!e.is_empty_leaf()) return occupied_by(making, e);
      remove_leaf(path);  // it makes room
      continue;
    }
    if (e.is(Kind::Array)) {
      const uint64_t first = tables_.page_in_array(making.key, e);
      const uint64_t pages = size.bytes() >> page_.log2();
      tables_.touch_words(tables_.below(e).word_at(first), pages, false);
      if (array_holds(e, first, pages)) return kOccupied;
      meets_leaves_ = true;
      if (!part_array(path, making.end)) return kNoMemory;
      continue;
    }
    Slot slot;
    if (make_in_slots(making, e, slot)) return slot;
  }
}

Slot Gpt::ensure_in(const VirtRange& area, VirtAddr va, PageShift size) {
  const Changing changing(*this);
  const unsigned grain = std::min(rules_->policy.grain, most_array());
  const PageShift block(page_.log2() + grain);
  const VirtAddr begin = align_down(va, block);
  if (grain == 0 || size != page_ || !rules_->have(va) || begin < area.begin ||
      area.end - begin < block.bytes())
    return ensure(va, size);
  const Found before = descent_.of_kernel(va.value());
  if (before.is_leaf() || before.empty_log2 < block.log2()) return ensure(va, size);
  const uint64_t page = align_down(va, page_).value();
  if (ensure_pages(page, page, block.log2()) != Status::Ok) return ensure(va, size);
  order_lines(page);
  const Found found = descent_.of_kernel(page);
  return {.status = Status::Ok, .handle = handle_of(page, found), .entry = pte_of(page, found)};
}

Status Gpt::ensure_pages(uint64_t first, uint64_t last, unsigned log2) {
  const Changing changing(*this);
  if (log2 == page_.log2()) return ensure(VirtAddr(first), page_).status;
  const uint64_t pages = ((last - first) >> page_.log2()) + 1;
  Making making;
  making.key = leading(first, kKeyBits - log2);
  making.end = kKeyBits - log2;
  Path& path = making.path;
  path.push(root_);
  GuardedEntry e;
  Way way = Way::On;
  while (way == Way::On) {
    e = tables_.read(path.back());
    way = go_down(path, e, making.key, making.end, true);
  }
  const Place place = path.back();
  MMUSIM_ASSERT(way == Way::Parts || e.is(Kind::Invalid));
  const uint64_t local = place.local(making.key);
  if (way == Way::Parts &&
      join_array(path, GuardedEntry::array(local, making.end, {}), pages, making.least)) {
    flatten(path, making.key);
  } else {
    const Shape shape = Shape::pages(log2 - page_.log2());
    const auto array = tables_.allocate(shape, place.shared);
    if (!array) return Status::NoMemory;
    const GuardedEntry fresh = GuardedEntry::array(local, making.end, array->address, pages);
    if (way == Way::Ends) {
      replace(path, path.size() - 1, fresh);
    } else if (!put_beside(path, fresh, making.least)) {
      tables_.discard(*array, shape, place.shared);
      return Status::NoMemory;
    }
    tables_.moved(place.shared);
    if (most_array() > shape.log2) flatten(path, making.key);
  }
  settle_in_time(path, making.key, making.least_settled());
  return Status::Ok;
}

}  // namespace mmusim::pt::gpt
