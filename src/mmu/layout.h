// Where an architecture's kernel places things in a user address space. Plain data.
#ifndef MMUSIM_MMU_LAYOUT_H_
#define MMUSIM_MMU_LAYOUT_H_

#include <array>

#include "base/types.h"

namespace mmusim::mmu {

// Pages of the kernel's own that exec maps into every program (Linux: _install_special_mapping).
// An area like any other, but for who owns its pages.
struct SpecialArea {
  const char* name = nullptr;  // as /proc shows it; null: none
  unsigned pages = 0;
  bool exec = false;  // else it is only read
  VirtAddr at{};      // 0: where mmap would put it, directly behind the one before
  bool operator==(const SpecialArea&) const = default;
};

// A page of the kernel's that programs call, at an address that is the same for all of them and
// lies outside of user space: no area, neither copied by fork nor in reach of a system call
// (Linux: gate_vma).
struct Gate {
  VirtRange range;
  bool readable = false;  // else it can only be called
  // It is in the kernel's page table, and translated like any other page. Else nothing is mapped
  // there: a call faults, and the kernel does what was called.
  bool mapped = false;
  bool operator==(const Gate&) const = default;
};

// Addresses of which the hardware is told one page size for all (IA-64: a region's preferred one):
// memory of the hugetlb pool of that size lies there, that of others elsewhere, and nothing else
// may be mapped there.
struct HugeRegion {
  VirtRange range;
  PageShift page{12};
  bool operator==(const HugeRegion&) const = default;
};

struct AddressLayout {
  PageShift page{12};
  VirtAddr lowest{0x10000};  // mmap_min_addr
  VirtAddr top;              // first address past user space
  VirtAddr stack_top;        // where a new stack ends
  VirtAddr mmap_base;        // mappings are placed below it, top down ...
  bool mmap_upward = false;  // ... or from it up
  uint64_t stack_limit = uint64_t{8} << 20;
  uint64_t stack_gap = uint64_t{1} << 20;

  // Where the parts of a program recorded elsewhere go (src/sim/relocation).
  VirtAddr program_base{0x400000};        // its text and data
  VirtAddr heap_base;                     // its heap; 0: behind the data
  std::array<SpecialArea, 3> specials{};  // in ascending order of their addresses
  // A fetch from what is not mapped is put right like a read, wherever the area may be read; only
  // the fetch that follows is refused (x86's access_error looks at what was tried in the one case
  // only).
  bool fetches_fault_as_reads = false;
  Gate gate;                         // empty: there is none
  HugeRegion huge_region;            // likewise
  std::array<VirtRange, 4> holes{};  // what nobody may map between `lowest` and `top`
  // Names by where they stand: two layouts of one architecture have the same.
  bool operator==(const AddressLayout&) const = default;
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_LAYOUT_H_
