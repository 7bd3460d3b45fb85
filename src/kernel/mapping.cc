#include "kernel/mapping.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/linux_abi.h"
#include "kernel/entries.h"
#include "kernel/huge_split.h"
#include "kernel/populate.h"
#include "kernel/share.h"
#include "kernel/superpage_policy.h"
#include "kernel/zap.h"

namespace mmusim::kernel {

using namespace abi;

uint32_t vm_rights(uint32_t prot) {
  static_assert(kVmRead == uint32_t{kProtRead} && kVmWrite == uint32_t{kProtWrite} &&
                kVmExec == uint32_t{kProtExec});
  return prot & kProtRights;
}

uint32_t vm_flags(uint32_t prot, uint32_t map_flags) {
  uint32_t flags = vm_rights(prot);
  const bool shared = (map_flags & kMapShared) != 0;  // also of kMapSharedValidate
  if (shared) flags |= kVmShared;
  if ((map_flags & kMapGrowsDown) != 0 && !shared) flags |= kVmGrowsDown;
  if ((map_flags & kMapLocked) != 0) flags |= kVmLocked;
  if ((map_flags & kMapNoReserve) != 0) flags |= kVmNoReserve;
  if (!shared && (flags & kVmWrite) != 0 && (flags & kVmNoReserve) == 0) flags |= kVmAccount;
  return flags;
}

uint32_t pool_flags(uint32_t flags, bool noreserve) {
  flags &= ~static_cast<uint32_t>(kVmLocks | kVmAccount);
  flags |= kVmHugeTlb | kVmDontExpand;
  if ((flags & kVmShared) == 0 && !noreserve) flags |= kVmHugeOwner;
  return flags;
}

namespace {

// Whether `at` lies within an area, and inside one of its pool's huge pages.
bool inside_pool_page(const Core& core, AddressSpace& mm, VirtAddr at) {
  const Vma* vma = mm.vmas.find(at);
  return vma != nullptr && vma->has(kVmHugeTlb) && !is_aligned(at, core.files.pool_page(*vma));
}

// Divides the area around `at`, and a huge leaf that lies across. -EINVAL: not possible there.
int64_t split_area(Core& core, AddressSpace& mm, VirtAddr at, SplitCause why) {
  if (inside_pool_page(core, mm, at)) return -kEINVAL;
  if (mm.vmas.split(at)) split_huge_at(core, mm, at, why);
  return 0;
}

// Whether the part of `vma` in `range` would become one area with a neighbour if it had `flags`.
bool joins_neighbour(AddressSpace& mm, const Vma& vma, VirtRange range, uint32_t flags) {
  Vma part = vma;
  part.start = range.begin;
  part.end = range.end;
  part.pgoff += (range.begin - vma.start) >> mm.vmas.page().log2();
  part.flags = flags;
  const Vma* below = range.begin == vma.start ? mm.vmas.find_before(vma.start) : nullptr;
  if (below != nullptr && mm.vmas.can_merge(*below, part)) return true;
  const Vma* above = range.end == vma.end ? mm.vmas.next(vma) : nullptr;
  return above != nullptr && mm.vmas.can_merge(part, *above);
}

// Makes the part of an area in `range`, which is to have `flags`, an area of its own. Linux merges
// before it splits: a part that is about to join a neighbour only moves a border, which the limit
// does not forbid. Else each split asks for itself, and the first stays where the second fails
// (vma_modify). -ENOMEM: there would be too many areas; -EINVAL: not possible there.
int64_t split_off(Core& core, AddressSpace& mm, VirtRange range, uint32_t flags) {
  const bool joins = joins_neighbour(mm, *mm.vmas.find(range.begin), range, flags);
  for (const VirtAddr at : {range.begin, range.end}) {
    const Vma* there = mm.vmas.find(at);
    if (there == nullptr || there->start == at) continue;
    if (!joins && mm.vmas.size() >= core.settings.max_map_count) return -kENOMEM;
    if (const int64_t result = split_area(core, mm, at, SplitCause::Protect); result != 0)
      return result;
  }
  return 0;
}

// An area that fits both neighbours, which do not fit each other, becomes part of the lower one
// (Linux: can_vma_merge_right).
void merge_ends(AddressSpace& mm, VirtRange range) {
  mm.vmas.merge(range.begin);
  mm.vmas.merge(range.end);
}

// Gives the leaves of `vma` within `range` the rights the area has now, and flushes those that it
// changes: also to more rights, as Linux does, which spares faults on old translations (Linux:
// change_protection, pte_needs_flush).
void reprotect(Core& core, AddressSpace& mm, const Vma& vma, VirtRange range, ZapBatch& batch) {
  const pt::EntryFormat& format = *core.platform.format;
  const auto cursor = mm.table->cursor(range);
  pt::Run run;
  while (cursor->next(run)) {
    uint64_t writes = 0;
    for (uint32_t i = 0; i < run.count; ++i) {
      const pt::Entry e = run.get(i);
      if (e == pt::kNone || !format.is_present(e)) continue;
      bool exclusive = false;
      if (!format.is_special(e)) {
        const Pfn pfn =
            run.size == core.page() ? format.pfn_of(e) : format.parse_leaf(e, run.size).pfn;
        const mem::Frame& frame = core.platform.frames->frame(pfn);
        exclusive = frame.use == mem::FrameUse::Anonymous && core.counts.is_exclusive(pfn);
      }
      const Rights rights = leaf_rights(core, vma, exclusive, format.is_dirty(e));
      const pt::Entry next = format.with_rights(e, rights);
      if (next == e) continue;
      run.set(i, next);
      ++writes;
      batch.weaken(run.address(i), run.size);
    }
    run.report(*core.platform.sink, mem::Origin::Kernel, run.count, writes);
  }
}

}  // namespace

int64_t unmap_range(Core& core, AddressSpace& mm, VirtRange range) {
  if (!mm.vmas.overlaps(range)) return 0;
  // Linux refuses before it splits: a hole in one area raises the count.
  const Vma* whole = mm.vmas.find(range.begin);
  if (whole != nullptr && whole->start < range.begin && whole->end > range.end &&
      mm.vmas.size() >= core.settings.max_map_count)
    return -kENOMEM;
  // Where the end cannot be split the beginning stays so.
  for (const VirtAddr at : {range.begin, range.end}) {
    if (const int64_t result = split_area(core, mm, at, SplitCause::Unmap); result != 0) {
      core.accounts.note_vmas(mm);
      return result;
    }
  }

  ZapBatch batch(core, mm);
  std::vector<Vma> dead;
  for (Vma* vma = mm.vmas.find_from(range.begin); vma != nullptr && vma->start < range.end;
       vma = mm.vmas.next(*vma))
    dead.push_back(*vma);
  for (const Vma& vma : dead) {
    zap(batch, vma, vma.range());
    mm.vmas.erase(vma.start);
  }
  const Vma* below = mm.vmas.find_before(dead.front().start);
  const Vma* above = mm.vmas.find_from(dead.back().end);
  batch.trim_areas(dead, below != nullptr ? below->end : VirtAddr(0),
                   above != nullptr ? above->start : VirtAddr(0));
  batch.finish();
  for (const Vma& vma : dead)
    core.files.area_removed(vma, core.pages(vma.range().bytes()));
  core.accounts.note_vmas(mm);
  return 0;
}

int64_t map_area(Core& core, AddressSpace& mm, const Mapping& mapping) {
  // Linux lets mmap go one past the limit.
  if (mm.vmas.size() > core.settings.max_map_count) return -kENOMEM;
  const bool pool = (mapping.flags & kVmHugeTlb) != 0;
  if (!core.may_hold(mapping.range, pool ? core.cache.file(mapping.file).pool : std::nullopt))
    return -kEINVAL;
  if (const int64_t result = unmap_range(core, mm, mapping.range); result != 0) return result;
  Vma vma;
  vma.start = mapping.range.begin;
  vma.end = mapping.range.end;
  vma.flags = mapping.flags;
  vma.file = mapping.file;
  vma.pgoff = vma.is_anonymous() ? core.pages(vma.start.value()) : mapping.pgoff;
  core.files.area_added(vma, core.pages(vma.range().bytes()));
  mm.vmas.insert_and_merge(vma);
  core.accounts.note_vmas(mm);
  return 0;
}

int64_t protect_range(FaultContext context, VirtRange range, uint32_t prot, bool skip_holes) {
  Core& core = context.core;
  AddressSpace& mm = context.mm;
  std::vector<VirtRange> fault_in;
  std::vector<VirtRange> changed;
  int64_t result = 0;
  ZapBatch batch(core, mm, ZapBatch::Scope::Protect);
  VirtAddr at = range.begin;
  while (at < range.end) {
    const Vma* there = mm.vmas.find_from(at);
    if (there == nullptr || there->start >= range.end || (there->start > at && !skip_holes)) {
      result = skip_holes ? 0 : -kENOMEM;
      break;
    }
    const VirtRange part{std::max(at, there->start), std::min(range.end, there->end)};
    at = part.end;
    uint32_t flags = (there->flags & ~kVmRights) | vm_rights(prot);
    if (flags == there->flags) continue;
    if ((flags & kVmWrite) != 0) {
      if (!there->has(kVmAccount | kVmWrite | kVmHugeTlb | kVmShared | kVmNoReserve)) {
        if (!skip_holes && !core.may_commit(part.bytes())) {
          result = -kENOMEM;
          break;
        }
        flags |= kVmAccount;
      }
    } else if (there->is_anonymous() && there->anon == AnonVmaId(0)) {
      flags &= ~kVmAccount;  // Linux 6.7 and later: nothing was ever charged
    }
    if (result = split_off(core, mm, part, flags); result != 0) break;
    Vma& vma = *mm.vmas.find(part.begin);
    // Locked private memory gets its own pages as soon as it may be written.
    if ((vma.flags & (kVmWrite | kVmShared | kVmLocked)) == kVmLocked && (flags & kVmWrite) != 0)
      fault_in.push_back(part);
    leave_tables(core, mm, part, batch);
    vma.flags = flags;
    reprotect(core, mm, vma, part, batch);
    merge_ends(mm, part);
    if (core.policy != nullptr) changed.push_back(part);
  }
  batch.finish();
  core.accounts.note_vmas(mm);
  for (const VirtRange& part : changed)
    core.policy->reprotected(mm, *mm.vmas.find(part.begin), part);
  for (const VirtRange& part : fault_in)
    static_cast<void>(populate(context, part));
  return result;
}

int64_t change_flags(Core& core, AddressSpace& mm, VirtRange range, uint32_t set, uint32_t clear) {
  int64_t result = 0;
  VirtAddr at = range.begin;
  while (at < range.end) {
    const Vma* there = mm.vmas.find_from(at);
    if (there == nullptr || there->start >= range.end) break;
    const VirtRange part{std::max(at, there->start), std::min(range.end, there->end)};
    at = part.end;
    const uint32_t flags = (there->flags & ~clear) | set;
    if (flags == there->flags) continue;
    if (result = split_off(core, mm, part, flags); result != 0) break;
    mm.vmas.find(part.begin)->flags = flags;
    merge_ends(mm, part);
  }
  core.accounts.note_vmas(mm);
  return result;
}

void extend_area(Core& core, AddressSpace& mm, VirtAddr end, VirtAddr new_end) {
  Vma* vma = mm.vmas.find_before(end);
  MMUSIM_ASSERT(vma != nullptr && vma->end == end && !mm.vmas.overlaps({end, new_end}));
  mm.vmas.set_end(*vma, new_end);
  core.files.area_added(*vma, core.pages(new_end - end));
  mm.vmas.merge(new_end);
  core.accounts.note_vmas(mm);
}

int64_t drop_contents(Core& core, AddressSpace& mm, VirtRange range, bool locked_too) {
  int64_t result = 0;
  ZapBatch batch(core, mm);
  for (Vma* vma = mm.vmas.find_from(range.begin); vma != nullptr && vma->start < range.end;
       vma = mm.vmas.next(*vma)) {
    VirtRange part{std::max(range.begin, vma->start), std::min(range.end, vma->end)};
    const bool kept = vma->has(kVmPfnMap) || (vma->has(kVmLocked) && !locked_too);
    if (kept || inside_pool_page(core, mm, part.begin)) {
      result = -kEINVAL;
      break;
    }
    if (vma->has(kVmHugeTlb)) {
      part.end = align_down(part.end, core.files.pool_page(*vma));
      if (part.empty()) continue;
    }
    zap(batch, *vma, part, ZapPages::Contents);
    if (core.settings.pt_reclaim) batch.reclaim_tables(part);
  }
  batch.finish();
  return result;
}

}  // namespace mmusim::kernel
