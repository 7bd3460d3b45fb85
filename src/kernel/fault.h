// Page faults: what makes a missing or too weak translation good, or says that it must not be
// (Linux: handle_mm_fault and below, mm/memory.c; rules of 5.19 and later).
#ifndef MMUSIM_KERNEL_FAULT_H_
#define MMUSIM_KERNEL_FAULT_H_

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

struct FaultContext {
  Core& core;
  AddressSpace& mm;
  FaultCounts& account;  // of the process the fault is charged to
  CpuId cpu;             // where the access was made
  // Who makes it: a reference; a system call (populate), which begins anew where it had to wait; or
  // one that goes on with the same fault (MADV_POPULATE_*).
  enum class Maker : uint8_t { Reference, Call, Advice };
  Maker maker = Maker::Reference;
};

// A fault at `va` in an area that allows the access. Counts it when it finishes.
FaultOutcome handle_fault(FaultContext context, Vma& vma, VirtAddr va, AccessKind kind);

// A fault anywhere: finds the area, grows the stack, implies an area where allowed; else refuses.
FaultOutcome user_fault(FaultContext context, VirtAddr va, AccessKind kind,
                        mmu::FaultReason reason);

// Faults in a range. AsMapped (MAP_POPULATE): what is mapped of it, by a write where the area is
// private and writable, else by a read; its result is ignored by Linux. Read and Write
// (MADV_POPULATE_*): every page, which ends at the first that cannot be: -ENOMEM at a hole, -EINVAL
// at an area without that right, -EFAULT behind the end of a file. At most as many pages as the
// machine has. Locked (mlock): as AsMapped, but -ENOMEM at a hole, -EFAULT where nothing may be
// accessed.
enum class Populate : uint8_t { AsMapped, Read, Write, Locked };
int64_t populate(FaultContext context, VirtRange range, Populate how = Populate::AsMapped);

// The rights a leaf of `vma` may have: never write where the kernel must see the first write.
// `exclusive`: an anonymous page nobody else holds; `dirty`: the leaf is dirty already.
Rights leaf_rights(const Core& core, const Vma& vma, bool exclusive, bool dirty);

// Lowers the start of a stack area to the page of `va`; null if limits do not allow it.
Vma* grow_stack(Core& core, AddressSpace& mm, Vma& vma, VirtAddr va);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_FAULT_H_
