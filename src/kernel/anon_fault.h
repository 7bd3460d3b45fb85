// Faults that give an area private pages of its own, and the page of zeros until then (Linux:
// do_anonymous_page, do_wp_page, do_cow_fault).
#ifndef MMUSIM_KERNEL_ANON_FAULT_H_
#define MMUSIM_KERNEL_ANON_FAULT_H_

#include <optional>

#include "base/types.h"
#include "kernel/fault_context.h"

namespace mmusim::kernel {

// Untouched private memory: a page, or for a read the zero page.
FaultOutcome map_anonymous(FaultContext& c, Vma& vma, const pt::Slot& slot, AccessKind kind);

// Replaces what a private area shows read-only by a page of its own.
FaultOutcome copy_on_write(FaultContext& c, Vma& vma, VirtAddr page, const pt::Slot& slot);

// A page of its own for an untouched page of a private file area.
FaultOutcome install_private_copy(FaultContext& c, Vma& vma, const pt::Slot& slot, bool major);

// A frame for a new page of the area, of those that are set aside for it if there are any. Nothing:
// no frame is free.
std::optional<Pfn> new_page(FaultContext& c, const Vma& vma, VirtAddr page);
// The last of what a fault does that mapped one.
void tell_policy(FaultContext& c, const Vma& vma, VirtAddr page);

// The page was made, and is all zeros still.
void forget_store(Core& core, Pfn pfn);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_ANON_FAULT_H_
