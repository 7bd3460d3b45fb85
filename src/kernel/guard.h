// Guard pages: madvise(MADV_GUARD_INSTALL, MADV_GUARD_REMOVE) of Linux 6.13 and later, with which C
// libraries guard thread stacks (mm/madvise.c, handle_pte_marker in mm/memory.c).
//
// A guarded page has an entry in the page table that is neither none nor present, like one that
// names a swap slot (entries.h). Every access is refused (SIGSEGV). The area stays what it is, so
// that guards need no areas; they do need tables, also where nothing was ever touched.
// MADV_DONTNEED, FREE, COLD, PAGEOUT and mprotect leave them as they are, fork copies them, mremap
// moves them along, munmap and exit take them away.
#ifndef MMUSIM_KERNEL_GUARD_H_
#define MMUSIM_KERNEL_GUARD_H_

#include <cstdint>

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

// On a part of one area, whose pages go. Not where pages are locked, pooled or not the kernel's to
// count: -EINVAL. From Linux 6.15 on also in areas of files. -ENOMEM: no memory for tables.
int64_t install_guards(Core& core, AddressSpace& mm, Vma& vma, VirtRange range);
// What was guarded is untouched memory again; its tables stay. Also in locked areas.
int64_t remove_guards(Core& core, AddressSpace& mm, const Vma& vma, VirtRange range);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_GUARD_H_
