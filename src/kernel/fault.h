// Page faults: what makes a missing or too weak translation good, or says that it must not be
// (Linux: handle_mm_fault and below, mm/memory.c; rules of 5.19 and later).
#ifndef MMUSIM_KERNEL_FAULT_H_
#define MMUSIM_KERNEL_FAULT_H_

#include "base/types.h"
#include "kernel/fault_context.h"

namespace mmusim::kernel {

// A fault at `va` in an area that allows the access. Counts it when it finishes.
FaultOutcome handle_fault(FaultContext context, Vma& vma, VirtAddr va, AccessKind kind);

// A fault anywhere: finds the area, grows the stack, implies an area where allowed; else refuses.
FaultOutcome user_fault(FaultContext context, VirtAddr va, AccessKind kind,
                        mmu::FaultReason reason);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_FAULT_H_
