#include "kernel/advise.h"

#include <algorithm>

#include "base/linux_abi.h"
#include "kernel/collapse.h"
#include "kernel/folio_split.h"
#include "kernel/guard.h"
#include "kernel/mapping.h"
#include "kernel/populate.h"
#include "kernel/reclaim_advice.h"
#include "kernel/truncate.h"

namespace mmusim::kernel {

using namespace abi;

namespace {

// Does `one` to each area's part of the range in turn; the first error ends it, as in Linux.
template <class One>
int64_t each_area(AddressSpace& mm, VirtRange range, One one) {
  for (VirtAddr at = range.begin; at < range.end;) {
    Vma* vma = mm.vmas.find_from(at);
    if (vma == nullptr || vma->start >= range.end) break;
    const VirtRange part{std::max(at, vma->start), std::min(range.end, vma->end)};
    at = part.end;
    if (const int64_t result = one(*vma, part); result != 0) return result;
  }
  return 0;
}

// madvise says that it might work another time where it ran out of areas.
int64_t set_flags(Core& core, AddressSpace& mm, VirtRange range, uint32_t set, uint32_t clear) {
  const int64_t result = change_flags(core, mm, range, set, clear);
  return result == -kENOMEM ? -kEAGAIN : result;
}

bool is_private_anonymous(const Vma& vma) {
  return vma.is_anonymous() && !vma.is_shared();
}

// Only private anonymous memory can be wiped.
int64_t wipe_on_fork(Core& core, AddressSpace& mm, VirtRange range) {
  return each_area(mm, range, [&](const Vma& vma, VirtRange part) {
    return is_private_anonymous(vma) ? set_flags(core, mm, part, kVmWipeOnFork, 0) : -kEINVAL;
  });
}

// Shared memory and the kernel's own pages are never merged; the advice is ignored for them.
int64_t merge_same_pages(Core& core, AddressSpace& mm, VirtRange range) {
  return each_area(mm, range, [&](const Vma& vma, VirtRange part) {
    const bool never = vma.has(kVmShared | kVmPfnMap | kVmDontExpand | kVmHugeTlb);
    return never ? 0 : set_flags(core, mm, part, kVmMergeable, 0);
  });
}

// Hints about reclaim, not on any area.
int64_t hint_reclaim(Core& core, AddressSpace& mm, VirtRange range, ReclaimAdvice advice) {
  return each_area(mm, range, [&](const Vma& vma, VirtRange part) -> int64_t {
    const bool fits = advice != ReclaimAdvice::Free || is_private_anonymous(vma);
    if (!fits || vma.has(kVmLocked | kVmPfnMap | kVmHugeTlb)) return -kEINVAL;
    if (advice != ReclaimAdvice::Free) split_shown_in_part(core, mm, vma, part);
    advise_reclaim(core, mm, vma, part, advice);
    return 0;
  });
}

// A hole in what is shown, for all who show it. Pages of the pool cannot be had back that way here,
// where Linux's hugetlbfs punches them out.
int64_t remove(Core& core, const Vma& vma, VirtRange part) {
  if (vma.has(kVmLocked | kVmHugeTlb) || vma.is_anonymous()) return -kEINVAL;
  if (!vma.is_shared()) return -kEACCES;
  const uint64_t offset = (vma.pgoff << core.page().log2()) + (part.begin - vma.start);
  return allocate_file(core, vma.file, kFallocPunchHole | kFallocKeepSize, offset, part.bytes());
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
      return set_flags(core, mm, range, 0, kVmRandom | kVmSequential);
    case kAdviceRandom:
      return set_flags(core, mm, range, kVmRandom, kVmSequential);
    case kAdviceSequential:
      return set_flags(core, mm, range, kVmSequential, kVmRandom);
    case kAdviceDontFork:
      return set_flags(core, mm, range, kVmDontCopy, 0);
    case kAdviceDoFork:
      return set_flags(core, mm, range, 0, kVmDontCopy);
    case kAdviceWipeOnFork:
      return wipe_on_fork(core, mm, range);
    case kAdviceKeepOnFork:
      return set_flags(core, mm, range, 0, kVmWipeOnFork);
    // Known only to kernels that have huge pages.
    case kAdviceHugePage:
      if (!core.sizes.any()) return -kEINVAL;
      return set_flags(core, mm, range, kVmHugePage, kVmNoHugePage);
    case kAdviceNoHugePage:
      if (!core.sizes.any()) return -kEINVAL;
      return set_flags(core, mm, range, kVmNoHugePage, kVmHugePage);
    case kAdviceCollapse:
      return each_area(mm, range,
                       [&](Vma& vma, VirtRange part) { return collapse(context, vma, part); });
    case kAdviceDontDump:
      return set_flags(core, mm, range, kVmDontDump, 0);
    case kAdviceDoDump:
      return set_flags(core, mm, range, 0, kVmDontDump);
    case kAdviceMergeable:
      return merge_same_pages(core, mm, range);
    case kAdviceUnmergeable:
      return set_flags(core, mm, range, 0, kVmMergeable);
    case kAdviceFree:
      return hint_reclaim(core, mm, range, ReclaimAdvice::Free);
    case kAdviceCold:
      return hint_reclaim(core, mm, range, ReclaimAdvice::Cold);
    case kAdvicePageOut:
      return hint_reclaim(core, mm, range, ReclaimAdvice::PageOut);
    case kAdviceGuardInstall:
      return each_area(
          mm, range, [&](Vma& vma, VirtRange part) { return install_guards(core, mm, vma, part); });
    case kAdviceGuardRemove:
      return each_area(mm, range, [&](const Vma& vma, VirtRange part) {
        return remove_guards(core, mm, vma, part);
      });
    case kAdviceRemove:
      return each_area(mm, range,
                       [&](const Vma& vma, VirtRange part) { return remove(core, vma, part); });
    case kAdviceWillNeed:
      return 0;
    default:
      return -kEINVAL;
  }
}

}  // namespace mmusim::kernel
