// Superpages that cannot stay whole (Linux: __split_huge_pmd): where they are; what becomes of them
// is in demotion.h.
#ifndef MMUSIM_KERNEL_HUGE_SPLIT_H_
#define MMUSIM_KERNEL_HUGE_SPLIT_H_

#include <cstdint>

#include "base/types.h"
#include "kernel/core.h"
#include "kernel/demotion.h"

namespace mmusim::kernel {

// Whether there are any.
inline bool has_superpages(const AddressSpace& mm) {
  return mm.huge_leaves != 0 || mm.groups != 0;
}

// Splits the superpage that lies across `at`, if one does.
void split_huge_at(Core& core, AddressSpace& mm, VirtAddr at, SplitCause why);

// Splits the superpage around `at`, if there is one.
void split_huge_page(Core& core, AddressSpace& mm, VirtAddr at, const Apart& apart, SplitCause why);

// Makes base pages of every superpage that reaches into the range, where there may be others than
// huge pages.
void split_superpages_in(Core& core, AddressSpace& mm, VirtRange range, SplitCause why);

// Before leaves of [from, from + bytes) move to `to`, where nothing is mapped: splits superpages
// that cannot move whole. Not for the hugetlb pool's, which can.
void split_for_move(Core& core, AddressSpace& mm, VirtAddr from, VirtAddr to, uint64_t bytes);

// The block behind the one at `at`, where `found` was looked up; behind a void of several, the one
// it ends in.
VirtAddr next_block(const pt::Lookup& found, VirtAddr at, PageShift size);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_HUGE_SPLIT_H_
