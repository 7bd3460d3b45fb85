// Faults in areas of the hugetlb pool (Linux: hugetlb_fault, mm/hugetlb.c): whole huge pages, no
// zero page, copy-on-write of whole huge pages.
#ifndef MMUSIM_KERNEL_HUGETLB_FAULT_H_
#define MMUSIM_KERNEL_HUGETLB_FAULT_H_

#include "base/types.h"
#include "kernel/fault_context.h"

namespace mmusim::kernel {

// A fault at `va` in such an area.
FaultOutcome hugetlb_fault(FaultContext& c, Vma& vma, VirtAddr va, AccessKind kind);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_HUGETLB_FAULT_H_
