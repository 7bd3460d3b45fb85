// When superpages of private memory are made (kernel.superpage.policy): what every policy but that
// of faults, which is none of these (block_fault.h), is asked and told.
//
// A policy sees the pages that faults make, TLB misses or time go by, and promotes: it makes one
// superpage of base pages (promotion.h). That superpages are split again, where a part changes, is
// no affair of its: huge_split.h. Each is made with the kernel and lives as long. Not thread-safe.
#ifndef MMUSIM_KERNEL_SUPERPAGE_POLICY_H_
#define MMUSIM_KERNEL_SUPERPAGE_POLICY_H_

#include <cstdint>
#include <optional>

#include "base/types.h"

namespace mmusim::kernel {

class AddressSpace;
struct Vma;

class SuperpagePolicy {
 public:
  SuperpagePolicy() = default;
  virtual ~SuperpagePolicy() = default;
  SuperpagePolicy(const SuperpagePolicy&) = delete;
  SuperpagePolicy& operator=(const SuperpagePolicy&) = delete;

  // The frame for a new page of private memory, as PageFrames::new_anonymous() gives them; nothing:
  // any will do. Changes no page table.
  virtual std::optional<Pfn> frame_for(AddressSpace& /*mm*/, const Vma& /*vma*/,
                                       VirtAddr /*page*/) {
    return std::nullopt;
  }
  // A fault has mapped it, and is done but for this.
  virtual void populated(AddressSpace& /*mm*/, const Vma& /*vma*/, VirtAddr /*page*/) {}
  // What is mapped in the range is about to move elsewhere, or to go with its address space.
  virtual void leaving(AddressSpace& /*mm*/, const VirtRange& /*range*/) {}
  // What is mapped in the range, an area's, has other rights now.
  virtual void reprotected(AddressSpace& /*mm*/, const Vma& /*vma*/, const VirtRange& /*range*/) {}
  // No frame is free. Whether some were given back.
  virtual bool pressure() { return false; }
  // An access in the area missed in the last level of the TLBs, and has succeeded since.
  virtual void missed(AddressSpace& /*mm*/, const Vma& /*vma*/, VirtAddr /*va*/) {}
  // So many instructions more have been executed.
  virtual void ran(uint64_t /*instructions*/) {}
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_SUPERPAGE_POLICY_H_
