// Faults on pages that are in swap space (Linux: do_swap_page, mm/memory.c).
#ifndef MMUSIM_KERNEL_SWAP_FAULT_H_
#define MMUSIM_KERNEL_SWAP_FAULT_H_

#include "base/types.h"
#include "kernel/fault_context.h"

namespace mmusim::kernel {

// The last holder of a slot gets a page of its own, writable at once. Others share the one that was
// read first; a write gets a copy in the same fault.
FaultOutcome swap_in(FaultContext& c, const Vma& vma, VirtAddr page, const pt::Slot& slot,
                     AccessKind kind);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_SWAP_FAULT_H_
