// madvise's effects, shared by recorded and direct calls.
#ifndef MMUSIM_KERNEL_ADVISE_H_
#define MMUSIM_KERNEL_ADVISE_H_

#include <cstdint>

#include "base/types.h"
#include "kernel/fault_context.h"

namespace mmusim::kernel {

// 0; -EINVAL for advice Linux does not know or an area it cannot be for; -ENOMEM for too many areas
// or no memory. Holes are skipped.
int64_t advise(FaultContext context, VirtRange range, uint32_t advice);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_ADVISE_H_
