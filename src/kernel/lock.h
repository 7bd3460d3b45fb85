// mlock and its kin, as far as page tables see it: locked areas are faulted in. Nothing is ever
// taken out of memory for want of it, so locks hold nothing else; RLIMIT_MEMLOCK is not modelled.
#ifndef MMUSIM_KERNEL_LOCK_H_
#define MMUSIM_KERNEL_LOCK_H_

#include <cstdint>

#include "base/types.h"
#include "kernel/fault_context.h"

namespace mmusim::kernel {

// mlock (kVmLocked, or with kVmLockOnFault), munlock (0). -ENOMEM: a hole, after what lies before
// it was marked, or a page that cannot be had; -EAGAIN: no memory for one.
int64_t lock_range(FaultContext context, VirtRange range, uint32_t locks);

// mlockall and munlockall. `current`: locks what is mapped now, which otherwise stays as it is;
// `future`: what new areas get.
int64_t lock_all(FaultContext context, bool current, uint32_t locks, uint32_t future);

// Faults in a new or longer area if it is locked.
void populate_locked(FaultContext context, VirtRange range);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_LOCK_H_
