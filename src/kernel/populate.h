// Faults that system calls make: MAP_POPULATE, MADV_POPULATE_*, mlock (Linux: mm/gup.c).
#ifndef MMUSIM_KERNEL_POPULATE_H_
#define MMUSIM_KERNEL_POPULATE_H_

#include <cstdint>

#include "base/types.h"
#include "kernel/fault_context.h"

namespace mmusim::kernel {

// Faults in a range. AsMapped (MAP_POPULATE): what is mapped of it, by a write where the area is
// private and writable, else by a read; its result is ignored by Linux. Read and Write
// (MADV_POPULATE_*): every page, which ends at the first that cannot be: -ENOMEM at a hole, -EINVAL
// at an area without that right, -EFAULT behind the end of a file. At most as many pages as the
// machine has. Locked (mlock): as AsMapped, but -ENOMEM at a hole, -EFAULT where nothing may be
// accessed.
enum class Populate : uint8_t { AsMapped, Read, Write, Locked };
int64_t populate(FaultContext context, VirtRange range, Populate how = Populate::AsMapped);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_POPULATE_H_
