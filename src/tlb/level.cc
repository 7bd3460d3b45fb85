#include "tlb/level.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace mmusim::tlb {

Level::Level(const std::vector<Geometry>& arrays, PageShift page, bool with_filter, unsigned locked)
    : page_(page) {
  MMUSIM_ASSERT(!arrays.empty());
  uint32_t entries = 0;
  banks_.reserve(arrays.size() + 1);
  const auto add = [&](const Geometry& geometry) -> Bank& {
    Bank& bank = banks_.emplace_back(geometry, with_filter ? Uses::Stamped : Uses::Told);
    bank.first_entry = entries;
    entries += geometry.entries;
    return bank;
  };
  if (locked != 0) {
    Geometry slots;
    slots.entries = slots.ways = locked;
    add(slots).locked = true;
  }
  for (const Geometry& geometry : arrays) {
    add(geometry);
    const auto number = static_cast<uint32_t>(banks_.size() - 1);
    for (const PageShift size : geometry.pages)
      sizes_.emplace_back(size, banks_.back(), number);
  }
  place_leaves();
  if (with_filter) filter_ = std::make_unique<HitFilter>(entries);
}

void Level::place_leaves() {
  places_.fill(kNowhere);
  for (unsigned leaf = 0; leaf < places_.size(); ++leaf)
    for (size_t i = 0; i < sizes_.size(); ++i) {
      const Size& size = sizes_[i];
      if (size.bank->locked || size.size > PageShift(leaf)) continue;
      Place& place = places_[leaf];
      if (place == kNowhere || sizes_[place].size < size.size) place = static_cast<Place>(i);
    }
}

Level::Size& Level::size_in(uint32_t bank, PageShift size) {
  auto at = sizes_.begin();
  for (; at != sizes_.end() && at->bank_number <= bank; ++at)
    if (at->bank_number == bank && at->size == size) return *at;
  const auto added = sizes_.emplace(at, size, banks_[bank], bank);  // a locked entry may have any
  set_none_alone();
  place_leaves();
  return *added;
}

Level::Hit Level::find_in(const Size& size, VirtAddr va, const Sought& sought, uint32_t from) {
  auto& array = size.bank->array;
  uint32_t index = array.kNone;
  if (from != array.kNone) index = array.find_from(sought.probe, sought.tag, from);
  if (size.globals && index == array.kNone) [[unlikely]]
    index = array.find(sought.probe.set, size.tag(va, kEverySpace));
  if (index == array.kNone) {
    array.expect_fill(sought.probe.set);
    return {};
  }
  return {size.bank, &array.payload(index)};
}

Level::Hit Level::find_any(VirtAddr va, Space space) {
  if (elsewhere_.has(va.value())) {
    std::swap(alone_, elsewhere_);
    return find(va, space);
  }
  sought_ = {};
  Size* only = nullptr;
  unsigned count = 0;
  for (Size& size : sizes_) {
    if (!size.may_have(va)) continue;
    Sought sought;
    size.seek(va, space, sought);
    const uint32_t from = size.bank->array.first_like(sought.probe);
    if (const Hit hit = find_in(size, va, sought, from)) return hit;
    only = &size;
    ++count;
  }
  if (count == 1) set_alone(va, *only);
  return {};
}

void Level::set_alone(VirtAddr va, Size& size) {
  uint64_t low = size.extent.low;
  uint64_t last = low + size.extent.span;
  for (const Size& other : sizes_) {
    if (&other == &size) continue;
    const Extent& extent = other.extent;
    if (extent.low > va.value())
      last = std::min(last, extent.low - 1);
    else
      low = std::max(low, extent.low + extent.span + 1);
  }
  const Place place = places_[size.log2];
  const bool takes = place != kNowhere && &sizes_[place] == &size;
  elsewhere_ = alone_;
  alone_ = {low, last - low + 1, &size, takes ? &size : nullptr};
}

void Level::Extent::widen(uint64_t first, uint64_t last) {
  const bool none = low == ~uint64_t{0};
  const uint64_t end = none ? last : std::max(low + span, last);
  low = std::min(low, first);
  span = end - low;
}

void Level::note_empty(uint32_t bank) {
  banks_[bank].fragments = {};
  set_none_alone();
  for (Size& size : sizes_) {
    if (size.bank_number != bank) continue;
    size.globals = false;
    size.extent = {};
  }
}

Level::Hit Level::put(Size& size, uint32_t set, uint32_t index, VirtAddr va, Space space,
                      const Leaf& leaf) {
  const Tag tag = size.tag(va, leaf.global ? kEverySpace : space);
  if (size.note(tag.base, leaf.global)) widened(size);
  uint64_t into_leaf = 0;  // in frames
  if (size.size != leaf.size) {
    const uint64_t mask = leaf.size.offset_mask();
    size.bank->fragments.add(tag.base & ~mask, tag.base | mask);
    fragments_ = true;
    into_leaf = (tag.base & mask) >> page_.log2();
  }
  size.bank->array.fill(set, index, tag, tick());
  return filter_ ? end_fill<Uses::Stamped>(size, index, leaf, into_leaf)
                 : end_fill<Uses::Told>(size, index, leaf, into_leaf);
}

