// mlock and munlock: memory that stays resident (Linux: mm/mlock.c).
//
// Nothing here is ever swapped out, so that locking is a flag of areas and faulting in; what the
// flag forbids is madvise's to refuse.
#ifndef MMUSIM_KERNEL_LOCK_H_
#define MMUSIM_KERNEL_LOCK_H_

#include "kernel/fault.h"

namespace mmusim::kernel {

// Marks the areas and faults in what they show. -ENOMEM at a hole, after what lies before it was
// marked; where a page cannot be had; or for too many areas. -EAGAIN: no frame is free.
int64_t lock_range(FaultContext context, VirtRange range);

// -ENOMEM at a hole, after what lies before it was unmarked, or for too many areas.
int64_t unlock_range(Core& core, AddressSpace& mm, VirtRange range);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_LOCK_H_
