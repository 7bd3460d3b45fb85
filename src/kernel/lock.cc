#include "kernel/lock.h"

#include <algorithm>

#include "kernel/linux_abi.h"
#include "kernel/mapping.h"

namespace mmusim::kernel {

using namespace abi;

namespace {

// What of `range` is mapped before the first hole.
VirtRange before_hole(AddressSpace& mm, VirtRange range) {
  VirtAddr at = range.begin;
  while (at < range.end) {
    const Vma* vma = mm.vmas.find(at);
    if (vma == nullptr) break;
    at = vma->end;
  }
  return {range.begin, std::min(at, range.end)};
}

int64_t mark(Core& core, AddressSpace& mm, VirtRange range, uint32_t set, uint32_t clear) {
  const VirtRange mapped = before_hole(mm, range);
  const int64_t result = mapped.empty() ? 0 : change_flags(core, mm, mapped, set, clear);
  return result == 0 && mapped.end < range.end ? -kENOMEM : result;
}

}  // namespace

int64_t lock_range(FaultContext context, VirtRange range) {
  AddressSpace& mm = context.mm;
  if (const int64_t result = mark(context.core, mm, range, kVmLocked, 0); result != 0)
    return result;
  for (VirtAddr at = range.begin; at < range.end;) {
    const Vma& vma = *mm.vmas.find(at);
    const VirtRange part{at, std::min(vma.end, range.end)};
    at = part.end;
    if (vma.has(kVmPfnMap)) continue;
    if (!vma.has(kVmRights)) return -kENOMEM;
    const int64_t result = populate(context, part);
    if (result != 0) return result == -kENOMEM ? -kEAGAIN : -kENOMEM;
  }
  return 0;
}

int64_t unlock_range(Core& core, AddressSpace& mm, VirtRange range) {
  return mark(core, mm, range, 0, kVmLocked);
}

}  // namespace mmusim::kernel
