#include "mmu/walk_caches.h"

namespace mmusim::mmu {

WalkCaches::WalkCaches(std::span<const uint32_t> entries, const RadixFormat& format)
    : count_(format.count) {
  for (unsigned level = 1; level < count_; ++level) {
    shifts_[level] = format.levels[level].shift;
    if (entries[level] == 0) continue;
    tlb::Geometry geometry;
    geometry.entries = geometry.ways = entries[level];
    caches_[level].emplace(geometry, tlb::Uses::Told);
  }
}

template <class Predicate>
void WalkCaches::remove_if(Predicate predicate) {
  for (std::optional<Array>& cache : caches_) {
    if (!cache) continue;
    for (uint32_t index = 0; index < cache->entries(); ++index)
      if (cache->valid(index) && predicate(cache->tag(index))) cache->invalidate(index);
  }
}

void WalkCaches::invalidate_address(VirtAddr va, tlb::Space space) {
  for (unsigned level = 1; level < count_; ++level) {
    if (!caches_[level]) continue;
    const uint32_t index = caches_[level]->find(0, tag_of(va, level, space));
    if (index != Array::kNone) caches_[level]->invalidate(index);
  }
}

void WalkCaches::invalidate_space(tlb::Space space) {
  remove_if([space](uint64_t tag) { return SpaceField::get(tag) == space; });
}

void WalkCaches::invalidate_all() {
  remove_if([](uint64_t) { return true; });
}

void WalkCaches::for_each(const std::function<void(tlb::Space, PhysAddr)>& visit) const {
  for (const std::optional<Array>& cache : caches_) {
    if (!cache) continue;
    for (uint32_t index = 0; index < cache->entries(); ++index)
      if (cache->valid(index))
        visit(SpaceField::get(cache->tag(index)), cache->payload(index).table);
  }
}

}  // namespace mmusim::mmu
