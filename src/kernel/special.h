// What the kernel has of its own in every program: vdso and vvar, and the gate page.
//
// With kernel.special_pages exec maps the areas of the architecture's layout
// (mmu/layout.h) into each program of which a recording does not say where it had them, and the
// first process has them too. They are areas: counted, copied by fork, in reach of munmap. Pages of
// the vdso count as resident pages of a file and are faulted in again after a fork; those of the
// vvar are frames nobody counts, and fork copies their entries. The gate page is none: the kernel
// finds it by its address alone. Where it is mapped (mmu::Gate) that is in a page table of the
// kernel's own, of the same kind as the programs', in which the processor looks such addresses up,
// whoever runs. Else a call of it is a page fault, which the kernel answers by doing what was
// called. Source: Linux mm/mmap.c, arch/x86/entry/vdso/vma.c,
// arch/x86/entry/vsyscall/vsyscall_64.c, arch/ia64/mm/init.c, arch/powerpc/kernel/vdso.c.
#ifndef MMUSIM_KERNEL_SPECIAL_H_
#define MMUSIM_KERNEL_SPECIAL_H_

#include <string_view>

#include "kernel/mapping.h"

namespace mmusim::kernel {

// Whether it is the name of such an area.
bool is_special(std::string_view name);
// Makes a mapping one of them.
void make_special(Core& core, std::string_view name, Mapping& mapping);

// Those of the layout, where kernel.special_pages asks for them. Areas that find no room are left
// out.
void add_special_areas(Core& core, AddressSpace& mm);

// Maps the gate page in a page table of the kernel's, and tells the TLBs; nothing where there is
// none to map. Errors: Error when there is no memory for it.
void map_gate(Core& core);

// Whether the access is one that the gate page allows, and that faults.
bool at_gate(const Core& core, VirtAddr va, AccessKind kind);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_SPECIAL_H_
