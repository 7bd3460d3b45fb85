#include "kernel/lock.h"

#include <algorithm>

#include "base/linux_abi.h"
#include "kernel/mapping.h"
#include "kernel/populate.h"

namespace mmusim::kernel {

using namespace abi;

namespace {

// Marks the areas of a range; not those whose pages the kernel does not count or pools.
int64_t mark(Core& core, AddressSpace& mm, VirtRange range, uint32_t locks) {
  VirtAddr at = range.begin;
  while (at < range.end) {
    const Vma* vma = mm.vmas.find(at);
    if (vma == nullptr) return -kENOMEM;
    const VirtRange part{at, std::min(range.end, vma->end)};
    at = part.end;
    if (vma->has(kVmPfnMap | kVmDontExpand | kVmHugeTlb)) continue;
    const int64_t result = change_flags(core, mm, part, locks, kVmLocks & ~locks);
    if (result != 0) return result;
  }
  return 0;
}

}  // namespace

int64_t lock_range(FaultContext c, VirtRange range, uint32_t locks) {
  const int64_t marked = mark(c.core, c.mm, range, locks);
  if (marked != 0 || locks == 0) return marked;
  const int64_t result = populate(c, range, Populate::Locked);
  if (result == -kEFAULT) return -kENOMEM;
  return result == -kENOMEM ? -kEAGAIN : result;
}

int64_t lock_all(FaultContext c, bool current, uint32_t locks, uint32_t future) {
  c.mm.lock_flags = future;
  if (!current) return 0;
  std::vector<VirtRange> areas;
  for (const auto& [start, vma] : c.mm.vmas.areas())
    areas.push_back(vma.range());
  for (const VirtRange& area : areas)
    static_cast<void>(mark(c.core, c.mm, area, locks));
  for (const VirtRange& area : areas)
    populate_locked(c, area);
  return 0;
}

void populate_locked(FaultContext c, VirtRange range) {
  const Vma* vma = c.mm.vmas.find(range.begin);
  if (vma != nullptr && vma->has(kVmLocked)) static_cast<void>(populate(c, range));
}

}  // namespace mmusim::kernel
