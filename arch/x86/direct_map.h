// The kernel's mapping of all physical memory, through which it reads and writes page tables and
// pages: Linux's direct map (Documentation/arch/x86/x86_64/mm.rst), as it is without randomisation.
//
// Global pages of 1G, or of 2M where paging has none of 1G, from 0xffff888000000000 on (with five
// levels 0xff11000000000000), in tables of their own in simulated memory. Linux has their upper
// entries in each address space's highest table; here one highest table serves all, so that walks
// read as many words.
#ifndef MMUSIM_ARCH_X86_DIRECT_MAP_H_
#define MMUSIM_ARCH_X86_DIRECT_MAP_H_

#include "arch/x86/options.h"
#include "base/types.h"
#include "mem/frames.h"

namespace mmusim::x86 {

class DirectMap {
 public:
  // REQUIRES: options.paging.is_long(). Errors: Error when there is no memory for its tables.
  DirectMap(const Options& options, mem::FrameMemory& frames);

  [[nodiscard]] PhysAddr root() const { return root_; }
  [[nodiscard]] VirtAddr base() const { return base_; }
  // Where the kernel finds what is at that physical address.
  [[nodiscard]] VirtAddr of(PhysAddr address) const { return base_ + address.value(); }

 private:
  // The table below the entry for `va` at `level` of `table`; made where there is none.
  PhysAddr table_below(PhysAddr table, VirtAddr va, unsigned level);
  PhysAddr new_table();

  Paging paging_;
  mem::FrameMemory& frames_;
  VirtAddr base_;
  PhysAddr root_;
};

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_DIRECT_MAP_H_
