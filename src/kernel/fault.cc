#include "kernel/fault.h"

#include <algorithm>

#include "base/error.h"
#include "kernel/fault_internal.h"
#include "kernel/guard.h"
#include "kernel/huge.h"
#include "kernel/huge_file.h"
#include "kernel/implied.h"
#include "kernel/linux_abi.h"
#include "kernel/reclaim.h"
#include "kernel/share.h"
#include "kernel/writeback.h"

namespace mmusim::kernel {

Rights leaf_rights(const Core& core, const Vma& vma, bool exclusive, bool dirty) {
  if (!vma.has(kVmRights)) return Rights();
  unsigned bits = Rights::kRead | Rights::kUser;
  if (vma.has(kVmExec)) bits |= Rights::kExec;
  const bool write_seen =
      vma.is_shared() ? dirty || core.kind_of(vma) == PageKind::Shmem : exclusive;
  if (vma.has(kVmWrite) && write_seen) bits |= Rights::kWrite;
  return Rights(bits);
}

void finish_fault(FaultContext& c, FaultCause cause, bool major) {
  ++c.core.counters.cause[cause];
  if (major) {
    ++c.core.counters.major;
    ++c.account.major;
  } else {
    ++c.core.counters.minor;
    ++c.account.minor;
  }
  c.core.note_tables();
}

void put_leaf(FaultContext& c, const pt::Handle& handle, pt::Entry expected, pt::Entry next) {
  // Nothing happens between taking the handle and using it, so it cannot be stale.
  const pt::Status status = c.mm.table->install(handle, expected, next);
  MMUSIM_ASSERT(status == pt::Status::Ok);
}

void prepare_anon(FaultContext& c, Vma& vma) {
  if (vma.anon != AnonVmaId(0)) return;
  const auto compatible = [&](const Vma& a, const Vma& b) {
    return a.end == b.start && a.file == b.file &&
           ((a.flags ^ b.flags) & ~(kVmRights | kVmSticky)) == 0 &&
           a.pgoff + c.core.pages(a.range().bytes()) == b.pgoff;
  };
  const Vma* next = c.mm.vmas.next(vma);
  const Vma* before = c.mm.vmas.find_before(vma.start);
  if (next != nullptr && next->anon_chain == 1 && compatible(vma, *next)) {
    c.mm.vmas.set_anon(vma, next->anon, next->anon_root, 1);
  } else if (before != nullptr && before->anon_chain == 1 && compatible(*before, vma)) {
    c.mm.vmas.set_anon(vma, before->anon, before->anon_root, 1);
  } else {
    const AnonVmaId fresh = c.core.new_anon_vma();
    c.mm.vmas.set_anon(vma, fresh, fresh, 1);
  }
}

namespace {

pt::Entry anonymous_leaf(const FaultContext& c, const Vma& vma, Pfn pfn) {
  return c.core.platform.format->make_leaf({.pfn = pfn,
                                            .size = c.core.page(),
                                            .rights = leaf_rights(c.core, vma, true, true),
                                            .accessed = true,
                                            .dirty = vma.has(kVmWrite)});
}

// The page was made, and is all zeros still.
void forget_store(Core& core, Pfn pfn) {
  if (!core.huge() || core.settings.thp == HugePages::Disabled) return;
  core.platform.frames->frame(pfn).written = false;
  core.tracks_stores = true;
}

FaultOutcome map_anonymous(FaultContext& c, Vma& vma, const pt::Slot& slot, AccessKind kind) {
  if (writes(kind) || !c.core.settings.zero_page) {
    const auto pfn = c.core.new_anonymous(c.mm);
    if (!pfn) return FaultOutcome::NoMemory;
    prepare_anon(c, vma);
    put_leaf(c, slot.handle, pt::kNone, anonymous_leaf(c, vma, *pfn));
    c.core.mapped_anonymous(c.mm, vma, slot.handle.base, *pfn);
    if (!writes(kind)) forget_store(c.core, *pfn);
    finish_fault(c, FaultCause::Anonymous, false);
  } else {
    const auto pfn = c.core.zero_page();
    if (!pfn) return FaultOutcome::NoMemory;
    put_leaf(c, slot.handle, pt::kNone,
             c.core.platform.format->make_leaf({.pfn = *pfn,
                                                .size = c.core.page(),
                                                .rights = leaf_rights(c.core, vma, false, false),
                                                .accessed = true,
                                                .special = true}));
    finish_fault(c, FaultCause::AnonymousZero, false);
  }
  if (vma.has(kVmImplied)) ++c.core.counters.implied_pages;
  return FaultOutcome::Fixed;
}

// Replaces what a private area shows read-only by a page of its own.
FaultOutcome copy_page(FaultContext& c, Vma& vma, VirtAddr page, const pt::Slot& slot) {
  const pt::EntryFormat& format = *c.core.platform.format;
  const auto pfn = c.core.new_anonymous(c.mm);
  if (!pfn) return FaultOutcome::NoMemory;
  prepare_anon(c, vma);
  put_leaf(c, slot.handle, slot.entry, anonymous_leaf(c, vma, *pfn));
  ZapBatch batch(c.core, c.mm, ZapBatch::Scope::Pages);
  FaultCause cause = FaultCause::CowCopy;
  if (format.is_special(slot.entry)) {
    batch.weaken(page, c.core.page());
    cause = FaultCause::CowZero;
  } else {
    const Pfn old = format.pfn_of(slot.entry);
    mem::Frame& frame = c.core.platform.frames->frame(old);
    --frame.mappings;
    c.core.add_rss(
        c.mm, frame.use == mem::FrameUse::Anonymous ? PageKind::Anonymous : c.core.kind_of(vma),
        -1);
    batch.add(page, c.core.page(), old);
  }
  c.core.mapped_anonymous(c.mm, vma, page, *pfn);
  batch.finish();
  finish_fault(c, cause, false);
  return FaultOutcome::Fixed;
}

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
  c.core.flush_local(c.cpu, c.mm, page);
}

// Of a page that is not marked exclusive. Those who hold its swap slot are users too.
bool is_last_user(const Core& core, pt::Entry entry) {
  const Pfn pfn = core.platform.format->pfn_of(entry);
  return core.platform.frames->frame(pfn).references == 1 &&
         (core.swap == nullptr || !core.swap->slot_behind(pfn));
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
      return copy_page(c, vma, page, slot);
    }
  }
  refresh_leaf(c, vma, page, slot, kind, anonymous && frame->exclusive);
  finish_fault(c, cause, false);
  return FaultOutcome::Fixed;
}

}  // namespace

