#include "kernel/move.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/linux_abi.h"
#include "kernel/huge_split.h"
#include "kernel/mapping.h"
#include "kernel/reclaim.h"
#include "kernel/share.h"
#include "kernel/superpage_policy.h"
#include "kernel/zap_batch.h"

namespace mmusim::kernel {

using namespace abi;

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

// As PageTable::move_range(). Pages of a pool, by their size, move one by one, and nothing is made
// where there is none (Linux: move_hugetlb_page_tables).
pt::Status move_pages(AddressSpace& mm, std::optional<PageShift> pool, VirtAddr from, VirtAddr to,
                      uint64_t bytes, uint64_t& done) {
  if (!pool) return mm.table->move_range(from, to, bytes, done);
  const uint64_t page = pool->bytes();
  for (done = 0; done < bytes; done += page) {
    if (mm.table->find(from + done).entry == pt::kNone) continue;
    uint64_t moved = 0;
    const pt::Status status = mm.table->move_range(from + done, to + done, page, moved);
    if (status == pt::Status::Ok) continue;
    // Of one that several leaves show, some may have moved: back, which needs no memory.
    uint64_t back = 0;
    if (moved != 0) {
      const pt::Status undone = mm.table->move_range(to + done, from + done, moved, back);
      MMUSIM_ASSERT(undone == pt::Status::Ok);
    }
    return status;
  }
  return pt::Status::Ok;
}

}  // namespace

int64_t move_area(Core& core, AddressSpace& mm, VirtRange from, VirtRange to, bool keep_old) {
  if (const int64_t result = unmap_range(core, mm, to); result != 0) return result;
  // What is left of the source may be two areas; Linux wants to be far from the limit.
  if (mm.vmas.size() + 3 >= core.settings.max_map_count) return -kENOMEM;
  const Vma* source = mm.vmas.find(from.begin);
  if (source == nullptr || source->end < from.end) return -kEFAULT;  // the target was part of it

  Vma target = *source;
  target.start = to.begin;
  target.end = to.end;
  target.pgoff = source->is_anonymous() && source->anon == AnonVmaId(0)
                     ? core.pages(to.begin.value())
                     : source->pgoff + core.pages(from.begin - source->start);
  const std::optional<PageShift> pool =
      source->has(kVmHugeTlb) ? std::optional(core.files.pool_page(*source)) : std::nullopt;
  const uint64_t bytes = std::min(from.bytes(), to.bytes());
  const uint64_t earlier = widened(core, mm, *source, from, to);
  for (unsigned attempt = 0;; ++attempt) {
    leave_tables(core, mm, from);
    if (core.policy != nullptr) core.policy->leaving(mm, from);
    if (!pool) split_for_move(core, mm, from.begin, to.begin, bytes);
    uint64_t done = 0;
    const pt::Status status =
        move_pages(mm, pool, from.begin - earlier, to.begin - earlier, bytes + earlier, done);
    if (status == pt::Status::Ok) break;
    // Back again: the tables it came from still stand, so this needs no memory.
    uint64_t back = 0;
    const pt::Status undone =
        move_pages(mm, pool, to.begin - earlier, from.begin - earlier, done, back);
    MMUSIM_ASSERT(undone == pt::Status::Ok);
    ZapBatch batch(core, mm);
    const Vma* below = mm.vmas.find_before(to.begin);
    const Vma* above = mm.vmas.find_from(to.end);
    batch.trim(to, below != nullptr ? below->end : VirtAddr(0),
               above != nullptr ? above->start : VirtAddr(0));
    batch.finish();
    core.flushes.space(mm);
    if (!make_room(core, attempt)) return -kENOMEM;
  }
  core.files.area_added(target, core.pages(to.bytes()));
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
  core.flushes.range(mm, {from.begin, from.begin + bytes}, pool.value_or(core.page()), true,
                     mmu::RangeFlush::Change);
  core.accounts.note_tables();
  core.accounts.note_vmas(mm);
  // What was reserved goes along, also for what stays of the area, which has no reservation any
  // more (Linux: fixup_hugetlb_reservations). (A lock goes with the old area: unlocking it first
  // could merge it with a neighbour, which would get its anon_vma.)
  if (target.has(kVmHugeOwner)) mm.vmas.find(from.begin)->flags &= ~uint32_t{kVmHugeOwner};
  if (keep_old) return 0;
  return unmap_range(core, mm, from);
}

}  // namespace mmusim::kernel
