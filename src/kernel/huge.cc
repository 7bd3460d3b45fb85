#include "kernel/huge.h"

#include "kernel/entries.h"
#include "kernel/huge_split.h"
#include "kernel/zap_batch.h"

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
  c.core.accounts.add_rss(c.mm, PageKind::Anonymous, static_cast<int64_t>(c.core.huge_pages()));
  if (c.core.swap == nullptr) return;
  for (uint64_t i = 0; i < c.core.huge_pages(); ++i)
    c.core.rmap->add_anonymous(first + i, vma, base + (i << c.core.page().log2()));
}

namespace {

// A write to the huge zero page. False: no memory for a huge page.
bool replace_zero(FaultContext& c, Vma& vma, const pt::Slot& slot) {
  const auto pfn = c.core.page_frames.new_huge(c.mm);
  if (!pfn) return false;
  prepare_anon(c.core, c.mm, vma);
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
  prepare_anon(c.core, c.mm, vma);  // for a read too, which is why fork copies huge zero pages
  const pt::Slot slot = c.mm.table->ensure(page, *c.core.huge());
  if (slot.status != pt::Status::Ok || slot.entry != pt::kNone) return std::nullopt;
  const bool zero = !writes(kind) && c.core.settings.zero_page;
  const auto pfn = zero ? c.core.page_frames.huge_zero_page() : c.core.page_frames.new_huge(c.mm);
  if (!pfn) {
    ++c.core.counters.huge_fallbacks;
    return std::nullopt;
  }
  if (!c.core.huge_leaves.add(c.mm)) {
    if (!zero) c.core.page_frames.put_huge(*pfn);
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
      split_huge_leaf(c.core, c.mm, slot.handle, slot.entry);
      return std::nullopt;
    }
    const bool shared = of_file && vma.is_shared();
    exclusive = !of_file && make_exclusive(c.core, fields.pfn);
    if (!exclusive && !shared) {
      split_huge_leaf(c.core, c.mm, slot.handle, slot.entry);
      return std::nullopt;
    }
    cause = shared ? FaultCause::SharedMakeWritable : FaultCause::CowReuse;
  }
  fields.accessed = true;
  fields.dirty = fields.dirty || writes(kind);
  fields.rights = leaf_rights(c.core, vma, exclusive, fields.dirty);
  const pt::Entry next = format.make_leaf(fields);
  if (next != slot.entry) put_leaf(c, slot.handle, slot.entry, next);
  c.core.flushes.local(c.cpu, c.mm, page);
  finish_fault(c, cause, false);
  return FaultOutcome::Fixed;
}

}  // namespace mmusim::kernel
