#include "kernel/mapping.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "kernel/fault.h"
#include "kernel/huge.h"
#include "kernel/linux_abi.h"
#include "kernel/reclaim.h"
#include "kernel/share.h"
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

// How many areas more there would be with borders at both ends of `range`.
uint64_t splits_needed(AddressSpace& mm, VirtRange range) {
  const Vma* first = mm.vmas.find(range.begin);
  const bool at_begin = first != nullptr && first->start < range.begin;
  const Vma* last = mm.vmas.find(range.end);
  const bool at_end = last != nullptr && last->start < range.end;
  return (at_begin ? 1u : 0u) + (at_end ? 1u : 0u);
}

// Whether `at` lies within an area, and inside one of its pool's huge pages.
bool inside_pool_page(const Core& core, AddressSpace& mm, VirtAddr at) {
  const Vma* vma = mm.vmas.find(at);
  return vma != nullptr && vma->has(kVmHugeTlb) && !is_aligned(at, *core.huge());
}

// Divides the area around `at`, and a huge leaf that lies across.
void split_area(Core& core, AddressSpace& mm, VirtAddr at) {
  if (mm.vmas.split(at)) split_huge_at(core, mm, at);
}

// Splits at both ends. -ENOMEM: there would be too many areas; -EINVAL: not possible there.
int64_t split_ends(Core& core, AddressSpace& mm, VirtRange range) {
  if (mm.vmas.size() + splits_needed(mm, range) > core.settings.max_map_count) return -kENOMEM;
  if (inside_pool_page(core, mm, range.begin) || inside_pool_page(core, mm, range.end))
    return -kEINVAL;
  split_area(core, mm, range.begin);
  split_area(core, mm, range.end);
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
        exclusive = frame.use == mem::FrameUse::Anonymous && frame.exclusive;
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
  if (inside_pool_page(core, mm, range.begin) || inside_pool_page(core, mm, range.end))
    return -kEINVAL;
  split_area(core, mm, range.begin);
  split_area(core, mm, range.end);

  ZapBatch batch(core, mm);
  std::vector<Vma> dead;
  for (Vma* vma = mm.vmas.find_from(range.begin); vma != nullptr && vma->start < range.end;
       vma = mm.vmas.next(*vma))
    dead.push_back(*vma);
  for (const Vma& vma : dead) {
    batch.zap(vma, vma.range());
    mm.vmas.erase(vma.start);
  }
  const Vma* below = mm.vmas.find_before(dead.front().start);
  const Vma* above = mm.vmas.find_from(dead.back().end);
  batch.trim_areas(dead, below != nullptr ? below->end : VirtAddr(0),
                   above != nullptr ? above->start : VirtAddr(0));
  batch.finish();
  for (const Vma& vma : dead)
    core.area_removed(vma, core.pages(vma.range().bytes()));
  core.note_vmas(mm);
  return 0;
}

std::optional<VirtAddr> find_gap(const Core& core, const AddressSpace& mm, uint64_t bytes) {
  const mmu::AddressLayout& layout = core.platform.layout;
  if (layout.mmap_upward)
    return mm.vmas.lowest_gap(bytes, mm.mmap_base, layout.top, layout.stack_gap);
  const VirtAddr lowest = align_up(layout.lowest, core.page());
  const auto found = mm.vmas.highest_gap(bytes, lowest, mm.mmap_base, layout.stack_gap);
  return found ? found : mm.vmas.highest_gap(bytes, lowest, layout.top, layout.stack_gap);
}

int64_t map_area(Core& core, AddressSpace& mm, const Mapping& mapping) {
  // Linux lets mmap go one past the limit.
  if (mm.vmas.size() > core.settings.max_map_count) return -kENOMEM;
  if (const int64_t result = unmap_range(core, mm, mapping.range); result != 0) return result;
  Vma vma;
  vma.start = mapping.range.begin;
  vma.end = mapping.range.end;
  vma.flags = mapping.flags;
  vma.file = mapping.file;
  vma.pgoff = vma.is_anonymous() ? core.pages(vma.start.value()) : mapping.pgoff;
  core.area_added(vma, core.pages(vma.range().bytes()));
  mm.vmas.insert_and_merge(vma);
  core.note_vmas(mm);
  return 0;
}

int64_t protect_range(FaultContext context, VirtRange range, uint32_t prot, bool skip_holes) {
  Core& core = context.core;
  AddressSpace& mm = context.mm;
  std::vector<VirtRange> fault_in;
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
      if ((flags & (kVmShared | kVmNoReserve)) == 0) flags |= kVmAccount;
    } else if (there->is_anonymous() && there->anon == AnonVmaId(0)) {
      flags &= ~kVmAccount;  // Linux 6.7 and later: nothing was ever charged
    }
    if (result = split_ends(core, mm, part); result != 0) break;
    Vma& vma = *mm.vmas.find(part.begin);
    // Locked private memory gets its own pages as soon as it may be written.
    if ((vma.flags & (kVmWrite | kVmShared | kVmLocked)) == kVmLocked && (flags & kVmWrite) != 0)
      fault_in.push_back(part);
    leave_tables(core, mm, part, batch);
    vma.flags = flags;
    reprotect(core, mm, vma, part, batch);
    merge_ends(mm, part);
  }
  batch.finish();
  core.note_vmas(mm);
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
    if (result = split_ends(core, mm, part); result != 0) break;
    mm.vmas.find(part.begin)->flags = flags;
    merge_ends(mm, part);
  }
  core.note_vmas(mm);
  return result;
}

