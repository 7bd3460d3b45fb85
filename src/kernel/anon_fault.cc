#include "kernel/anon_fault.h"

#include "kernel/entries.h"
#include "kernel/superpage_policy.h"
#include "kernel/zap_batch.h"

namespace mmusim::kernel {

namespace {

pt::Entry anonymous_leaf(const FaultContext& c, const Vma& vma, Pfn pfn) {
  return c.core.platform.format->make_leaf({.pfn = pfn,
                                            .size = c.core.page(),
                                            .rights = leaf_rights(c.core, vma, true, true),
                                            .accessed = true,
                                            .dirty = vma.has(kVmWrite)});
}

}  // namespace

std::optional<Pfn> new_page(FaultContext& c, const Vma& vma, VirtAddr page) {
  if (c.core.policy != nullptr && vma.is_anonymous())
    if (const auto pfn = c.core.policy->frame_for(c.mm, vma, page)) return pfn;
  return c.core.page_frames.new_anonymous(c.mm);
}

void tell_policy(FaultContext& c, const Vma& vma, VirtAddr page) {
  if (c.core.policy != nullptr && vma.is_anonymous()) c.core.policy->populated(c.mm, vma, page);
}

void forget_store(Core& core, Pfn pfn) {
  if (!core.sizes.any() || core.settings.thp == HugePages::Disabled) return;
  core.platform.frames->frame(pfn).written = false;
  core.page_frames.tracks_stores = true;
}

FaultOutcome map_anonymous(FaultContext& c, Vma& vma, const pt::Slot& slot, AccessKind kind) {
  if (writes(kind) || !c.core.settings.zero_page) {
    const auto pfn = new_page(c, vma, slot.handle.base);
    if (!pfn) return FaultOutcome::NoMemory;
    prepare_anon(c.core, c.mm, vma);
    put_leaf(c, slot.handle, pt::kNone, anonymous_leaf(c, vma, *pfn));
    c.core.mapped_anonymous(c.mm, vma, slot.handle.base, *pfn);
    if (!writes(kind)) forget_store(c.core, *pfn);
    finish_fault(c, FaultCause::Anonymous, false);
    tell_policy(c, vma, slot.handle.base);
  } else {
    const auto pfn = c.core.page_frames.zero_page();
    if (!pfn) return FaultOutcome::NoMemory;
    put_leaf(c, slot.handle, pt::kNone, special_leaf(c.core, vma, *pfn));
    finish_fault(c, FaultCause::AnonymousZero, false);
  }
  if (vma.has(kVmImplied)) ++c.core.counters.implied_pages;
  return FaultOutcome::Fixed;
}

FaultOutcome copy_on_write(FaultContext& c, Vma& vma, VirtAddr page, const pt::Slot& slot) {
  const pt::EntryFormat& format = *c.core.platform.format;
  const auto pfn = new_page(c, vma, page);
  if (!pfn) return FaultOutcome::NoMemory;
  prepare_anon(c.core, c.mm, vma);
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
    c.core.accounts.add_rss(
        c.mm,
        frame.use == mem::FrameUse::Anonymous ? PageKind::Anonymous : c.core.files.kind_of(vma),
        -1);
    batch.add(page, c.core.page(), old);
  }
  c.core.mapped_anonymous(c.mm, vma, page, *pfn);
  batch.finish();
  finish_fault(c, cause, false);
  tell_policy(c, vma, page);
  return FaultOutcome::Fixed;
}

FaultOutcome install_private_copy(FaultContext& c, Vma& vma, const pt::Slot& slot, bool major) {
  const auto pfn = c.core.page_frames.new_anonymous(c.mm);
  if (!pfn) return FaultOutcome::NoMemory;
  prepare_anon(c.core, c.mm, vma);
  put_leaf(c, slot.handle, pt::kNone, anonymous_leaf(c, vma, *pfn));
  c.core.mapped_anonymous(c.mm, vma, slot.handle.base, *pfn);
  if (vma.has(kVmImplied)) ++c.core.counters.implied_pages;
  finish_fault(c, FaultCause::FilePrivate, major);
  return FaultOutcome::Fixed;
}

}  // namespace mmusim::kernel
