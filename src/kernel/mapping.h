// What system calls do to one address space once their arguments are known to be sane and places
// are chosen: the system-call layer chooses as Linux does, the replayer takes what the recording
// says; both end here.
//
// Ranges are page-aligned, not empty and within user space. Results are 0 or -errno; -EINVAL where
// an area of the hugetlb pool would be divided within one of its pages.
#ifndef MMUSIM_KERNEL_MAPPING_H_
#define MMUSIM_KERNEL_MAPPING_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "base/types.h"
#include "kernel/core.h"
#include "kernel/fault_context.h"

namespace mmusim::kernel {

struct Mapping {
  VirtRange range;
  uint32_t flags = 0;  // kVm*
  FileId file;
  uint64_t pgoff = 0;  // of a file; anonymous memory gets its own
};

// The kVm* flags of mmap's prot and flags.
uint32_t vm_flags(uint32_t prot, uint32_t map_flags);
// The same for memory of the hugetlb pool.
uint32_t pool_flags(uint32_t flags, bool noreserve);
// Those of prot alone.
uint32_t vm_rights(uint32_t prot);

// Maps, taking away whatever was there. -ENOMEM: too many areas.
int64_t map_area(Core& core, AddressSpace& mm, const Mapping& mapping);

// Unmaps what is mapped of `range`. -ENOMEM: it would make too many areas. Nothing is unmapped
// then, but an area may have been divided.
int64_t unmap_range(Core& core, AddressSpace& mm, VirtRange range);

// mprotect; faults in locked memory that becomes writable. -ENOMEM at a hole, after what lies
// before it was changed, or for too many areas; with `skip_holes` (the recording says it succeeded)
// goes on behind.
int64_t protect_range(FaultContext context, VirtRange range, uint32_t prot, bool skip_holes);

// Sets and clears flags that do not concern page tables; holes are skipped. -ENOMEM: too many
// areas.
int64_t change_flags(Core& core, AddressSpace& mm, VirtRange range, uint32_t set, uint32_t clear);

// Extends the last area of [.., end) to `new_end`. REQUIRES: an area ends at `end`, nothing is
// mapped up to new_end.
void extend_area(Core& core, AddressSpace& mm, VirtAddr end, VirtAddr new_end);

// madvise(MADV_DONTNEED): drops contents, keeps areas. -EINVAL at an area that is locked, unless
// `locked_too`, or whose pages are not counted, after what lies before it was dropped. Of the
// hugetlb pool only whole pages from the start go.
int64_t drop_contents(Core& core, AddressSpace& mm, VirtRange range, bool locked_too);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_MAPPING_H_
