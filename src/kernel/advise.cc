#include "kernel/advise.h"

#include <algorithm>

#include "kernel/huge.h"
#include "kernel/linux_abi.h"
#include "kernel/mapping.h"

namespace mmusim::kernel {

using namespace abi;

namespace {

// Only private anonymous memory can be wiped; what lies before other memory has been dealt with.
int64_t wipe_on_fork(Core& core, AddressSpace& mm, VirtRange range) {
  for (const Vma* vma = mm.vmas.find_from(range.begin); vma != nullptr && vma->start < range.end;
       vma = mm.vmas.next(*vma)) {
    if (vma->is_anonymous() && !vma->is_shared()) continue;
    const VirtRange before{range.begin, std::max(range.begin, vma->start)};
    if (!before.empty()) change_flags(core, mm, before, kVmWipeOnFork, 0);
    return -kEINVAL;
  }
  return change_flags(core, mm, range, kVmWipeOnFork, 0);
}

// One area after the other; the first that cannot be ends it.
int64_t collapse_areas(FaultContext context, VirtRange range) {
  for (Vma* vma = context.mm.vmas.find_from(range.begin);
       vma != nullptr && vma->start < range.end; vma = context.mm.vmas.next(*vma)) {
    const VirtRange part{std::max(range.begin, vma->start), std::min(range.end, vma->end)};
    if (const int64_t result = collapse(context, *vma, part); result != 0) return result;
  }
  return 0;
}

}  // namespace

int64_t advise(FaultContext context, VirtRange range, uint32_t advice) {
  Core& core = context.core;
  AddressSpace& mm = context.mm;
  switch (advice) {
    case kAdviceDontNeed:
    case kAdviceDontNeedLocked:
      return drop_contents(core, mm, range, advice == kAdviceDontNeedLocked);
    case kAdvicePopulateRead:
      return populate(context, range, Populate::Read);
    case kAdvicePopulateWrite:
      return populate(context, range, Populate::Write);
    case kAdviceNormal:
      return change_flags(core, mm, range, 0, kVmRandom | kVmSequential);
    case kAdviceRandom:
      return change_flags(core, mm, range, kVmRandom, kVmSequential);
    case kAdviceSequential:
      return change_flags(core, mm, range, kVmSequential, kVmRandom);
    case kAdviceDontFork:
      return change_flags(core, mm, range, kVmDontCopy, 0);
    case kAdviceDoFork:
      return change_flags(core, mm, range, 0, kVmDontCopy);
    case kAdviceWipeOnFork:
      return wipe_on_fork(core, mm, range);
    case kAdviceKeepOnFork:
      return change_flags(core, mm, range, 0, kVmWipeOnFork);
    // Known only to kernels that have huge pages.
    case kAdviceHugePage:
      if (!core.huge()) return -kEINVAL;
      return change_flags(core, mm, range, kVmHugePage, kVmNoHugePage);
    case kAdviceNoHugePage:
      if (!core.huge()) return -kEINVAL;
      return change_flags(core, mm, range, kVmNoHugePage, kVmHugePage);
    case kAdviceCollapse:
      return collapse_areas(context, range);
    case kAdviceDontDump:
      return change_flags(core, mm, range, kVmDontDump, 0);
    case kAdviceDoDump:
      return change_flags(core, mm, range, 0, kVmDontDump);
    case kAdviceMergeable:
      return change_flags(core, mm, range, kVmMergeable, 0);
    case kAdviceUnmergeable:
      return change_flags(core, mm, range, 0, kVmMergeable);
    // Hints about reclaim and read-ahead: no effect while memory is never short.
    case kAdviceWillNeed:
    case kAdviceFree:
    case kAdviceRemove:
    case kAdviceCold:
    case kAdvicePageOut:
      return 0;
    default:
      return -kEINVAL;
  }
}

}  // namespace mmusim::kernel
