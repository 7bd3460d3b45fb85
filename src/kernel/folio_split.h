// Advice about reclaim for a part of a folio of a file (Linux: madvise_cold_or_pageout_pte_range).
//
// A folio that the range does not show whole is divided into its pages, so that they can be
// reclaimed one by one: which takes them from the page tables. One that other processes map too, or
// that is dirty, stays as it is.
#ifndef MMUSIM_KERNEL_FOLIO_SPLIT_H_
#define MMUSIM_KERNEL_FOLIO_SPLIT_H_

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

// Takes a folio out of every page table and divides it into its pages; of memory those behind the
// end of the file go.
void split_folio(Core& core, FileId file, const Folio& folio);

// The huge folio of the page becomes base pages, which nobody maps any more; those behind the end
// of the file go. REQUIRES: File::is_huge().
void split_huge_folio(Core& core, FileId file, uint64_t index);

// Before COLD or PAGEOUT is carried out for a part of `vma`.
void split_shown_in_part(Core& core, AddressSpace& mm, const Vma& vma, VirtRange part);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_FOLIO_SPLIT_H_
