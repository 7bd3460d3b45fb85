// Address-space randomisation, as far as mappings go: where a program's begin (Linux:
// arch_mmap_rnd, mmap_base).
#ifndef MMUSIM_MMU_RANDOM_BASE_H_
#define MMUSIM_MMU_RANDOM_BASE_H_

#include <cstdint>

#include "base/random.h"
#include "mmu/layout.h"

namespace mmusim::mmu {

// One of 2^bits places a page apart, of which the layout's mmap_base is the outermost; with 0 bits
// that one, and nothing is drawn.
inline VirtAddr random_mmap_base(const AddressLayout& layout, unsigned bits, Random& random) {
  if (bits == 0) return layout.mmap_base;
  const uint64_t distance = random.below(uint64_t{1} << bits) << layout.page.log2();
  return layout.mmap_upward ? layout.mmap_base + distance : layout.mmap_base - distance;
}

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_RANDOM_BASE_H_
