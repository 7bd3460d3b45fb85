#include "sim/relocation/address_map.h"

#include <algorithm>

namespace mmusim::sim {

const char* name_of(Zone zone) {
  switch (zone) {
    case Zone::Program:
      return "program";
    case Zone::Heap:
      return "heap";
    case Zone::Mappings:
      return "mapping";
    case Zone::Stack:
      return "stack";
  }
  return "?";
}

AddressMap::AddressMap(const mmu::AddressLayout& layout, std::optional<PageShift> huge,
                       bool specials)
    : layout_(layout),
      huge_(huge),
      lowest_(align_up(layout.lowest, kWindow).value()),
      top_(align_down(layout.top, kWindow).value()),
      taken_(layout.page) {
  // Shares of what there is: growth of everything else must still find its place.
  const uint64_t size = std::min(top_ - lowest_, uint64_t{1} << 47);
  reach_ = std::min(size >> 6, uint64_t{1} << 32);
  room_ = align_down(VirtAddr(size >> 8), kWindow).value();
  for (const VirtRange& hole : layout_.holes)
    if (!hole.empty()) occupy(hole.begin.value(), hole.end.value(), 0);
  if (specials) reserve_specials();
}

// As kernel/special.cc places them in a new address space.
void AddressMap::reserve_specials() {
  uint64_t anywhere = 0;
  for (const mmu::SpecialArea& area : layout_.specials) {
    const uint64_t bytes = area.pages * layout_.page.bytes();
    if (area.at == VirtAddr(0))
      anywhere += bytes;
    else if (bytes != 0)
      occupy(area.at.value(), area.at.value() + bytes, 0);
  }
  if (anywhere == 0) return;
  const auto at = kernel::unmapped_area(
      target_room(), {.length = anywhere, .backing = kernel::Backing::SharedMemory});
  if (at) occupy(at->value(), at->value() + anywhere, 0);
}

kernel::Room AddressMap::target_room() const {
  return {layout_, layout_.page, huge_, taken_, layout_.mmap_base};
}

bool AddressMap::place_as_kernel(VirtRange source, const kernel::Unplaced& wanted) {
  kernel::Unplaced whole = wanted;
  whole.length = source.bytes();
  const auto found = kernel::unmapped_area(target_room(), whole);
  release(source);
  if (found && is_free(found->value(), source.bytes())) {
    add(source.begin.value(), source.end.value(), found->value(), Zone::Mappings);
    return true;
  }
  return place_gap(source.begin.value(), source.end.value(), Zone::Mappings);
}

bool AddressMap::extend(VirtRange source) {
  const auto behind = runs_.lower_bound(source.begin.value());
  if (behind == runs_.begin()) return false;
  const Run run = std::prev(behind)->second;
  const uint64_t target = source.begin.value() + run.distance;
  if (run.end != source.begin.value() || !is_free(target, source.bytes())) return false;
  add(source.begin.value(), source.end.value(), target, run.zone);
  return true;
}

void AddressMap::release(VirtRange source) {
  const uint64_t begin = source.begin.value();
  const uint64_t end = source.end.value();
  auto it = runs_.upper_bound(begin);
  if (it != runs_.begin() && std::prev(it)->second.end > begin) --it;
  bool any = false;
  while (it != runs_.end() && it->first < end) {
    const uint64_t first = it->first;
    const Run run = it->second;
    it = runs_.erase(it);
    if (first < begin) runs_.emplace(first, Run{begin, run.distance, run.zone});
    if (end < run.end) runs_.emplace(end, Run{run.end, run.distance, run.zone});
    vacate(std::max(first, begin) + run.distance, std::min(run.end, end) + run.distance);
    any = true;
  }
  if (any) released_.push_back(source);
}

void AddressMap::occupy(uint64_t begin, uint64_t end, uint32_t flags) {
  kernel::Vma area;
  area.start = VirtAddr(begin);
  area.end = VirtAddr(end);
  area.flags = flags;
  taken_.insert(area);
}

void AddressMap::vacate(uint64_t begin, uint64_t end) {
  const kernel::VmaSet& taken = taken_;
  for (const kernel::Vma* found = taken.find_from(VirtAddr(begin));
       found != nullptr && found->start.value() < end; found = taken.find_from(VirtAddr(begin))) {
    const kernel::Vma area = *found;
    taken_.erase(area.start);
    if (area.start.value() < begin) occupy(area.start.value(), begin, area.flags);
    if (end < area.end.value()) occupy(end, area.end.value(), area.flags);
  }
}

std::optional<AddressMap::Piece> AddressMap::run_of(VirtAddr source) const {
  auto it = runs_.upper_bound(source.value());
  if (it == runs_.begin()) return std::nullopt;
  --it;
  const Run& run = it->second;
  if (source.value() >= run.end) return std::nullopt;
  return Piece{{VirtAddr(it->first), VirtAddr(run.end)}, VirtAddr(it->first + run.distance)};
}

std::optional<uint64_t> AddressMap::distance(VirtAddr source) const {
  const auto run = run_of(source);
  if (!run) return std::nullopt;
  return run->target - run->source.begin;
}

std::optional<VirtAddr> AddressMap::source_of(VirtAddr target) const {
  for (const auto& [begin, run] : runs_)
    if (target.value() - (begin + run.distance) < run.end - begin) return target - run.distance;
  return std::nullopt;
}

std::optional<Zone> AddressMap::zone_near(VirtAddr source) const {
  const uint64_t at = source.value();
  const auto above = runs_.upper_bound(at);
  std::optional<Zone> zone;
  uint64_t nearest = reach_;
  if (above != runs_.begin()) {
    const auto below = std::prev(above);
    const uint64_t gap = at < below->second.end ? 0 : at - below->second.end;
    if (gap <= nearest) {
      nearest = gap;
      zone = below->second.zone;
    }
  }
  if (above != runs_.end() && above->first - at < nearest) zone = above->second.zone;
  return zone;
}

bool AddressMap::place(VirtRange source, Zone zone) {
  if (zone == Zone::Heap && layout_.heap_base == VirtAddr(0)) zone = Zone::Program;
  const uint64_t end = align_up(source.end, kWindow).value();
  for (uint64_t at = align_down(source.begin, kWindow).value(); at < end;) {
    auto next = runs_.upper_bound(at);
    if (next != runs_.begin() && std::prev(next)->second.end > at) {
      at = std::prev(next)->second.end;
      continue;
    }
    const uint64_t gap_end = next == runs_.end() ? end : std::min(end, next->first);
    if (!place_gap(at, gap_end, zone)) return false;
    at = gap_end;
  }
  return true;
}

void AddressMap::place_beside(VirtRange window) {
  const auto below = runs_.lower_bound(window.begin.value());
  if (below == runs_.begin()) return;
  const Run run = std::prev(below)->second;
  // Mappings may begin within the window.
  const uint64_t end =
      below == runs_.end() ? window.end.value() : std::min(window.end.value(), below->first);
  const uint64_t target = window.begin.value() + run.distance;
  if (run.end == window.begin.value() && is_free(target, end - window.begin.value()))
    add(window.begin.value(), end, target, run.zone);
}

bool AddressMap::place_gap(uint64_t begin, uint64_t end, Zone zone) {
  const uint64_t bytes = end - begin;
  if (bytes > top_ - lowest_) return false;
  auto target = beside(begin, end, zone);
  if (!target) target = by_rule(bytes, zone, room_);
  if (!target) target = by_rule(bytes, zone, 0);
  if (!target) target = upward(lowest_, bytes, 0);
  if (!target) return false;
  add(begin, end, *target, zone);
  return true;
}

std::optional<VirtRange> AddressMap::in_the_way(uint64_t begin, uint64_t end) const {
  const kernel::Vma* const last = taken_.find_before(VirtAddr(end));
  if (last == nullptr || last->end.value() <= begin) return std::nullopt;
  return last->range();
}

bool AddressMap::is_free(uint64_t begin, uint64_t bytes) const {
  return begin >= lowest_ && begin <= top_ && bytes <= top_ - begin &&
         !in_the_way(begin, begin + bytes);
}

// At the distance of a neighbour: the touching ones first, then the nearest within reach.
std::optional<uint64_t> AddressMap::beside(uint64_t begin, uint64_t end, Zone zone) const {
  const auto above = runs_.lower_bound(end);
  std::optional<uint64_t> found;
  uint64_t nearest = reach_ + 1;
  const auto consider = [&](const Run& run, uint64_t gap) {
    if (run.zone != zone || gap >= nearest) return;
    const uint64_t target = begin + run.distance;
    if (!is_free(target, end - begin)) return;
    nearest = gap;
    found = target;
  };
  if (above != runs_.begin()) {
    const Run& below = std::prev(above)->second;
    consider(below, begin - below.end);
  }
  if (above != runs_.end()) consider(above->second, above->first - end);
  return found;
}

std::optional<uint64_t> AddressMap::by_rule(uint64_t bytes, Zone zone, uint64_t room) const {
  switch (zone) {
    case Zone::Program:
      return upward(layout_.program_base.value(), bytes, room);
    case Zone::Heap:
      return upward(layout_.heap_base.value(), bytes, room);
    case Zone::Mappings:
      return layout_.mmap_upward ? upward(layout_.mmap_base.value(), bytes, room)
                                 : downward(layout_.mmap_base.value(), bytes, room);
    case Zone::Stack:
      return downward(layout_.stack_top.value(), bytes, room);
  }
  return std::nullopt;
}

// The lowest place from `from` on that is free and has `room` free bytes above it.
std::optional<uint64_t> AddressMap::upward(uint64_t from, uint64_t bytes, uint64_t room) const {
  uint64_t at = std::max(lowest_, align_up(VirtAddr(from), kWindow).value());
  while (at <= top_ && bytes + room <= top_ - at) {
    const auto block = in_the_way(at, at + bytes + room);
    if (!block) return at;
    at = align_up(block->end, kWindow).value() + room;
  }
  return std::nullopt;
}

// The highest place up to `to` that is free and has `room` free bytes below it.
std::optional<uint64_t> AddressMap::downward(uint64_t to, uint64_t bytes, uint64_t room) const {
  uint64_t end = std::min(top_, align_down(VirtAddr(to), kWindow).value());
  while (end >= lowest_ && bytes + room <= end - lowest_) {
    const auto block = in_the_way(end - bytes - room, end);
    if (!block) return end - bytes;
    const uint64_t below = align_down(block->begin, kWindow).value();
    if (below < room) break;
    end = below - room;
  }
  return std::nullopt;
}

void AddressMap::add(uint64_t begin, uint64_t end, uint64_t target, Zone zone) {
  occupy(target, target + (end - begin), zone == Zone::Stack ? uint32_t{kernel::kVmGrowsDown} : 0);
  const uint64_t distance = target - begin;
  auto it = runs_.emplace(begin, Run{end, distance, zone}).first;
  const auto joins = [&](const Runs::iterator& low, const Runs::iterator& high) {
    return low->second.end == high->first && low->second.distance == high->second.distance &&
           low->second.zone == high->second.zone;
  };
  const auto join = [&](const Runs::iterator& low, const Runs::iterator& high) {
    low->second.end = high->second.end;
    runs_.erase(high);
  };
  if (const auto next = std::next(it); next != runs_.end() && joins(it, next)) join(it, next);
  if (it != runs_.begin() && joins(std::prev(it), it)) join(std::prev(it), it);
}

std::vector<AddressMap::Piece> AddressMap::pieces(VirtRange source) const {
  std::vector<Piece> result;
  auto it = runs_.upper_bound(source.begin.value());
  if (it != runs_.begin()) --it;
  for (; it != runs_.end() && it->first < source.end.value(); ++it) {
    const VirtRange part{std::max(source.begin, VirtAddr(it->first)),
                         std::min(source.end, VirtAddr(it->second.end))};
    if (part.empty()) continue;
    const VirtAddr target = part.begin + it->second.distance;
    if (!result.empty() && result.back().source.end == part.begin &&
        result.back().target + result.back().source.bytes() == target) {
      result.back().source.end = part.end;
    } else {
      result.push_back({part, target});
    }
  }
  return result;
}

uint64_t AddressMap::placed_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [begin, run] : runs_)
    bytes += run.end - begin;
  return bytes;
}

}  // namespace mmusim::sim