void extend_area(Core& core, AddressSpace& mm, VirtAddr end, VirtAddr new_end) {
  Vma* vma = mm.vmas.find_before(end);
  MMUSIM_ASSERT(vma != nullptr && vma->end == end && !mm.vmas.overlaps({end, new_end}));
  vma->end = new_end;
  core.area_added(*vma, core.pages(new_end - end));
  mm.vmas.merge(new_end);
  core.note_vmas(mm);
}

namespace {

// By how much a move begins earlier, so that a leaf table moves whole instead of its upper part
// leaf by leaf: where both ends lie equally far in their tables, the move goes at least to the end
// of the first, and nothing else is in these tables below it (Linux 6.7: try_realign_addr).
uint64_t widened(const Core& core, AddressSpace& mm, const Vma& source, VirtRange from,
                 VirtRange to) {
  const uint64_t span = core.table_span();
  const uint64_t below = from.begin.value() & (span - 1);
  if (below == 0 || below != (to.begin.value() & (span - 1)) || source.has(kVmHugeTlb)) return 0;
  if (std::min(from.bytes(), to.bytes()) < span - below || source.start != from.begin) return 0;
  const VirtRange old_part{from.begin - below, from.begin};
  const VirtRange new_part{to.begin - below, to.begin};
  const bool alone =
      !mm.vmas.overlaps(old_part) && !mm.vmas.overlaps(new_part) && !to.overlaps(old_part);
  return alone ? below : 0;
}

}  // namespace

int64_t move_area(Core& core, AddressSpace& mm, VirtRange from, VirtRange to, bool keep_old) {
  if (mm.vmas.size() + 3 > core.settings.max_map_count) return -kENOMEM;
  if (const int64_t result = unmap_range(core, mm, to); result != 0) return result;
  const Vma* source = mm.vmas.find(from.begin);
  if (source == nullptr || source->end < from.end) return -kEFAULT;  // the target was part of it

  Vma target = *source;
  target.start = to.begin;
  target.end = to.end;
  target.pgoff = source->is_anonymous() && source->anon == AnonVmaId(0)
                     ? core.pages(to.begin.value())
                     : source->pgoff + core.pages(from.begin - source->start);
  const uint64_t bytes = std::min(from.bytes(), to.bytes());
  const uint64_t earlier = widened(core, mm, *source, from, to);
  for (unsigned attempt = 0;; ++attempt) {
    leave_tables(core, mm, from);
    split_for_move(core, mm, from.begin, to.begin, bytes);
    uint64_t done = 0;
    const pt::Status status =
        mm.table->move_range(from.begin - earlier, to.begin - earlier, bytes + earlier, done);
    if (status == pt::Status::Ok) break;
    // Back again: the tables it came from still stand, so this needs no memory.
    uint64_t back = 0;
    const pt::Status undone =
        mm.table->move_range(to.begin - earlier, from.begin - earlier, done, back);
    MMUSIM_ASSERT(undone == pt::Status::Ok);
    ZapBatch batch(core, mm);
    const Vma* below = mm.vmas.find_before(to.begin);
    const Vma* above = mm.vmas.find_from(to.end);
    batch.trim(to, below != nullptr ? below->end : VirtAddr(0),
               above != nullptr ? above->start : VirtAddr(0));
    batch.finish();
    core.flush_mm(mm);
    if (!make_room(core, attempt)) return -kENOMEM;
  }
  core.area_added(target, core.pages(to.bytes()));
  const bool moves_all = source->range() == from;
  mm.vmas.insert_and_merge(target);
  if (keep_old) {
    // The whole old area is locked no more, and its pages are elsewhere.
    Vma& old = *mm.vmas.find(from.begin);
    old.flags &= ~uint32_t{kVmLocks};
    if (moves_all && !old.range().contains(to.begin))
      mm.vmas.set_anon(old, AnonVmaId(0), AnonVmaId(0), 0);
  }
  // Whole tables may have changed place, so walk caches go too.
  core.flush_range(mm, {from.begin, from.begin + bytes},
                   target.has(kVmHugeTlb) ? *core.huge() : core.page(), true,
                   mmu::RangeFlush::Change);
  core.note_tables();
  core.note_vmas(mm);
  // What was reserved for it went along. (A lock goes with the old area: unlocking it first could
  // merge it with a neighbour, which would get its anon_vma.)
  if (target.has(kVmHugeOwner)) {
    const int64_t left = change_flags(core, mm, from, 0, kVmHugeOwner);
    MMUSIM_ASSERT(left == 0);
  }
  if (keep_old) return 0;
  return unmap_range(core, mm, from);
}

int64_t move_areas(Core& core, AddressSpace& mm, VirtRange from, VirtAddr to, bool keep_old) {
  for (VirtAddr at = from.begin; at < from.end;) {
    const Vma* vma = mm.vmas.find_from(at);
    if (vma == nullptr || vma->start >= from.end) break;
    const VirtRange piece{std::max(vma->start, at), std::min(vma->end, from.end)};
    const VirtAddr target = to + (piece.begin - from.begin);
    const int64_t result = move_area(core, mm, piece, {target, target + piece.bytes()}, keep_old);
    if (result != 0) return result;
    at = piece.end;
  }
  return 0;
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
      part.end = align_down(part.end, *core.huge());
      if (part.empty()) continue;
    }
    batch.zap(*vma, part);
    if (core.settings.pt_reclaim) batch.reclaim_tables(part);
  }
  batch.finish();
  return result;
}

}  // namespace mmusim::kernel
