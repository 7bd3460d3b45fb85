#include "kernel/fault.h"

#include <algorithm>

#include "base/error.h"
#include "kernel/anon_fault.h"
#include "kernel/block_fault.h"
#include "kernel/entries.h"
#include "kernel/file_fault.h"
#include "kernel/hint_group.h"
#include "kernel/huge.h"
#include "kernel/huge_file.h"
#include "kernel/hugetlb_fault.h"
#include "kernel/implied.h"
#include "kernel/leaf_table.h"
#include "kernel/reclaim.h"
#include "kernel/share.h"
#include "kernel/swap_fault.h"
#include "kernel/writeback.h"

namespace mmusim::kernel {

namespace {

// Gives a present leaf the rights its area has now, marks it used, and drops the weaker one from
// this CPU's TLB.
void refresh_leaf(FaultContext& c, const Vma& vma, VirtAddr page, const pt::Slot& slot,
                  AccessKind kind, bool exclusive) {
  const pt::EntryFormat& format = *c.core.platform.format;
  pt::LeafFields fields = format.parse_leaf(slot.entry, c.core.page());
  fields.accessed = true;
  fields.dirty = fields.dirty || writes(kind);
  fields.rights = leaf_rights(c.core, vma, exclusive, fields.dirty);
  const pt::Entry next = format.make_leaf(fields);
  if (next != slot.entry) put_leaf(c, slot.handle, slot.entry, next);
  c.core.flushes.local(c.cpu, c.mm, page);
}

// Of a page that is not marked exclusive. Those who hold its swap slot are users too.
bool is_last_user(const Core& core, pt::Entry entry) {
  const Pfn pfn = core.platform.format->pfn_of(entry);
  return core.counts.references(pfn) == 1 && (core.swap == nullptr || !core.swap->slot_behind(pfn));
}

FaultOutcome refuse_guarded(const FaultContext& c) {
  ++c.core.counters.guards_met;
  return FaultOutcome::Refused;
}

// `joined`: the fault has just joined tables that had the page.
FaultOutcome fix_present(FaultContext& c, Vma& vma, VirtAddr page, const pt::Slot& slot,
                         AccessKind kind, bool joined) {
  const pt::EntryFormat& format = *c.core.platform.format;
  if (is_guard(format, slot.entry)) return refuse_guarded(c);
  if (!format.is_present(slot.entry)) return swap_in(c, vma, page, slot, kind);
  mem::Frame* frame = format.is_special(slot.entry)
                          ? nullptr
                          : &c.core.platform.frames->frame(format.pfn_of(slot.entry));
  const bool anonymous = frame != nullptr && frame->use == mem::FrameUse::Anonymous;
  FaultCause cause = joined ? FaultCause::Joined : FaultCause::Spurious;
  if (writes(kind) && !format.is_writable(slot.entry)) {
    if (vma.is_shared()) {
      cause = FaultCause::SharedMakeWritable;
      note_written(c.core, vma, page);
    } else if (anonymous && (frame->exclusive || is_last_user(c.core, slot.entry))) {
      frame->exclusive = true;
      cause = FaultCause::CowReuse;
    } else {
      return copy_on_write(c, vma, page, slot);
    }
  }
  refresh_leaf(c, vma, page, slot, kind, anonymous && frame->exclusive);
  finish_fault(c, cause, false);
  return FaultOutcome::Fixed;
}

// `joined` becomes true where the fault joins tables.
FaultOutcome try_fault(FaultContext& c, Vma& vma, VirtAddr va, AccessKind kind, bool& joined) {
  const VirtAddr page = align_down(va, c.core.page());
  if (vma.has(kVmHugeTlb)) return hugetlb_fault(c, vma, va, kind);
  const bool behind_file = !vma.is_anonymous() && vma.pgoff + c.core.pages(page - vma.start) >=
                                                      c.core.cache.file(vma.file).pages;
  if (behind_file) {
    const pt::EntryFormat& format = *c.core.platform.format;
    const pt::Entry there = c.mm.table->find(page).entry;
    if (is_guard(format, there)) return refuse_guarded(c);
    // A huge folio may reach over the end.
    if (there == pt::kNone || !format.is_present(there))
      return fault_behind_file(c, vma, page, kind);
  }
  if (c.core.settings.shared_table_bytes != 0) {
    if (writes(kind) && !vma.is_shared())
      leave_tables(c.core, c.mm, {page, page + c.core.page().bytes()});
    else
      joined = join_tables(c.core, c.mm, vma, page) || joined;
  }
  const bool huge_wanted = !thp_disabled(c.mm, vma) && huge_allowed(c.core, vma, page);
  if (huge_wanted && !has_leaf_table(c.core, c.mm, page, *c.core.huge())) {
    if (const auto outcome = map_huge(c, vma, page, kind)) return *outcome;
  }
  if (!c.core.sizes.blocks.empty() && vma.is_anonymous() && !thp_disabled(c.mm, vma)) {
    if (const auto outcome = map_block(c, vma, page, kind)) return *outcome;
  }
  if (!vma.is_anonymous()) {
    if (const auto outcome = map_huge_folio(c, vma, page, kind)) return *outcome;
  }
  // For files it matters whether there is a leaf table before one is made.
  pt::Lookup before;
  if (!vma.is_anonymous()) before = c.mm.table->peek(page);
  pt::Slot slot = c.mm.table->ensure_in(vma.range(), page, c.core.page());
  if (slot.status == pt::Status::Overlap) {
    if (const auto outcome = fix_huge(c, vma, page, slot, kind)) return *outcome;
    if (behind_file) return fault_behind_file(c, vma, page, kind);
    slot = c.mm.table->ensure(page, c.core.page());
  }
  if (slot.status == pt::Status::NoMemory) return FaultOutcome::NoMemory;
  if (slot.status == pt::Status::NotSupported) {  // no such address
    ++c.core.counters.refused_no_place;
    return FaultOutcome::Refused;
  }
  MMUSIM_ASSERT(slot.status == pt::Status::Ok);
  if (const auto group = group_at(c.core, c.mm, page, slot.entry)) {
    if (const auto outcome = fix_group(c, vma, *group, slot, kind)) return *outcome;
    slot = c.mm.table->ensure(page, c.core.page());
  }
  if (slot.entry != pt::kNone) return fix_present(c, vma, page, slot, kind, joined);
  if (vma.is_anonymous()) return map_anonymous(c, vma, slot, kind);
  return map_file(c, vma, page, slot, kind, before);
}

}  // namespace

FaultOutcome handle_fault(FaultContext c, Vma& vma, VirtAddr va, AccessKind kind) {
  bool joined = false;
  for (unsigned attempt = 0;; ++attempt) {
    const FaultOutcome outcome = try_fault(c, vma, va, kind, joined);
    if (outcome != FaultOutcome::NoMemory || !make_room(c.core, attempt)) return outcome;
  }
}

namespace {

// Lowers the start of a stack area to the page of `va`; null if limits do not allow it.
Vma* grow_stack(Core& core, AddressSpace& mm, Vma& vma, VirtAddr va) {
  const mmu::AddressLayout& layout = core.platform.layout;
  const VirtAddr start = align_down(va, core.page());
  if (!vma.has(kVmGrowsDown) || !vma.is_anonymous() || start < layout.lowest) return nullptr;
  const Vma* below = mm.vmas.find_before(vma.start);
  if (below != nullptr) {
    if (below->end > start) return nullptr;
    const bool guarded = below->has(kVmRights) && !below->has(kVmGrowsDown);
    if (guarded && start - below->end < layout.stack_gap) return nullptr;
  }
  // Linux needs the anon_vma's lock to grow: it is made while the area is still where it was, which
  // decides whose it can share, and even if the area is too large to grow.
  prepare_anon(core, mm, vma);
  if (vma.end - start > layout.stack_limit) return nullptr;
  ++core.counters.stack_growths;
  return &mm.vmas.set_start(vma, start);
}

}  // namespace

FaultOutcome user_fault(FaultContext c, VirtAddr va, AccessKind kind, mmu::FaultReason reason) {
  Counters& counters = c.core.counters;
  Vma* vma = c.mm.vmas.find(va);
  if (vma == nullptr) {
    if (Vma* above = c.mm.vmas.find_from(va); above != nullptr && above->has(kVmGrowsDown))
      vma = grow_stack(c.core, c.mm, *above, va);
  }
  if (vma == nullptr && c.core.settings.imply) vma = imply_area(c.core, c.mm, va, kind);
  // Where entries cannot refuse fetches, the processor reports them as reads.
  const bool as_read = !c.core.refuses_fetches() ||
                       (c.core.platform.layout.fetches_fault_as_reads && vma != nullptr &&
                        !vma->has(kVmImplied) && reason == mmu::FaultReason::NotPresent);
  const AccessKind reported = kind == AccessKind::Fetch && as_read ? AccessKind::Load : kind;
  if (vma != nullptr && !vma->allows(reported)) {
    const bool may_widen = c.core.settings.imply && vma->has(kVmImplied);
    vma = may_widen ? &widen_area(c.core, c.mm, *vma, kind) : nullptr;
  }
  const FaultOutcome outcome =
      vma == nullptr ? FaultOutcome::Refused : handle_fault(c, *vma, va, kind);
  if (outcome == FaultOutcome::Fixed) c.core.flushes.resident(c.mm);
  if (outcome == FaultOutcome::Refused) ++counters.refused;
  if (outcome == FaultOutcome::NoMemory) ++counters.no_memory;
  return outcome;
}

}  // namespace mmusim::kernel
