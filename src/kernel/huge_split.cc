#include "kernel/huge_split.h"

#include <algorithm>

#include "base/error.h"
#include "kernel/entries.h"
#include "kernel/hint_group.h"
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

void split_huge_leaf(Core& core, AddressSpace& mm, const pt::Handle& handle, pt::Entry entry,
                     SplitCause why) {
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
  ++core.counters.sizes[handle.size].splits[why];
  core.flushes.range(mm, range, core.page(), false, mmu::RangeFlush::Change);
}

VirtAddr next_block(const pt::Lookup& found, VirtAddr at, PageShift size) {
  const VirtAddr next = at + size.bytes();
  return found.entry != pt::kNone ? next : std::max(next, align_down(found.empty.end, size));
}

namespace {

// Splits what lies across the border: a leaf by split_leaf(found).
template <class SplitLeaf>
void split_across(Core& core, AddressSpace& mm, VirtAddr border, SplitCause why,
                  SplitLeaf split_leaf) {
  if (is_aligned(border, core.sizes.largest())) return;
  const pt::Lookup found = mm.table->find(border);
  if (is_huge(core, found)) {
    if (found.base != border) split_leaf(found);
  } else if (const auto group = group_of(core, mm, found); group && group->base != border) {
    split_group(core, mm, *group, why);
  }
}

}  // namespace

void split_huge_at(Core& core, AddressSpace& mm, VirtAddr at, SplitCause why) {
  if (!has_superpages(mm)) return;
  split_across(core, mm, at, why, [&](const pt::Lookup& found) {
    split_huge_leaf(core, mm, found.handle, found.entry, why);
  });
}

void split_huge_page(Core& core, AddressSpace& mm, VirtAddr at, SplitCause why) {
  const pt::Lookup found = mm.table->find(at);
  if (is_huge(core, found))
    split_huge_leaf(core, mm, found.handle, found.entry, why);
  else if (const auto group = group_of(core, mm, found))
    split_group(core, mm, *group, why);
}

void split_superpages_in(Core& core, AddressSpace& mm, VirtRange range, SplitCause why) {
  if (!has_superpages(mm) || core.sizes.blocks.empty()) return;
  const PageShift step = core.sizes.smallest();
  for (VirtAddr at = align_down(range.begin, step); at < range.end; at += step.bytes())
    split_huge_page(core, mm, at, why);
}

namespace {

// Splits what cannot move whole for a move.
class MoveSplitter {
 public:
  MoveSplitter(Core& core, AddressSpace& mm, VirtAddr from, VirtAddr to)
      : core_(core), mm_(mm), from_(from), to_(to) {}

  // What lies across the border.
  void at_border(VirtAddr border) {
    split_across(core_, mm_, border, SplitCause::Move,
                 [this](const pt::Lookup& found) { split(found); });
  }

  // What begins at `at`; where to go on, in steps of `step`.
  VirtAddr inside(VirtAddr at, PageShift step) {
    const pt::Lookup found = mm_.table->find(at);
    if (is_huge(core_, found)) {
      // Where a table stands at the target, or none can be had, the leaf cannot go there whole.
      const bool whole = alike(found.size) &&
                         mm_.table->ensure(to_ + (at - from_), found.size).status == pt::Status::Ok;
      if (!whole) split(found);
      return found.base + found.size.bytes();
    }
    const auto group = group_of(core_, mm_, found);
    if (!group) return next_block(found, at, step);
    if (!alike(group->size)) split_group(core_, mm_, *group, SplitCause::Move);
    return group->range().end;
  }

 private:
  [[nodiscard]] bool alike(PageShift size) const {
    return ((from_.value() ^ to_.value()) & size.offset_mask()) == 0;
  }

  // What a leaf of shared memory leaves behind is nothing to move, but Linux has made the tables
  // above its new place by then.
  void split(const pt::Lookup& found) {
    if (shows_huge_folio(core_, found.entry, found.size))
      static_cast<void>(mm_.table->ensure(to_ + (std::max(from_, found.base) - from_), found.size));
    const pt::Lookup now = mm_.table->find(found.base);  // making a slot may have moved it
    split_huge_leaf(core_, mm_, now.handle, now.entry, SplitCause::Move);
  }

  Core& core_;
  AddressSpace& mm_;
  VirtAddr from_;
  VirtAddr to_;
};

}  // namespace

void split_for_move(Core& core, AddressSpace& mm, VirtAddr from, VirtAddr to, uint64_t bytes) {
  if (!has_superpages(mm)) return;
  MoveSplitter splitter(core, mm, from, to);
  splitter.at_border(from);
  splitter.at_border(from + bytes);
  const PageShift step = core.sizes.smallest();
  for (VirtAddr at = align_up(from, step); at < from + bytes;)
    at = splitter.inside(at, step);
}

}  // namespace mmusim::kernel
