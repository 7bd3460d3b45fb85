#include "mmu/walk_caches.h"

#include "base/error.h"

namespace mmusim::mmu {

WalkCaches::WalkCaches(std::span<const uint32_t> entries, const RadixFormat& format) {
  for (unsigned level = 1; level < format.count; ++level) {
    if (entries[level] == 0) continue;
    // So that no bit of an address is lost in a tag.
    MMUSIM_ASSERT(format.levels[level].shift > kSpaceBits);
    tlb::Geometry geometry;
    geometry.entries = geometry.ways = entries[level];
    caches_.emplace_back(level, format.levels[level].shift, geometry);
  }
}

template <class Predicate>
void WalkCaches::remove_if(Predicate predicate) {
  for (Cache& cache : caches_)
    for (uint32_t index = 0; index < cache.array.entries(); ++index)
      if (cache.array.valid(index) && predicate(cache.array.tag(index))) cache.invalidate(index);
}

void WalkCaches::invalidate_address(VirtAddr va, tlb::Space space) {
  for (Cache& cache : caches_) {
    const uint32_t index = cache.array.find(0, cache.tag_of(va, space));
    if (index != Array::kNone) cache.invalidate(index);
  }
}

void WalkCaches::invalidate_space(tlb::Space space) {
  remove_if([space](uint64_t tag) { return Cache::space_of(tag) == space; });
}

void WalkCaches::invalidate_all() {
  remove_if([](uint64_t) { return true; });
}

void WalkCaches::for_each(const std::function<void(tlb::Space, PhysAddr)>& visit) const {
  for (const Cache& cache : caches_)
    for (uint32_t index = 0; index < cache.array.entries(); ++index)
      if (cache.array.valid(index))
        visit(Cache::space_of(cache.array.tag(index)), cache.array.payload(index).table);
}

}  // namespace mmusim::mmu
