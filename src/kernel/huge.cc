#include "kernel/huge.h"

#include <algorithm>

#include "base/error.h"
#include "kernel/fault_internal.h"
#include "kernel/huge_file.h"

namespace mmusim::kernel {

namespace {

pt::Entry huge_leaf(const FaultContext& c, const Vma& vma, Pfn pfn, bool zero) {
  return c.core.platform.format->make_leaf({.pfn = pfn,
                                            .size = *c.core.huge(),
                                            .rights = leaf_rights(c.core, vma, !zero, !zero),
                                            .accessed = true,
                                            .dirty = !zero && vma.has(kVmWrite),
                                            .special = zero});
}

}  // namespace

void account_huge(FaultContext& c, const Vma& vma, VirtAddr base, Pfn first) {
  c.core.add_rss(c.mm, PageKind::Anonymous, static_cast<int64_t>(c.core.huge_pages()));
  if (c.core.swap == nullptr) return;
  for (uint64_t i = 0; i < c.core.huge_pages(); ++i)
    c.core.rmap->add_anonymous(first + i, vma, base + (i << c.core.page().log2()));
}

namespace {

// The small pages of a split huge zero page show the small zero page, as in Linux.
void use_small_zero_page(Core& core, AddressSpace& mm, VirtRange range) {
  const auto zero = core.zero_page();
  if (!zero) return;  // zeros are zeros
  const pt::EntryFormat& format = *core.platform.format;
  const auto cursor = mm.table->cursor(range);
  pt::Run run;
  while (cursor->next(run)) {
    for (uint32_t i = 0; i < run.count; ++i) {
      pt::LeafFields fields = format.parse_leaf(run.get(i), run.size);
      fields.pfn = *zero;
      run.set(i, format.make_leaf(fields));
    }
    run.report(*core.platform.sink, mem::Origin::Kernel, 0, run.count);
  }
}

void split_leaf(Core& core, AddressSpace& mm, const pt::Handle& handle, pt::Entry entry) {
  if (shows_huge_folio(core, entry)) {
    unmap_huge_folio(core, mm, handle, entry);
    return;
  }
  core.remove_huge_leaf(mm);  // what was set aside is the split's now
  const pt::Status status = mm.table->split(handle, core.page());
  if (status != pt::Status::Ok)
    throw Error("page table", fmt::format("cannot split a huge page: {}", name_of(status)),
                "what split_reserve() asked for had been kept for it");
  const VirtRange range{handle.base, handle.base + handle.size.bytes()};
  if (core.platform.format->is_special(entry)) use_small_zero_page(core, mm, range);
  ++core.counters.huge_splits;
  core.flush_range(mm, range, core.page(), false, mmu::RangeFlush::Change);
}

// A write to the huge zero page. False: no memory for a huge page.
bool replace_zero(FaultContext& c, Vma& vma, const pt::Slot& slot) {
  const auto pfn = c.core.new_huge(c.mm);
  if (!pfn) return false;
  prepare_anon(c, vma);
  put_leaf(c, slot.handle, slot.entry, huge_leaf(c, vma, *pfn, false));
  account_huge(c, vma, slot.handle.base, *pfn);
  ZapBatch batch(c.core, c.mm, ZapBatch::Scope::Change);
  batch.weaken(slot.handle.base, slot.handle.size);
  batch.finish();
  finish_fault(c, FaultCause::CowZero, false);
  ++c.core.counters.huge_faults;
  return true;
}

// Whether a huge page has no other user; it is marked so then.
bool make_exclusive(Core& core, Pfn first) {
  mem::FrameMemory& frames = *core.platform.frames;
  if (frames.frame(first).exclusive) return true;
  for (uint64_t i = 0; i < core.huge_pages(); ++i)
    if (frames.frame(first + i).references != 1) return false;
  for (uint64_t i = 0; i < core.huge_pages(); ++i)
    frames.frame(first + i).exclusive = true;
  return true;
}

}  // namespace

std::optional<FaultOutcome> map_huge(FaultContext& c, Vma& vma, VirtAddr page, AccessKind kind) {
  prepare_anon(c, vma);  // for a read too, which is why fork copies huge zero pages
  const pt::Slot slot = c.mm.table->ensure(page, *c.core.huge());
  if (slot.status != pt::Status::Ok || slot.entry != pt::kNone) return std::nullopt;
  const bool zero = !writes(kind) && c.core.settings.zero_page;
  const auto pfn = zero ? c.core.huge_zero_page() : c.core.new_huge(c.mm);
  if (!pfn) {
    ++c.core.counters.huge_fallbacks;
    return std::nullopt;
  }
  if (!c.core.add_huge_leaf(c.mm)) {
    if (!zero) c.core.put_huge(*pfn);
    return FaultOutcome::NoMemory;
  }
  put_leaf(c, slot.handle, pt::kNone, huge_leaf(c, vma, *pfn, zero));
  if (!zero) account_huge(c, vma, slot.handle.base, *pfn);
  if (vma.has(kVmImplied)) c.core.counters.implied_pages += c.core.huge_pages();
  finish_fault(c, zero ? FaultCause::AnonymousZero : FaultCause::Anonymous, false);
  ++c.core.counters.huge_faults;
  return FaultOutcome::Fixed;
}

std::optional<FaultOutcome> fix_huge(FaultContext& c, Vma& vma, VirtAddr page, const pt::Slot& slot,
                                     AccessKind kind) {
  const pt::EntryFormat& format = *c.core.platform.format;
  pt::LeafFields fields = format.parse_leaf(slot.entry, slot.handle.size);
  FaultCause cause = FaultCause::Spurious;
  const bool of_file = shows_huge_folio(c.core, slot.entry);
  bool exclusive =
      !fields.special && !of_file && c.core.platform.frames->frame(fields.pfn).exclusive;
  if (writes(kind) && !format.is_writable(slot.entry)) {
    if (fields.special) {
      if (replace_zero(c, vma, slot)) return FaultOutcome::Fixed;
      ++c.core.counters.huge_fallbacks;
      split_leaf(c.core, c.mm, slot.handle, slot.entry);
      return std::nullopt;
    }
    const bool shared = of_file && vma.is_shared();
    exclusive = !of_file && make_exclusive(c.core, fields.pfn);
    if (!exclusive && !shared) {
      split_leaf(c.core, c.mm, slot.handle, slot.entry);
      return std::nullopt;
    }
    cause = shared ? FaultCause::SharedMakeWritable : FaultCause::CowReuse;
  }
  fields.accessed = true;
  fields.dirty = fields.dirty || writes(kind);
  fields.rights = leaf_rights(c.core, vma, exclusive, fields.dirty);
  const pt::Entry next = format.make_leaf(fields);
  if (next != slot.entry) put_leaf(c, slot.handle, slot.entry, next);
  c.core.flush_local(c.cpu, c.mm, page);
  finish_fault(c, cause, false);
  return FaultOutcome::Fixed;
}

bool is_huge(const Core& core, const pt::Lookup& found) {
  return found.entry != pt::kNone && core.huge() && found.size == *core.huge();
}

VirtAddr next_block(const pt::Lookup& found, VirtAddr at, PageShift size) {
  const VirtAddr next = at + size.bytes();
  return found.entry != pt::kNone ? next : std::max(next, align_down(found.empty.end, size));
}

void split_huge_at(Core& core, AddressSpace& mm, VirtAddr at) {
  if (mm.huge_leaves == 0 || is_aligned(at, *core.huge())) return;
  split_huge_page(core, mm, at);
}

void split_huge_page(Core& core, AddressSpace& mm, VirtAddr at) {
  const pt::Lookup found = mm.table->find(at);
  if (is_huge(core, found)) split_leaf(core, mm, found.handle, found.entry);
}

void split_for_move(Core& core, AddressSpace& mm, VirtAddr from, VirtAddr to, uint64_t bytes) {
  if (mm.huge_leaves == 0) return;
  const PageShift size = *core.huge();
  const bool alike = ((from.value() ^ to.value()) & size.offset_mask()) == 0;
  // What a leaf of shared memory leaves behind is nothing to move, but Linux has made the tables
  // above its new place by then.
  const auto split = [&](const pt::Lookup& found) {
    if (shows_huge_folio(core, found.entry))
      static_cast<void>(mm.table->ensure(to + (std::max(from, found.base) - from), size));
    const pt::Lookup now = mm.table->find(found.base);  // making a slot may have moved it
    split_leaf(core, mm, now.handle, now.entry);
  };
  for (const VirtAddr border : {from, from + bytes}) {
    if (is_aligned(border, size)) continue;
    if (const pt::Lookup found = mm.table->find(border); is_huge(core, found)) split(found);
  }
  VirtAddr next;
  for (VirtAddr at = align_up(from, size); at < from + bytes; at = next) {
    const pt::Lookup found = mm.table->find(at);
    next = next_block(found, at, size);
    if (!is_huge(core, found)) continue;
    // Where a table stands at the target, or none can be had, the leaf cannot go there whole.
    if (alike && mm.table->ensure(to + (at - from), size).status == pt::Status::Ok) continue;
    split(found);
  }
}

}  // namespace mmusim::kernel
