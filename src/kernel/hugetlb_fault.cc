#include "kernel/hugetlb_fault.h"

#include "kernel/entries.h"
#include "kernel/zap_batch.h"

namespace mmusim::kernel {

namespace {

// A page for an untouched huge page. Nothing: the pool is empty.
std::optional<Pfn> page_for(FaultContext& c, const Vma& vma, uint64_t index) {
  HugePool& pool = c.core.pools.of(c.core.files.pool_page(vma));
  mem::FrameMemory& frames = *c.core.platform.frames;
  if (!vma.is_shared()) {
    const auto own = pool.take(vma.file, index, vma.has(kVmHugeOwner));
    if (own) frames.frame(*own).exclusive = true;
    return own;
  }
  auto page = pool.page_of(vma.file, index);
  if (!page) {
    page = pool.take(vma.file, index, true);
    if (!page) return std::nullopt;
    pool.set_page(vma.file, index, *page);
  }
  ++frames.frame(*page).references;
  return page;
}

// Linux: SIGBUS.
FaultOutcome no_page(FaultContext& c) {
  ++c.core.counters.refused_no_huge_page;
  return FaultOutcome::Refused;
}

FaultOutcome map_page(FaultContext& c, Vma& vma, const pt::Slot& slot, AccessKind kind) {
  const uint64_t index = vma.pgoff + c.core.pages(slot.handle.base - vma.start);
  const auto pfn = page_for(c, vma, index);
  if (!pfn) return no_page(c);
  if (!vma.is_shared()) prepare_anon(c.core, c.mm, vma);
  put_leaf(c, slot.handle, pt::kNone,
           c.core.platform.format->make_leaf(
               {.pfn = *pfn,
                .size = slot.handle.size,
                .rights = leaf_rights(c.core, vma, writes(kind), writes(kind)),
                .accessed = true,
                .dirty = writes(kind)}));
  ++c.core.platform.frames->frame(*pfn).mappings;
  c.core.huge_leaves.add_pool_pages(c.mm, slot.handle.size, 1);
  finish_fault(c, FaultCause::HugeTlb, false);
  return FaultOutcome::Fixed;
}

FaultOutcome copy_pool_page(FaultContext& c, Vma& vma, const pt::Slot& slot, Pfn old) {
  const uint64_t index = vma.pgoff + c.core.pages(slot.handle.base - vma.start);
  const auto pfn = c.core.pools.of(slot.handle.size).take(vma.file, index, vma.has(kVmHugeOwner));
  if (!pfn) return no_page(c);
  mem::FrameMemory& frames = *c.core.platform.frames;
  frames.frame(*pfn).exclusive = true;
  put_leaf(c, slot.handle, slot.entry,
           c.core.platform.format->make_leaf({.pfn = *pfn,
                                              .size = slot.handle.size,
                                              .rights = leaf_rights(c.core, vma, true, true),
                                              .accessed = true,
                                              .dirty = true}));
  ++frames.frame(*pfn).mappings;
  --frames.frame(old).mappings;
  ZapBatch batch(c.core, c.mm, ZapBatch::Scope::Pages);
  batch.add_pool_page(slot.handle.base, slot.handle.size, old);
  batch.finish();
  finish_fault(c, FaultCause::CowCopy, false);
  return FaultOutcome::Fixed;
}

}  // namespace

FaultOutcome hugetlb_fault(FaultContext& c, Vma& vma, VirtAddr va, AccessKind kind) {
  const pt::EntryFormat& format = *c.core.platform.format;
  const pt::Slot slot = c.mm.table->ensure(va, c.core.files.pool_page(vma));
  if (slot.status == pt::Status::NotSupported) {  // no such address
    ++c.core.counters.refused_no_place;
    return FaultOutcome::Refused;
  }
  if (slot.status != pt::Status::Ok) return FaultOutcome::NoMemory;
  if (slot.entry == pt::kNone) return map_page(c, vma, slot, kind);

  pt::LeafFields fields = format.parse_leaf(slot.entry, slot.handle.size);
  mem::Frame& frame = c.core.platform.frames->frame(fields.pfn);
  FaultCause cause = FaultCause::Spurious;
  bool exclusive = format.is_writable(slot.entry);
  if (writes(kind) && !exclusive && !vma.is_shared()) {
    if (frame.references != 1) return copy_pool_page(c, vma, slot, fields.pfn);
    exclusive = frame.exclusive = true;
    cause = FaultCause::CowReuse;
  }
  fields.accessed = true;
  fields.dirty = fields.dirty || writes(kind);
  fields.rights = leaf_rights(c.core, vma, exclusive, fields.dirty);
  const pt::Entry next = format.make_leaf(fields);
  if (next != slot.entry) put_leaf(c, slot.handle, slot.entry, next);
  c.core.flushes.local(c.cpu, c.mm, va);
  finish_fault(c, cause, false);
  return FaultOutcome::Fixed;
}

}  // namespace mmusim::kernel
