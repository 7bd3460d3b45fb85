#include "kernel/huge_split.h"

#include <algorithm>

#include "base/error.h"
#include "kernel/entries.h"
#include "kernel/zap_batch.h"

namespace mmusim::kernel {

namespace {

// The small pages of a split huge zero page show the small zero page, as in Linux.
void use_small_zero_page(Core& core, AddressSpace& mm, VirtRange range) {
  const auto zero = core.page_frames.zero_page();
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

}  // namespace

void unmap_huge_folio(Core& core, AddressSpace& mm, const pt::Handle& handle, pt::Entry leaf) {
  ZapBatch batch(core, mm, ZapBatch::Scope::Change);
  pt::Entry old = leaf;
  const pt::Status status = mm.table->clear(handle, old);
  MMUSIM_ASSERT(status == pt::Status::Ok);
  batch.add_huge_folio(handle.base, old);
  core.accounts.add_rss(mm, PageKind::Shmem, -static_cast<int64_t>(core.huge_pages()));
  batch.finish();
  ++core.counters.huge_splits;
}

void split_huge_leaf(Core& core, AddressSpace& mm, const pt::Handle& handle, pt::Entry entry) {
  if (shows_huge_folio(core, entry, handle.size)) {
    unmap_huge_folio(core, mm, handle, entry);
    return;
  }
  core.huge_leaves.remove(mm, handle.size);  // what was set aside is the split's now
  const pt::Status status = mm.table->split(handle, core.page());
  if (status != pt::Status::Ok)
    throw Error("page table", fmt::format("cannot split a huge page: {}", name_of(status)),
                "what split_reserve() asked for had been kept for it");
  const VirtRange range{handle.base, handle.base + handle.size.bytes()};
  if (core.platform.format->is_special(entry)) use_small_zero_page(core, mm, range);
  ++core.counters.huge_splits;
  ++core.counters.sizes[handle.size].splits;
  core.flushes.range(mm, range, core.page(), false, mmu::RangeFlush::Change);
}

VirtAddr next_block(const pt::Lookup& found, VirtAddr at, PageShift size) {
  const VirtAddr next = at + size.bytes();
  return found.entry != pt::kNone ? next : std::max(next, align_down(found.empty.end, size));
}

void split_huge_at(Core& core, AddressSpace& mm, VirtAddr at) {
  if (mm.huge_leaves == 0 || is_aligned(at, core.sizes.largest())) return;
  const pt::Lookup found = mm.table->find(at);
  if (is_huge(core, found) && found.base != at)
    split_huge_leaf(core, mm, found.handle, found.entry);
}

void split_huge_page(Core& core, AddressSpace& mm, VirtAddr at) {
  const pt::Lookup found = mm.table->find(at);
  if (is_huge(core, found)) split_huge_leaf(core, mm, found.handle, found.entry);
}

void split_leaves_in(Core& core, AddressSpace& mm, VirtRange range) {
  if (mm.huge_leaves == 0 || core.sizes.blocks.empty()) return;
  const PageShift step = core.sizes.smallest_leaf();
  for (VirtAddr at = range.begin; at < range.end; at += step.bytes())
    split_huge_page(core, mm, at);
}

void split_for_move(Core& core, AddressSpace& mm, VirtAddr from, VirtAddr to, uint64_t bytes) {
  if (mm.huge_leaves == 0) return;
  // What a leaf of shared memory leaves behind is nothing to move, but Linux has made the tables
  // above its new place by then.
  const auto split = [&](const pt::Lookup& found) {
    if (shows_huge_folio(core, found.entry, found.size))
      static_cast<void>(mm.table->ensure(to + (std::max(from, found.base) - from), found.size));
    const pt::Lookup now = mm.table->find(found.base);  // making a slot may have moved it
    split_huge_leaf(core, mm, now.handle, now.entry);
  };
  for (const VirtAddr border : {from, from + bytes}) {
    if (is_aligned(border, core.sizes.largest())) continue;
    const pt::Lookup found = mm.table->find(border);
    if (is_huge(core, found) && found.base != border) split(found);
  }
  const PageShift step = core.sizes.smallest_leaf();
  VirtAddr next;
  for (VirtAddr at = align_up(from, step); at < from + bytes; at = next) {
    const pt::Lookup found = mm.table->find(at);
    if (!is_huge(core, found)) {
      next = next_block(found, at, step);
      continue;
    }
    next = found.base + found.size.bytes();
    const bool alike = ((from.value() ^ to.value()) & found.size.offset_mask()) == 0;
    // Where a table stands at the target, or none can be had, the leaf cannot go there whole.
    if (alike && mm.table->ensure(to + (at - from), found.size).status == pt::Status::Ok) continue;
    split(found);
  }
}

}  // namespace mmusim::kernel