Level::Hit Level::fill_any(Size& size, VirtAddr va, Space space, const Leaf& leaf) {
  const uint32_t set = size.set_of(va);
  return put(size, set, size.bank->array.victim(set), va, space, leaf);
}

// As fill_missed(), where what was sought cannot be taken for granted.
Level::Hit Level::fill(VirtAddr va, Space space, const Leaf& leaf) {
  const Place place = places_[leaf.size.log2()];
  MMUSIM_ASSERT(place != kNowhere);
  Size& size = sizes_[place];
  if (size.size == leaf.size && !leaf.global && size.may_have(va) && size.bank->array.full())
      [[likely]] {
    Sought sought;
    size.seek(va, space, sought);
    return filter_ ? fill_full<Uses::Stamped>(size, sought, leaf)
                   : fill_full<Uses::Told>(size, sought, leaf);
  }
  return fill_any(size, va, space, leaf);
}

void Level::filter_clear() {
  const Bank& last = banks_.back();
  for (uint32_t entry = 0; entry < last.first_entry + last.array.entries(); ++entry)
    filter_->drop(entry);
}

void Level::lock(unsigned slot, VirtAddr va, Space space, const Leaf& leaf) {
  MMUSIM_ASSERT(banks_.front().locked && slot < banks_.front().array.entries());
  unlock(slot);
  put(size_in(0, leaf.size), 0, slot, va, space, leaf);
}

void Level::unlock(unsigned slot) {
  MMUSIM_ASSERT(banks_.front().locked && slot < banks_.front().array.entries());
  if (banks_.front().array.valid(slot)) remove(0, slot);
}

void Level::take_out(unsigned array, uint32_t ways) {
  const uint32_t number = array + (banks_.front().locked ? 1 : 0);
  Bank& bank = banks_[number];
  MMUSIM_ASSERT(!bank.locked && ways < bank.array.ways());
  const uint32_t open = bank.array.ways() - ways;
  for (uint32_t index = 0; index < bank.array.entries(); ++index) {
    if (index % bank.array.ways() < open || !bank.array.valid(index)) continue;
    remove(number, index);
    ++taken_out_;
  }
  bank.array.set_open_ways(open);
}

void Level::remove(uint32_t bank, uint32_t index) {
  if (filter_) filter_->drop(banks_[bank].first_entry + index);
  banks_[bank].array.invalidate(index);
}

void Level::invalidate_page(VirtAddr va, Space space) {
  const bool fragments =
      fragments_ && std::any_of(banks_.begin(), banks_.end(),
                                [va](const Bank& bank) { return bank.fragments.has(va.value()); });
  if (alone_.has(va.value()) && !fragments) [[likely]] {
    invalidate_in(*alone_.size, va, space);
    return;
  }
  if (fragments) {
    remove_if([&](const Tag& tag, const Payload& payload) {
      return (payload.global || space_of(tag) == space) &&
             align_down(base_of(tag), payload.leaf) == align_down(va, payload.leaf);
    });
    return;
  }
  for (const Size& size : sizes_)
    if (size.may_have(va)) invalidate_in(size, va, space);
}

void Level::invalidate_in(const Size& size, VirtAddr va, Space space) {
  const Bank& bank = *size.bank;
  if (bank.locked) return;
  const uint32_t set = size.set_of(va);
  for (const Space owner : {space, kEverySpace}) {
    if (owner == kEverySpace && !size.globals) continue;
    const uint32_t index = bank.array.find(set, size.tag(va, owner));
    if (index == bank.array.kNone) continue;
    remove(size.bank_number, index);
    ++invalidated_;
  }
}

void Level::invalidate_range(VirtRange range, Space space) {
  remove_if([&](const Tag& tag, const Payload& payload) {
    if (!payload.global && space_of(tag) != space) return false;
    // Compared by last bytes, so that a leaf or a range may end where addresses do.
    const VirtAddr first = align_down(base_of(tag), payload.leaf);
    return first <= range.end - 1 && range.begin <= first + payload.leaf.offset_mask();
  });
}

void Level::invalidate_space(Space space) {
  remove_if([space](const Tag& tag, const Payload& payload) {
    return !payload.global && space_of(tag) == space;
  });
}

void Level::invalidate_non_global() {
  remove_if([](const Tag&, const Payload& payload) { return !payload.global; });
}

void Level::invalidate_all() {
  remove_if([](const Tag&, const Payload&) { return true; });
}

void Level::for_each(const std::function<void(const EntryView&)>& visit) const {
  for (const Bank& bank : banks_)
    for (uint32_t index = 0; index < bank.array.entries(); ++index)
      if (bank.array.valid(index)) {
        const Tag& tag = bank.array.tag(index);
        visit({.base = base_of(tag),
               .space = space_of(tag),
               .locked = bank.locked,
               .payload = bank.array.payload(index)});
      }
}

bool Level::is_settled(uint32_t entry) const {
  for (const Bank& bank : banks_)
    if (entry - bank.first_entry < bank.array.entries())
      return bank.array.is_settled(entry - bank.first_entry);
  return false;
}

bool Level::tells_apart(uint64_t sets) const {
  const Place place = places_[page_.log2()];
  if (place == kNowhere) return false;
  const Bank& bank = *sizes_[place].bank;
  return sizes_[place].size == page_ && bank.index == Index::Low && bank.array.sets() % sets == 0;
}

}  // namespace mmusim::tlb
