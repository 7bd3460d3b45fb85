// Where a mapping goes whose place nobody insists on (Linux: get_unmapped_area).
//
// Top down below mmap_base, and from a third of user space up where nothing fits below it; or from
// mmap_base up, as the architecture has it. Guard gaps below areas that grow down stay free. What
// could be huge pages is aligned so that it can: private anonymous memory of whole huge pages
// (Linux 6.7 and later) and, by their offset, files on a disk with a huge page's worth of contents,
// as ext4, XFS and Btrfs have it (thp_get_unmapped_area); memory of the hugetlb pool must be. Where
// the layout has a huge region, which is the last of user space, that of its size goes there, from
// the beginning up (Linux on IA-64: hugetlb_get_unmapped_area), and nothing else does.
#ifndef MMUSIM_KERNEL_UNMAPPED_AREA_H_
#define MMUSIM_KERNEL_UNMAPPED_AREA_H_

#include <cstdint>
#include <optional>

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

// What is to be mapped, as far as its place depends on it.
enum class Backing : uint8_t {
  Anonymous,     // private
  SharedMemory,  // shared anonymous, or a file in memory
  Disk,          // a file on a disk
  Pool,          // hugetlb
};
Backing backing_of(const Core& core, const Vma& vma);

struct Unplaced {
  uint64_t length = 0;  // whole pages; of the pool whole huge pages
  Backing backing = Backing::Anonymous;
  uint64_t offset = 0;  // in the file, in bytes
  VirtAddr hint{};      // where it should go if there is room; 0: anywhere
  PageShift pool{};     // of the pool: its pages
};

// What the place depends on of an address space: also of one that only plans.
struct Room {
  const mmu::AddressLayout& layout;
  PageShift page;
  std::optional<PageShift> huge;  // the size huge pages have; nothing: there are none
  const VmaSet& areas;
  VirtAddr mmap_base;
};

// Nothing: there is no room.
std::optional<VirtAddr> unmapped_area(const Room& room, const Unplaced& wanted);
std::optional<VirtAddr> unmapped_area(const Core& core, const AddressSpace& mm,
                                      const Unplaced& wanted);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_UNMAPPED_AREA_H_
