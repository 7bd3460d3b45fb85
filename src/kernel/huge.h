// Transparent huge pages: anonymous memory mapped by one leaf of Core::huge(), and of other sizes
// that kernel.thp.sizes names (block_fault.h) (Linux: mm/huge_memory.c). Those made later than
// by faults: superpage_policy.h. Those of shared memory are in huge_file.h.
//
// With each such leaf goes the table memory that splitting it may need, so that munmap and the like
// cannot fail (huge_leaves.h). No huge leaf lies across the border of an area. The frames of
// a huge page are counted one by one: a part that is unmapped goes free at once, where Linux keeps
// the whole until memory is short.
#ifndef MMUSIM_KERNEL_HUGE_H_
#define MMUSIM_KERNEL_HUGE_H_

#include <optional>

#include "base/types.h"
#include "kernel/fault_context.h"

namespace mmusim::kernel {

// Whether that is to be used in the area, by its advice.
inline bool wants(HugePages when, const Vma& vma) {
  return when == HugePages::Always || (when == HugePages::Advised && vma.has(kVmHugePage));
}

// Whether the aligned block of that size around `page` lies in the area.
inline bool lies_in(const Vma& vma, VirtAddr page, PageShift size) {
  const VirtAddr base = align_down(page, size);
  return base >= vma.start && base < vma.end && vma.end - base >= size.bytes();
}

// Whether a fault at `page` may map a huge page: the setting, the area's advice, and room for it.
inline bool huge_allowed(const Core& core, const Vma& vma, VirtAddr page) {
  return wants(core.sizes.huge_when, vma) && core.huge() && vma.is_anonymous() &&
         !vma.has(kVmNoHugePage) && lies_in(vma, page, *core.huge());
}

// Whether the process wants none there (prctl(PR_SET_THP_DISABLE)).
inline bool thp_disabled(const AddressSpace& mm, const Vma& vma) {
  using Disabled = AddressSpace::ThpDisabled;
  return mm.thp_disabled == Disabled::All ||
         (mm.thp_disabled == Disabled::ExceptAdvised && !vma.has(kVmHugePage));
}

// A fault at an untouched page of an area where huge_allowed(). Nothing: base pages must do.
std::optional<FaultOutcome> map_huge(FaultContext& c, Vma& vma, VirtAddr page, AccessKind kind);

// A fault where a huge leaf is. Nothing: it was split, and the fault is a base page's now.
std::optional<FaultOutcome> fix_huge(FaultContext& c, Vma& vma, VirtAddr page, const pt::Slot& slot,
                                     AccessKind kind);

// A fault at an entry of a group, which holds `slot`. Nothing: it was split, and the fault is a
// base page's now.
struct HintGroup;
std::optional<FaultOutcome> fix_group(FaultContext& c, Vma& vma, const HintGroup& group,
                                      const pt::Slot& slot, AccessKind kind);

// A leaf for frames of private memory; `zero`: for those that are not counted.
pt::Entry huge_leaf(const Core& core, const Vma& vma, PageShift size, Pfn pfn, bool zero);

// Anonymous frames of that size are mapped at `base` now.
void account_huge(Core& core, AddressSpace& mm, const Vma& vma, VirtAddr base, PageShift size,
                  Pfn first);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_HUGE_H_
