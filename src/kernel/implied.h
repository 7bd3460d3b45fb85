// Areas that no event made: a trace may begin in mid-life, or its recorder may not see an exec's
// image. The program did make the reference, so something was mapped there.
//
// Rules: what is first fetched becomes private file-like text (r-x) of the process's program, all
// processes running that program sharing its pages; everything else private anonymous memory (rw).
// An area is rounded to kernel.implied_chunk bytes, kept off other areas, and merged with equal
// neighbours. An access that an implied area does not allow widens the area's rights. Areas made by
// events are never changed.
#ifndef MMUSIM_KERNEL_IMPLIED_H_
#define MMUSIM_KERNEL_IMPLIED_H_

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

// The area made for `va`; null where none may be: outside user space, below the lowest address, too
// many areas.
Vma* imply_area(Core& core, AddressSpace& mm, VirtAddr va, AccessKind kind);

// Gives an implied area the right it lacks; the area afterwards (it may have been merged).
Vma& widen_area(Core& core, AddressSpace& mm, Vma& vma, AccessKind kind);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_IMPLIED_H_
