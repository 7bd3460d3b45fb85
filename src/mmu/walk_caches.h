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
// ended well, for the entries it read in memory, root first (see radix_walker.h). Not thread-safe.
#ifndef MMUSIM_MMU_WALK_CACHES_H_
#define MMUSIM_MMU_WALK_CACHES_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "base/bits.h"
#include "base/types.h"
#include "mmu/radix_format.h"
#include "tlb/array.h"
#include "tlb/level.h"

namespace mmusim::mmu {

struct WalkStart {
  unsigned level = 0;  // of the first entry to read
  PhysAddr table;      // that holds it
  Rights rights = Rights::all();
};

class WalkCaches {
 public:
  // `entries` by level: [1] is what leads to a table of leaves; [0] is of no account.
  WalkCaches(std::span<const uint32_t> entries, const RadixFormat& format);

  // Whether a start is known for `va`; then `start` is the deepest, and that entry used. `space`
  // has 16 bits, here and below.
  bool find(VirtAddr va, tlb::Space space, WalkStart& start) {
    for (unsigned level = 1; level < count_; ++level) {
      if (!caches_[level]) continue;
      Array& cache = *caches_[level];
      const uint32_t index = cache.find(0, tag_of(va, level, space));
      if (index == Array::kNone) continue;
      cache.touch(index, ++clock_);
      const Payload& payload = cache.payload(index);
      start.level = level - 1;
      start.table = payload.table;
      start.rights = payload.rights;
      return true;
    }
    return false;
  }
  // An entry at `level` (not 0) was read that leads to `table`. REQUIRES: its cache has none for it
  // yet, which the find() before the walk has shown.
  void fill(VirtAddr va, tlb::Space space, unsigned level, PhysAddr table, Rights rights) {
    if (!caches_[level]) return;
    Array& cache = *caches_[level];
    Payload& payload = cache.fill(cache.victim(0), tag_of(va, level, space), ++clock_);
    payload.table = table;
    payload.rights = rights;
  }

  void invalidate_address(VirtAddr va, tlb::Space space);  // what a walk of `va` would use
  void invalidate_space(tlb::Space space);
  void invalidate_all();

  void for_each(const std::function<void(tlb::Space, PhysAddr table)>& visit) const;

 private:
  struct Payload {
    PhysAddr table;
    Rights rights;
  };
  using Array = tlb::TlbArray<uint64_t, Payload>;

  template <class Predicate>
  void remove_if(Predicate predicate);

  // Address bits from the lowest cached level's reach up, those below the entry's own reach
  // cleared.
  using PrefixField = BitField<0, 44>;
  using SpaceField = BitField<44, 16>;
  using ValidField = BitField<63>;
  [[nodiscard]] uint64_t tag_of(VirtAddr va, unsigned level, tlb::Space space) const {
    const uint64_t prefix = va.value() >> shifts_[level] << (shifts_[level] - shifts_[1]);
    return ValidField::set(SpaceField::set(PrefixField::set(0, prefix), space), 1);
  }

  unsigned count_;                                   // levels
  std::array<unsigned, kMostRadixLevels> shifts_{};  // of them
  std::array<std::optional<Array>, kMostRadixLevels> caches_;
  uint64_t clock_ = 0;
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_WALK_CACHES_H_
