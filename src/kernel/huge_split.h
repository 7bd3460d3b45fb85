// Superpages that cannot stay whole (Linux: __split_huge_pmd): a private huge leaf becomes base
// pages, with the table memory that was set aside for it; one of shared memory (huge_file.h) goes
// altogether, and its pages are faulted in again; the entries of a group (hint_group.h) say no more
// that they are one.
#ifndef MMUSIM_KERNEL_HUGE_SPLIT_H_
#define MMUSIM_KERNEL_HUGE_SPLIT_H_

#include <cstdint>

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

// Splits a huge leaf and flushes it; of the huge zero page base zero pages are left. REQUIRES: the
// handle is fresh and holds `leaf`.
void split_huge_leaf(Core& core, AddressSpace& mm, const pt::Handle& handle, pt::Entry leaf,
                     SplitCause why);

// Whether there are any.
inline bool has_superpages(const AddressSpace& mm) {
  return mm.huge_leaves != 0 || mm.groups != 0;
}

// Splits the superpage that lies across `at`, if one does.
void split_huge_at(Core& core, AddressSpace& mm, VirtAddr at, SplitCause why);

// Splits the superpage around `at`, if there is one.
void split_huge_page(Core& core, AddressSpace& mm, VirtAddr at, SplitCause why);

// Splits every superpage that reaches into the range, where kernel.thp.sizes may have made some.
void split_superpages_in(Core& core, AddressSpace& mm, VirtRange range, SplitCause why);

// Before leaves of [from, from + bytes) move to `to`, where nothing is mapped: splits superpages
// that cannot move whole. Not for the hugetlb pool's, which can.
void split_for_move(Core& core, AddressSpace& mm, VirtAddr from, VirtAddr to, uint64_t bytes);

// The block behind the one at `at`, where `found` was looked up; behind a void of several, the one
// it ends in.
VirtAddr next_block(const pt::Lookup& found, VirtAddr at, PageShift size);

// Takes a huge leaf of shared memory away, and flushes it. REQUIRES: the handle is fresh and holds
// `leaf`.
void unmap_huge_folio(Core& core, AddressSpace& mm, const pt::Handle& handle, pt::Entry leaf);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_HUGE_SPLIT_H_
