// MADV_COLLAPSE (Linux: madvise_collapse, mm/khugepaged.c).
#ifndef MMUSIM_KERNEL_COLLAPSE_H_
#define MMUSIM_KERNEL_COLLAPSE_H_

#include <cstdint>

#include "base/types.h"
#include "kernel/fault_context.h"

namespace mmusim::kernel {

// madvise(MADV_COLLAPSE) on a part of one area: a huge page for each aligned block of it that has
// pages. 0 when all are huge now, or it has no whole block; -EINVAL: not in such an area, or
// nothing was there; -ENOMEM.
int64_t collapse(FaultContext context, Vma& vma, VirtRange range);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_COLLAPSE_H_
