#include "kernel/huge.h"

#include "kernel/demotion.h"
#include "kernel/entries.h"
#include "kernel/hint_group.h"
#include "kernel/zap_batch.h"

namespace mmusim::kernel {

pt::Entry huge_leaf(const Core& core, const Vma& vma, PageShift size, Pfn pfn, bool zero) {
  return core.platform.format->make_leaf({.pfn = pfn,
                                          .size = size,
                                          .rights = leaf_rights(core, vma, !zero, !zero),
                                          .accessed = true,
                                          .dirty = !zero && vma.has(kVmWrite),
                                          .special = zero});
}

void account_huge(Core& core, AddressSpace& mm, const Vma& vma, VirtAddr base, PageShift size,
                  Pfn first) {
  const uint64_t pages = core.pages(size);
  core.accounts.add_rss(mm, PageKind::Anonymous, static_cast<int64_t>(pages));
  if (core.swap == nullptr) return;
  for (uint64_t i = 0; i < pages; ++i)
    core.rmap->add_anonymous(first + i, vma, base + (i << core.page().log2()));
}

namespace {

// A write to the huge zero page. False: no memory for a huge page.
bool replace_zero(FaultContext& c, Vma& vma, const pt::Slot& slot) {
  const auto pfn = c.core.page_frames.new_huge(c.mm, c.core.sizes.order(slot.handle.size), true);
  if (!pfn) return false;
  prepare_anon(c.core, c.mm, vma);
  put_leaf(c, slot.handle, slot.entry, huge_leaf(c.core, vma, slot.handle.size, *pfn, false));
  account_huge(c.core, c.mm, vma, slot.handle.base, slot.handle.size, *pfn);
  ZapBatch batch(c.core, c.mm, ZapBatch::Scope::Change);
  batch.weaken(slot.handle.base, slot.handle.size);
  batch.finish();
  finish_fault(c, FaultCause::CowZero, false);
  ++c.core.counters.huge_faults;
  return true;
}

// Whether a superpage has no other user; it is marked so then.
bool make_exclusive(Core& core, Pfn first, PageShift size) {
  return core.counts.is_exclusive(first) || core.counts.claim(first, core.sizes.order(size));
}

// A write to a superpage that others hold too, whose frames begin at `old`: a new block of its own.
// Nothing: one base page is to be copied.
std::optional<Pfn> block_to_copy_to(FaultContext& c, Vma& vma, PageShift size, Pfn old,
                                    bool one_leaf) {
  if (!c.core.settings.superpage_cow_whole) return std::nullopt;
  const unsigned order = c.core.sizes.order(size);
  const auto first = c.core.page_frames.new_huge(c.mm, order, one_leaf);
  if (!first) {
    ++c.core.counters.sizes[size].fallbacks;
    return first;
  }
  prepare_anon(c.core, c.mm, vma);
  mem::FrameMemory& frames = *c.core.platform.frames;
  for (uint64_t i = 0; i < c.core.pages(size); ++i)
    frames.frame(*first + i).written = frames.frame(old + i).written;
  c.core.counts.unmap(old, order);
  c.core.accounts.add_rss(c.mm, PageKind::Anonymous, -static_cast<int64_t>(c.core.pages(size)));
  ++c.core.counters.sizes[size].cow;
  return first;
}

bool copy_leaf(FaultContext& c, Vma& vma, const pt::Slot& slot, Pfn old) {
  const PageShift size = slot.handle.size;
  const auto first = block_to_copy_to(c, vma, size, old, true);
  if (!first) return false;
  put_leaf(c, slot.handle, slot.entry, huge_leaf(c.core, vma, size, *first, false));
  account_huge(c.core, c.mm, vma, slot.handle.base, size, *first);
  ZapBatch batch(c.core, c.mm, ZapBatch::Scope::Change);
  batch.add_huge(slot.handle.base, size, old);
  batch.finish();
  finish_fault(c, FaultCause::CowCopy, false);
  return true;
}

bool copy_group(FaultContext& c, Vma& vma, const HintGroup& group, Pfn old) {
  const auto first = block_to_copy_to(c, vma, group.size, old, false);
  if (!first) return false;
  const pt::EntryFormat& format = *c.core.platform.format;
  pt::LeafFields fields =
      format.parse_leaf(huge_leaf(c.core, vma, c.core.page(), *first, false), c.core.page());
  fields.hint = group.size;
  ZapBatch batch(c.core, c.mm, ZapBatch::Scope::Change);
  {
    const auto cursor = c.mm.table->cursor(group.range());
    pt::Run run;
    while (cursor->next(run)) {
      for (uint32_t i = 0; i < run.count; ++i) {
        const uint64_t page = c.core.pages(run.address(i) - group.base);
        fields.pfn = *first + page;
        run.set(i, format.make_leaf(fields));
        batch.add(run.address(i), run.size, old + page);
      }
      run.report(*c.core.platform.sink, mem::Origin::Kernel, 0, run.count);
    }
  }
  account_huge(c.core, c.mm, vma, group.base, group.size, *first);
  batch.finish();
  finish_fault(c, FaultCause::CowCopy, false);
  return true;
}

}  // namespace

std::optional<FaultOutcome> map_huge(FaultContext& c, Vma& vma, VirtAddr page, AccessKind kind) {
  prepare_anon(c.core, c.mm, vma);  // for a read too, which is why fork copies huge zero pages
  const pt::Slot slot = c.mm.table->ensure(page, *c.core.huge());
  if (slot.status != pt::Status::Ok || slot.entry != pt::kNone) return std::nullopt;
  const bool zero = !writes(kind) && c.core.settings.zero_page;
  const auto pfn = zero ? c.core.page_frames.huge_zero_page()
                        : c.core.page_frames.new_huge(c.mm, c.core.sizes.huge_order(), true);
  if (!pfn) {
    ++c.core.counters.huge_fallbacks;
    ++c.core.counters.sizes[*c.core.huge()].fallbacks;
    return std::nullopt;
  }
  if (!c.core.huge_leaves.add(c.mm, *c.core.huge())) {
    if (!zero) c.core.page_frames.discard_huge(*pfn, c.core.sizes.huge_order());
    return FaultOutcome::NoMemory;
  }
  put_leaf(c, slot.handle, pt::kNone, huge_leaf(c.core, vma, slot.handle.size, *pfn, zero));
  if (!zero) account_huge(c.core, c.mm, vma, slot.handle.base, slot.handle.size, *pfn);
  if (vma.has(kVmImplied)) c.core.counters.implied_pages += c.core.huge_pages();
  finish_fault(c, zero ? FaultCause::AnonymousZero : FaultCause::Anonymous, false);
  ++c.core.counters.huge_faults;
  ++c.core.counters.sizes[slot.handle.size].made;
  return FaultOutcome::Fixed;
}

std::optional<FaultOutcome> fix_huge(FaultContext& c, Vma& vma, VirtAddr page, const pt::Slot& slot,
                                     AccessKind kind) {
  const pt::EntryFormat& format = *c.core.platform.format;
  pt::LeafFields fields = format.parse_leaf(slot.entry, slot.handle.size);
  FaultCause cause = FaultCause::Spurious;
  const bool of_file = shows_huge_folio(c.core, slot.entry, slot.handle.size);
  bool exclusive = !fields.special && !of_file && c.core.counts.is_exclusive(fields.pfn);
  if (writes(kind) && !format.is_writable(slot.entry)) {
    if (fields.special) {
      if (replace_zero(c, vma, slot)) return FaultOutcome::Fixed;
      ++c.core.counters.huge_fallbacks;
      demote_leaf(c.core, c.mm, slot.handle, slot.entry, apart_around(page, c.core.page()),
                  SplitCause::Copy);
      return std::nullopt;
    }
    const bool shared = of_file && vma.is_shared();
    exclusive = !of_file && make_exclusive(c.core, fields.pfn, slot.handle.size);
    if (!exclusive && !shared) {
      if (!of_file && copy_leaf(c, vma, slot, fields.pfn)) return FaultOutcome::Fixed;
      demote_leaf(c.core, c.mm, slot.handle, slot.entry, apart_around(page, c.core.page()),
                  SplitCause::Copy);
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

std::optional<FaultOutcome> fix_group(FaultContext& c, Vma& vma, const HintGroup& group,
                                      const pt::Slot& slot, AccessKind kind) {
  const pt::EntryFormat& format = *c.core.platform.format;
  pt::LeafFields fields = format.parse_leaf(slot.entry, slot.handle.size);
  const Pfn first = fields.pfn - c.core.pages(slot.handle.base - group.base);
  bool exclusive = c.core.counts.is_exclusive(first);
  FaultCause cause = FaultCause::Spurious;
  if (writes(kind) && !format.is_writable(slot.entry)) {
    exclusive = make_exclusive(c.core, first, group.size);
    if (!exclusive) {
      if (copy_group(c, vma, group, first)) return FaultOutcome::Fixed;
      demote_group(c.core, c.mm, group, apart_around(slot.handle.base, c.core.page()),
                   SplitCause::Copy);
      return std::nullopt;
    }
    cause = FaultCause::CowReuse;
  }
  const bool dirty = fields.dirty || writes(kind);
  const Rights rights = leaf_rights(c.core, vma, exclusive, dirty);
  fields.accessed = true;
  fields.dirty = dirty;
  fields.rights = rights;
  if (format.make_leaf(fields) != slot.entry) upgrade_group(c.core, c.mm, group, rights, dirty);
  c.core.flushes.local(c.cpu, c.mm, slot.handle.base);
  finish_fault(c, cause, false);
  return FaultOutcome::Fixed;
}

}  // namespace mmusim::kernel
