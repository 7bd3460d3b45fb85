// Where an architecture's kernel places things in a user address space. Plain data.
#ifndef MMUSIM_MMU_LAYOUT_H_
#define MMUSIM_MMU_LAYOUT_H_

#include "base/types.h"

namespace mmusim::mmu {

struct AddressLayout {
  PageShift page{12};
  VirtAddr lowest{0x10000};  // mmap_min_addr
  VirtAddr top;              // first address past user space
  VirtAddr stack_top;        // where a new stack ends
  VirtAddr mmap_base;        // mappings are placed below it, top down
  uint64_t stack_limit = uint64_t{8} << 20;
  uint64_t stack_gap = uint64_t{1} << 20;
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_LAYOUT_H_
