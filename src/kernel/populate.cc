#include "kernel/populate.h"

#include <algorithm>

#include "base/linux_abi.h"
#include "kernel/anon_fault.h"
#include "kernel/fault.h"

namespace mmusim::kernel {

namespace {

// What is faulted in as if by a store, where `before` was the entry, gets none.
void made_without_store(FaultContext& c, VirtAddr page, pt::Entry before) {
  const pt::EntryFormat& format = *c.core.platform.format;
  if (before != pt::kNone && !(format.is_present(before) && format.is_special(before))) return;
  const pt::Lookup made = c.mm.table->peek(page);
  if (made.size == c.core.page() && !format.is_special(made.entry))
    forget_store(c.core, format.pfn_of(made.entry));
}

}  // namespace

int64_t populate(FaultContext c, VirtRange range, Populate how) {
  const pt::EntryFormat& format = *c.core.platform.format;
  const bool by_advice = how == Populate::Read || how == Populate::Write;
  c.maker = by_advice ? FaultContext::Maker::Advice : FaultContext::Maker::Call;
  // More cannot be there at once.
  uint64_t budget = c.core.platform.frames->total_frames() + c.core.settings.swap_pages;
  const uint64_t before = c.account.minor;
  int64_t result = 0;
  for (VirtAddr at = range.begin; at < range.end && budget > 0 && result == 0;) {
    Vma* vma = c.mm.vmas.find_from(at);
    const bool hole = vma == nullptr || vma->start > at;
    if (how != Populate::AsMapped && hole) {
      result = -abi::kENOMEM;
      break;
    }
    if (vma == nullptr || vma->start >= range.end) break;
    at = std::max(at, vma->start);
    const VirtAddr end = std::min(range.end, vma->end);
    const bool advised = how == Populate::Read || how == Populate::Write;
    bool write = how == Populate::Write;
    bool allowed = !vma->has(kVmPfnMap) && vma->has(write ? kVmWrite : kVmRead);
    if (!advised) {
      write = vma->has(kVmWrite) && !vma->is_shared();
      allowed = vma->has(kVmRights) && !vma->has(kVmPfnMap);
    }
    if (!allowed || (!advised && vma->has(kVmLockOnFault))) {
      if (advised) result = -abi::kEINVAL;
      if (how == Populate::Locked && !vma->has(kVmRights)) result = -abi::kEFAULT;
      at = end;
      continue;
    }
    while (at < end && budget > 0) {
      const pt::Lookup there = c.mm.table->find(at);
      if (format.is_present(there.entry) && (!write || format.is_writable(there.entry))) {
        const VirtAddr behind = there.base + there.size.bytes();
        budget -= std::min(budget, c.core.pages(behind - at));
        at = behind;
        continue;
      }
      const FaultOutcome outcome =
          handle_fault(c, *vma, at, write ? AccessKind::Store : AccessKind::Load);
      if (outcome != FaultOutcome::Fixed) {
        result = outcome == FaultOutcome::NoMemory ? -abi::kENOMEM : -abi::kEFAULT;
        break;
      }
      if (write && vma->is_anonymous()) made_without_store(c, at, there.entry);
      at += c.core.page().bytes();
      --budget;
    }
  }
  c.core.counters.populated += c.account.minor - before;
  return result;
}

}  // namespace mmusim::kernel
