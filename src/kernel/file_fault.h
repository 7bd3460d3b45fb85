// Faults in areas with a file behind them: fault-around, folios, private copies, shared writes
// (Linux: do_read_fault, do_cow_fault, do_shared_fault, filemap_map_pages).
#ifndef MMUSIM_KERNEL_FILE_FAULT_H_
#define MMUSIM_KERNEL_FILE_FAULT_H_

#include "base/types.h"
#include "kernel/fault_context.h"

namespace mmusim::kernel {

// An untouched page of an area with a file behind it. `before`: what the page table showed there
// before the fault made the slot.
FaultOutcome map_file(FaultContext& c, Vma& vma, VirtAddr page, const pt::Slot& slot,
                      AccessKind kind, const pt::Lookup& before);

// Behind the end of the file: SIGBUS, after Linux has done what it does before it knows.
FaultOutcome fault_behind_file(FaultContext& c, Vma& vma, VirtAddr page, AccessKind kind);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_FILE_FAULT_H_
