// Caches of a radix table's upper levels: where a page walk can start below the root (x86's
// paging-structure caches).
//
// One cache per level a walk reads above the lowest, each fully associative with LRU, tagged with
// the address bits its entry stands for and the address space. An entry holds the address of the
// next table and the rights accumulated from the root down to it: Intel SDM vol. 3A, 4.10.3.1.
// Existence and sizes differ between processors and are not documented; 0 entries switches a cache
// off.
//
// A lookup takes the deepest match, which is the only one used. Entries are made by a walk that
// ended well, for the entries it read in memory (see radix_walker.h). Not thread-safe.
#ifndef MMUSIM_MMU_WALK_CACHES_H_
#define MMUSIM_MMU_WALK_CACHES_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/types.h"
#include "mmu/radix_format.h"
#include "tlb/level.h"
#include "tlb/lru_table.h"

namespace mmusim::mmu {

struct WalkStart {
  PhysAddr table;      // that holds the first entry to read
  unsigned level = 0;  // of that entry
  Rights rights = Rights::all();
};

class WalkCaches {
 public:
  // `entries` by level: [1] is what leads to a table of leaves; [0] is of no account.
  WalkCaches(std::span<const uint32_t> entries, const RadixFormat& format);

  // Whether a start is known for `va`; then `start` is the deepest, and that entry used. `space`
  // has 16 bits, here and below.
  [[gnu::always_inline]] bool find(VirtAddr va, tlb::Space space, WalkStart& start) {
    for (Cache& cache : caches_) {
      cache.sought = cache.tag_of(va, space);
      const Known* const known = cache.entries.use(cache.sought);
      if (known == nullptr) continue;
      asked_in_vain_ = &cache;
      start.level = cache.level - 1;
      start.table = known->table;
      start.rights = known->rights;
      return true;
    }
    asked_in_vain_ = caches_.data() + caches_.size();
    return false;
  }
  // What an entry leads to.
  struct Known {
    PhysAddr table;
    Rights rights;
  };
  // The walk of what find() was last asked for began where that said and read the entries below,
  // down to a leaf at level `leaf`: the one of a level led to `known(level)`.
  template <class KnownAt>
  [[gnu::always_inline]] void fill(unsigned leaf, KnownAt known) {
    for (Cache* cache = caches_.data(); cache != asked_in_vain_; ++cache)
      if (leaf == 0 || cache->level > leaf)
        cache->entries.make(cache->sought) = known(cache->level);
  }

  void invalidate_address(VirtAddr va, tlb::Space space);  // what a walk of `va` would use
  void invalidate_space(tlb::Space space);
  void invalidate_all();

  void for_each(const std::function<void(tlb::Space, PhysAddr table)>& visit) const;

 private:
  // Of the entries at one level. Tags: the address bits from the entry's reach up, the space, and a
  // bit that no empty way has.
  struct Cache {
    Cache(unsigned at_level, unsigned reach, uint32_t count)
        : level(at_level), shift(reach), entries(count) {}

    unsigned level;
    unsigned shift;       // log2 of what an entry reaches
    uint64_t sought = 0;  // tag of what was looked for last
    tlb::LruTable<Known> entries;

    [[nodiscard]] uint64_t tag_of(VirtAddr va, tlb::Space space) const {
      return va.value() >> shift << (kSpaceBits + 1) | (space << 1 | 1);
    }
    [[nodiscard]] static uint16_t space_of(uint64_t tag) { return static_cast<uint16_t>(tag >> 1); }
  };
  static constexpr unsigned kSpaceBits = 16;

  std::vector<Cache> caches_;             // those there are, the deepest first
  const Cache* asked_in_vain_ = nullptr;  // by find(), those in front of it
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_WALK_CACHES_H_