FaultOutcome install_private_copy(FaultContext& c, Vma& vma, const pt::Slot& slot, bool major) {
  const auto pfn = c.core.new_anonymous(c.mm);
  if (!pfn) return FaultOutcome::NoMemory;
  prepare_anon(c, vma);
  put_leaf(c, slot.handle, pt::kNone, anonymous_leaf(c, vma, *pfn));
  c.core.mapped_anonymous(c.mm, vma, slot.handle.base, *pfn);
  if (vma.has(kVmImplied)) ++c.core.counters.implied_pages;
  finish_fault(c, FaultCause::FilePrivate, major);
  return FaultOutcome::Fixed;
}

namespace {

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
  if (huge_wanted && !c.mm.table->find(page).has_slot) {
    if (const auto outcome = map_huge(c, vma, page, kind)) return *outcome;
  }
  if (!vma.is_anonymous()) {
    if (const auto outcome = map_huge_folio(c, vma, page, kind)) return *outcome;
  }
  // For files it matters whether there is a leaf table before one is made.
  const bool had_table = !vma.is_anonymous() && c.mm.table->peek(page).has_slot;
  pt::Slot slot = c.mm.table->ensure(page, c.core.page());
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
  if (slot.entry != pt::kNone) return fix_present(c, vma, page, slot, kind, joined);
  if (vma.is_anonymous()) return map_anonymous(c, vma, slot, kind);
  return map_file(c, vma, page, slot, kind, had_table);
}

}  // namespace

FaultOutcome handle_fault(FaultContext c, Vma& vma, VirtAddr va, AccessKind kind) {
  bool joined = false;
  for (unsigned attempt = 0;; ++attempt) {
    const FaultOutcome outcome = try_fault(c, vma, va, kind, joined);
    if (outcome != FaultOutcome::NoMemory || !make_room(c.core, attempt)) return outcome;
  }
}

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
  FaultCounts nobody;
  FaultContext context{core, mm, nobody, CpuId(0)};
  prepare_anon(context, vma);
  if (vma.end - start > layout.stack_limit) return nullptr;
  ++core.counters.stack_growths;
  return &mm.vmas.set_start(vma, start);
}

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
  if (outcome == FaultOutcome::Fixed) c.core.tell_resident(c.mm);
  if (outcome == FaultOutcome::Refused) ++counters.refused;
  if (outcome == FaultOutcome::NoMemory) ++counters.no_memory;
  return outcome;
}

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
