// Shared by the halves of the fault path; nobody else includes it.
#ifndef MMUSIM_KERNEL_FAULT_INTERNAL_H_
#define MMUSIM_KERNEL_FAULT_INTERNAL_H_

#include "kernel/fault.h"
#include "kernel/zap.h"

namespace mmusim::kernel {

// Counts a fault that is done.
void finish_fault(FaultContext& c, FaultCause cause, bool major);

// Replaces the entry at `handle`. REQUIRES: the handle is fresh and holds `expected`.
void put_leaf(FaultContext& c, const pt::Handle& handle, pt::Entry expected, pt::Entry next);

// A page of its own for an untouched page of a private file area (file_fault.cc asks for it).
FaultOutcome install_private_copy(FaultContext& c, Vma& vma, const pt::Slot& slot, bool major);

// A page that is in swap space.
FaultOutcome swap_in(FaultContext& c, const Vma& vma, VirtAddr page, const pt::Slot& slot,
                     AccessKind kind);

// A fault in an area of the hugetlb pool.
FaultOutcome hugetlb_fault(FaultContext& c, Vma& vma, VirtAddr va, AccessKind kind);

// An untouched page of an area with a file behind it. `had_table`: its leaf table was there before
// the fault.
FaultOutcome map_file(FaultContext& c, Vma& vma, VirtAddr page, const pt::Slot& slot,
                      AccessKind kind, bool had_table);

// An area gets its anon_vma with its first private page; a neighbour's is shared where the two
// could become one area again (Linux: find_mergeable_anon_vma).
void prepare_anon(FaultContext& c, Vma& vma);

// Behind the end of the file: SIGBUS, after Linux has done what it does before it knows.
FaultOutcome fault_behind_file(FaultContext& c, Vma& vma, VirtAddr page, AccessKind kind);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_FAULT_INTERNAL_H_
