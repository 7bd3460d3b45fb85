#include "tlb/level.h"

#include <algorithm>

#include "base/error.h"

namespace mmusim::tlb {

Level::Level(const std::vector<Geometry>& arrays, PageShift page, bool with_filter, unsigned locked)
    : page_(page) {
  MMUSIM_ASSERT(!arrays.empty());
  uint32_t entries = 0;
  banks_.reserve(arrays.size() + 1);
  const auto add = [&](const Geometry& geometry) -> Bank& {
    Bank& bank = banks_.emplace_back(geometry);
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
    Bank& bank = add(geometry);
    const auto number = static_cast<uint32_t>(banks_.size() - 1);
    for (const PageShift size : geometry.pages) {
      bank.sizes.push_back({size});
      const bool known = std::any_of(places_.begin(), places_.end(),
                                     [&](const Place& place) { return place.size == size; });
      if (!known) places_.push_back({size, number});
    }
  }
  std::sort(places_.begin(), places_.end(),
            [](const Place& a, const Place& b) { return a.size > b.size; });
  if (with_filter) filter_ = std::make_unique<HitFilter>(entries);
}

const Level::Place* Level::place_of(PageShift leaf) const {
  for (const Place& place : places_)
    if (place.size <= leaf) return &place;
  return nullptr;
}

Level::Size& Level::size_in(Bank& bank, PageShift size) {
  for (Size& known : bank.sizes)
    if (known.size == size) return known;
  bank.sizes.push_back({size});  // a locked entry may have any
  return bank.sizes.back();
}

Level::Hit Level::find(VirtAddr va, Space space) {
  for (uint32_t b = 0; b < banks_.size(); ++b) {
    Bank& bank = banks_[b];
    for (const Size& size : bank.sizes) {
      if (!size.may_have(va)) continue;
      const uint32_t set = bank.set_of(va, size.size);
      uint32_t index = bank.array.kNone;
      if (size.valid != size.globals) index = bank.array.find(set, make_tag(va, size.size, space));
      if (index == bank.array.kNone && size.globals != 0)
        index = bank.array.find(set, make_tag(va, size.size, kEverySpace));
      if (index != bank.array.kNone) return {b, index, &bank.array.payload(index)};
    }
  }
  return {};
}

Level::Hit Level::put(uint32_t number, uint32_t index, VirtAddr va, PageShift size, Space space,
                      const Leaf& leaf) {
  Bank& bank = banks_[number];
  const uint64_t into_leaf = va.value() & leaf.size.offset_mask() & ~size.offset_mask();
  const Payload payload{.pfn = leaf.pfn + (into_leaf >> page_.log2()),
                        .size = size,
                        .leaf = leaf.size,
                        .rights = leaf.rights,
                        .dirty = leaf.dirty,
                        .global = leaf.global,
                        .extra = leaf.extra};
  bank.array.fill(index, make_tag(va, size, leaf.global ? kEverySpace : space), payload, tick());
  Size& of_size = size_in(bank, size);
  of_size.add(va.value() & ~size.offset_mask());
  if (leaf.global) ++of_size.globals;
  if (size != leaf.size) ++bank.fragments;
  return {number, index, &bank.array.payload(index)};
}

Level::Hit Level::fill(VirtAddr va, Space space, const Leaf& leaf) {
  const Place* const place = place_of(leaf.size);
  MMUSIM_ASSERT(place != nullptr);
  Bank& bank = banks_[place->bank];
  const uint32_t index = bank.array.victim(bank.set_of(va, place->size));
  if (bank.array.valid(index)) {
    remove(bank, index);
    ++evictions_;
  }
  ++fills_;
  return put(place->bank, index, va, place->size, space, leaf);
}

void Level::filter_clear() {
  const Bank& last = banks_.back();
  for (uint32_t entry = 0; entry < last.first_entry + last.array.entries(); ++entry)
    filter_->drop(entry);
}

void Level::lock(unsigned slot, VirtAddr va, Space space, const Leaf& leaf) {
  MMUSIM_ASSERT(banks_.front().locked && slot < banks_.front().array.entries());
  unlock(slot);
  put(0, slot, va, leaf.size, space, leaf);
}

void Level::unlock(unsigned slot) {
  MMUSIM_ASSERT(banks_.front().locked && slot < banks_.front().array.entries());
  if (banks_.front().array.valid(slot)) remove(banks_.front(), slot);
}

void Level::take_out(unsigned array, uint32_t ways) {
  Bank& bank = banks_[array + (banks_.front().locked ? 1 : 0)];
  MMUSIM_ASSERT(!bank.locked && ways < bank.array.ways());
  const uint32_t open = bank.array.ways() - ways;
  for (uint32_t index = 0; index < bank.array.entries(); ++index) {
    if (index % bank.array.ways() < open || !bank.array.valid(index)) continue;
    remove(bank, index);
    ++evictions_;
  }
  bank.array.set_open_ways(open);
}

void Level::remove(Bank& bank, uint32_t index) {
  const Payload& payload = bank.array.payload(index);
  if (filter_) filter_->drop(bank.first_entry + index);
  Size& size = size_in(bank, payload.size);
  if (payload.global) --size.globals;
  --size.valid;
  if (payload.size != payload.leaf) --bank.fragments;
  bank.array.invalidate(index);
}

void Level::invalidate_page(VirtAddr va, Space space) {
  const bool fragments = std::any_of(banks_.begin(), banks_.end(),
                                     [](const Bank& bank) { return bank.fragments != 0; });
  if (fragments) {
    remove_if([&](const Tag& tag, const Payload& payload) {
      return (payload.global || space_of(tag) == space) &&
             align_down(base_of(tag), payload.leaf) == align_down(va, payload.leaf);
    });
    return;
  }
  for (Bank& bank : banks_) {
    if (bank.locked) continue;
    for (const Size& size : bank.sizes) {
      if (!size.may_have(va)) continue;
      const uint32_t set = bank.set_of(va, size.size);
      for (const Space owner : {space, kEverySpace}) {
        if (owner == kEverySpace && size.globals == 0) continue;
        const uint32_t index = bank.array.find(set, make_tag(va, size.size, owner));
        if (index == bank.array.kNone) continue;
        remove(bank, index);
        ++invalidated_;
      }
    }
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

}  // namespace mmusim::tlb
