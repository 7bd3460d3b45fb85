// Faults that map a block of several pages of private memory: of the sizes kernel.thp.sizes names,
// the largest that fits (Linux 6.8 and later: multi-size THP; alloc_anon_folio, mm/memory.c).
//
// A block is aligned in the address space as in memory, lies in one area, and where it goes there
// must be nothing yet. Where no memory is free in one piece of that size the next smaller one is
// tried, at last a page. It is mapped by one leaf of its size, by a group of base entries that hint
// it (hint_group.h), or by entries of base pages; of these each has its own way from then on, and
// only their frames remember that they are one folio.
#ifndef MMUSIM_KERNEL_BLOCK_FAULT_H_
#define MMUSIM_KERNEL_BLOCK_FAULT_H_

#include <optional>

#include "base/types.h"
#include "kernel/fault_context.h"

namespace mmusim::kernel {

// A fault at `page`, of private memory. Nothing: a base page must do, or something is there.
std::optional<FaultOutcome> map_block(FaultContext& c, Vma& vma, VirtAddr page, AccessKind kind);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_BLOCK_FAULT_H_
