#include "kernel/mapping.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "kernel/fault.h"
#include "kernel/linux_abi.h"
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

namespace {

// How many areas more there would be with borders at both ends of `range`.
uint64_t splits_needed(AddressSpace& mm, VirtRange range) {
  const Vma* first = mm.vmas.find(range.begin);
  const bool at_begin = first != nullptr && first->start < range.begin;
  const Vma* last = mm.vmas.find(range.end);
  const bool at_end = last != nullptr && last->start < range.end;
  return (at_begin ? 1u : 0u) + (at_end ? 1u : 0u);
}

// Splits at both ends; false if there would be too many areas.
bool split_ends(Core& core, AddressSpace& mm, VirtRange range) {
  if (mm.vmas.size() + splits_needed(mm, range) > core.settings.max_map_count) return false;
  mm.vmas.split(range.begin);
  mm.vmas.split(range.end);
  return true;
}

// Gives the leaves of `vma` within `range` the rights the area has now, and flushes those that
// became weaker (Linux: change_protection).
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
        const mem::Frame& frame = core.platform.frames->frame(format.pfn_of(e));
        exclusive = frame.use == mem::FrameUse::Anonymous && frame.exclusive;
      }
      const Rights rights = leaf_rights(core, vma, exclusive, format.is_dirty(e));
      const pt::Entry next = format.with_rights(e, rights);
      if (next == e) continue;
      const Rights before = format.parse_leaf(e, run.size).rights;
      run.set(i, next);
      ++writes;
      if ((before.bits() & ~rights.bits()) != 0) batch.weaken(run.address(i), run.size);
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
  mm.vmas.split(range.begin);
  mm.vmas.split(range.end);

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

int64_t protect_range(Core& core, AddressSpace& mm, VirtRange range, uint32_t prot, bool skip_holes,
                      std::vector<VirtRange>& to_populate) {
  int64_t result = 0;
  ZapBatch batch(core, mm);
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
    if ((flags & kVmWrite) != 0) {
      if ((flags & (kVmShared | kVmNoReserve)) == 0) flags |= kVmAccount;
    } else if (there->is_anonymous() && there->anon == AnonVmaId(0)) {
      flags &= ~kVmAccount;  // Linux 6.7 and later: nothing was ever charged
    }
    if (flags == there->flags) continue;
    if (!split_ends(core, mm, part)) {
      result = -kENOMEM;
      break;
    }
    Vma& vma = *mm.vmas.find(part.begin);
    const bool locked_read_only = (vma.flags & (kVmWrite | kVmShared | kVmLocked)) == kVmLocked;
    if (locked_read_only && (flags & kVmWrite) != 0) to_populate.push_back(part);
    vma.flags = flags;
    reprotect(core, mm, vma, part, batch);
    mm.vmas.merge(part.end);
    mm.vmas.merge(part.begin);
  }
  batch.finish();
  core.note_vmas(mm);
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
    if (!split_ends(core, mm, part)) {
      result = -kENOMEM;
      break;
    }
    mm.vmas.find(part.begin)->flags = flags;
    mm.vmas.merge(part.end);
    mm.vmas.merge(part.begin);
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
  uint64_t done = 0;
  const pt::Status status = mm.table->move_range(from.begin, to.begin, bytes, done);
  if (status != pt::Status::Ok) {
    // Back again: the tables it came from still stand, so this needs no memory.
    uint64_t back = 0;
    const pt::Status undone = mm.table->move_range(to.begin, from.begin, done, back);
    MMUSIM_ASSERT(undone == pt::Status::Ok);
    ZapBatch batch(core, mm);
    const Vma* below = mm.vmas.find_before(to.begin);
    const Vma* above = mm.vmas.find_from(to.end);
    batch.trim(to, below != nullptr ? below->end : VirtAddr(0),
               above != nullptr ? above->start : VirtAddr(0));
    batch.finish();
    core.flush_mm(mm);
    return -kENOMEM;
  }
  core.area_added(target, core.pages(to.bytes()));
  const bool moves_all = source->range() == from;
  mm.vmas.insert_and_merge(target);
  if (keep_old) {
    // The whole old area is locked no more, and its pages are elsewhere.
    Vma& old = *mm.vmas.find(from.begin);
    old.flags &= ~static_cast<uint32_t>(kVmLocked);
    if (moves_all && !old.range().contains(to.begin)) {
      old.anon = AnonVmaId(0);
      old.anon_chain = 0;
    }
  }
  // Whole tables may have changed place, so walk caches go too.
  core.flush_range(mm, {from.begin, from.begin + bytes}, core.page(), true);
  core.note_tables();
  core.note_vmas(mm);
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

void drop_contents(Core& core, AddressSpace& mm, VirtRange range) {
  ZapBatch batch(core, mm);
  for (Vma* vma = mm.vmas.find_from(range.begin); vma != nullptr && vma->start < range.end;
       vma = mm.vmas.next(*vma)) {
    const VirtRange part{std::max(range.begin, vma->start), std::min(range.end, vma->end)};
    batch.zap(*vma, part);
    if (core.settings.pt_reclaim) batch.reclaim_tables(part);
  }
  batch.finish();
}

}  // namespace mmusim::kernel
