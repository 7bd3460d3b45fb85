#include "kernel/hugetlb_fault.h"

#include "kernel/entries.h"
#include "kernel/pool_page.h"
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

void put_page(FaultContext& c, const PoolPage& page, const pt::Slot& slot,
              const pt::LeafFields& fields) {
  if (page.is_one_leaf())
    put_leaf(c, slot.handle, slot.entry, c.core.platform.format->make_leaf(fields));
  else
    write_leaves(c.core, c.mm, page, fields);
}

pt::LeafFields fields_of(FaultContext& c, const Vma& vma, const PoolPage& page, Pfn first,
                         bool exclusive, bool dirty) {
  return {.pfn = first,
          .size = page.leaf,
          .rights = leaf_rights(c.core, vma, exclusive, dirty),
          .accessed = true,
          .dirty = dirty};
}

FaultOutcome map_page(FaultContext& c, Vma& vma, const PoolPage& page, const pt::Slot& slot,
                      AccessKind kind) {
  if (!page.is_one_leaf() && make_slots(c.mm, page) != pt::Status::Ok)
    return FaultOutcome::NoMemory;
  const uint64_t index = vma.pgoff + c.core.pages(page.base - vma.start);
  const auto pfn = page_for(c, vma, index);
  if (!pfn) return no_page(c);
  if (!vma.is_shared()) prepare_anon(c.core, c.mm, vma);
  put_page(c, page, slot, fields_of(c, vma, page, *pfn, writes(kind), writes(kind)));
  ++c.core.platform.frames->frame(*pfn).mappings;
  c.core.huge_leaves.add_pool_pages(c.mm, page.size, 1);
  finish_fault(c, FaultCause::HugeTlb, false);
  return FaultOutcome::Fixed;
}

FaultOutcome copy_pool_page(FaultContext& c, Vma& vma, const PoolPage& page, const pt::Slot& slot,
                            Pfn old) {
  const uint64_t index = vma.pgoff + c.core.pages(page.base - vma.start);
  const auto pfn = c.core.pools.of(page.size).take(vma.file, index, vma.has(kVmHugeOwner));
  if (!pfn) return no_page(c);
  mem::FrameMemory& frames = *c.core.platform.frames;
  frames.frame(*pfn).exclusive = true;
  put_page(c, page, slot, fields_of(c, vma, page, *pfn, true, true));
  ++frames.frame(*pfn).mappings;
  --frames.frame(old).mappings;
  ZapBatch batch(c.core, c.mm, ZapBatch::Scope::Pages);
  batch.add_pool_page(page.base, page.size, old);
  batch.finish();
  finish_fault(c, FaultCause::CowCopy, false);
  return FaultOutcome::Fixed;
}

}  // namespace

FaultOutcome hugetlb_fault(FaultContext& c, Vma& vma, VirtAddr va, AccessKind kind) {
  const pt::EntryFormat& format = *c.core.platform.format;
  const PoolPage page = pool_page_at(c.core, vma, va);
  const pt::Slot slot = c.mm.table->ensure(va, page.leaf);
  if (slot.status == pt::Status::NotSupported) {  // no such address
    ++c.core.counters.refused_no_place;
    return FaultOutcome::Refused;
  }
  if (slot.status != pt::Status::Ok) return FaultOutcome::NoMemory;
  if (slot.entry == pt::kNone) return map_page(c, vma, page, slot, kind);

  const Pfn first = first_frame(c.core, page, va, slot.entry);
  mem::Frame& frame = c.core.platform.frames->frame(first);
  FaultCause cause = FaultCause::Spurious;
  bool exclusive = format.is_writable(slot.entry);
  if (writes(kind) && !exclusive && !vma.is_shared()) {
    if (frame.references != 1) return copy_pool_page(c, vma, page, slot, first);
    exclusive = frame.exclusive = true;
    cause = FaultCause::CowReuse;
  }
  pt::LeafFields fields = format.parse_leaf(slot.entry, page.leaf);
  fields.accessed = true;
  fields.dirty = fields.dirty || writes(kind);
  fields.rights = leaf_rights(c.core, vma, exclusive, fields.dirty);
  if (format.make_leaf(fields) != slot.entry) {
    fields.pfn = first;
    put_page(c, page, slot, fields);
  }
  c.core.flushes.local(c.cpu, c.mm, va);
  finish_fault(c, cause, false);
  return FaultOutcome::Fixed;
}

}  // namespace mmusim::kernel
