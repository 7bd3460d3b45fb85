#include "mmu/walk_caches.h"

#include "base/error.h"

namespace mmusim::mmu {

WalkCaches::WalkCaches(std::span<const uint32_t> entries, const RadixFormat& format) {
  for (unsigned level = 1; level < format.count; ++level) {
    if (entries[level] == 0) continue;
    // So that no bit of an address is lost in a tag.
    MMUSIM_ASSERT(format.levels[level].shift > kSpaceBits);
    caches_.emplace_back(level, format.levels[level].shift, entries[level]);
  }
}

void WalkCaches::invalidate_address(VirtAddr va, tlb::Space space) {
  for (Cache& cache : caches_)
    cache.entries.remove(cache.tag_of(va, space));
}

void WalkCaches::invalidate_space(tlb::Space space) {
  for (Cache& cache : caches_)
    cache.entries.remove_if([space](uint64_t tag) { return Cache::space_of(tag) == space; });
}

void WalkCaches::invalidate_all() {
  for (Cache& cache : caches_)
    cache.entries.remove_if([](uint64_t) { return true; });
}

void WalkCaches::for_each(const std::function<void(tlb::Space, PhysAddr)>& visit) const {
  for (const Cache& cache : caches_)
    cache.entries.for_each(
        [&](uint64_t tag, const Known& known) { visit(Cache::space_of(tag), known.table); });
}

}  // namespace mmusim::mmu
