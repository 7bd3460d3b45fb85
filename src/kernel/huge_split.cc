#include "kernel/huge_split.h"

#include <algorithm>
#include <bit>

#include "kernel/entries.h"
#include "kernel/hint_group.h"

namespace mmusim::kernel {

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
    demote_group(core, mm, *group, apart_at(border), why);
  }
}

}  // namespace

void split_huge_at(Core& core, AddressSpace& mm, VirtAddr at, SplitCause why) {
  if (!has_superpages(mm)) return;
  split_across(core, mm, at, why, [&](const pt::Lookup& found) {
    demote_leaf(core, mm, found.handle, found.entry, apart_at(at), why);
  });
}

void split_huge_page(Core& core, AddressSpace& mm, VirtAddr at, const Apart& apart,
                     SplitCause why) {
  const pt::Lookup found = mm.table->find(at);
  if (is_huge(core, found))
    demote_leaf(core, mm, found.handle, found.entry, apart, why);
  else if (const auto group = group_of(core, mm, found))
    demote_group(core, mm, *group, apart, why);
}

void split_superpages_in(Core& core, AddressSpace& mm, VirtRange range, SplitCause why) {
  if (!has_superpages(mm) || !core.sizes.any_besides_huge()) return;
  const PageShift step = core.sizes.smallest();
  for (VirtAddr at = align_down(range.begin, step); at < range.end; at += step.bytes())
    split_huge_page(core, mm, at, apart_to(core.page()), why);
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
                 [&](const pt::Lookup& found) { split(found, apart_at(border)); });
  }

  // What begins at `at`; where to go on, in steps of `step`.
  VirtAddr inside(VirtAddr at, PageShift step) {
    const pt::Lookup found = mm_.table->find(at);
    if (is_huge(core_, found)) {
      // Where a table stands at the target, or none can be had, the leaf cannot go there whole.
      const bool whole = alike(found.size) &&
                         mm_.table->ensure(to_ + (at - from_), found.size).status == pt::Status::Ok;
      const VirtAddr end = found.base + found.size.bytes();
      if (whole) return end;
      split(found, apart_to(alike(found.size) ? core_.page() : largest_alike()));
      return core_.sizes.leaf_parts.empty() ? end : at;  // the parts may not go whole either
    }
    const auto group = group_of(core_, mm_, found);
    if (!group) return next_block(found, at, step);
    if (!alike(group->size))
      demote_group(core_, mm_, *group, apart_to(largest_alike()), SplitCause::Move);
    return group->range().end;
  }

 private:
  [[nodiscard]] bool alike(PageShift size) const {
    return ((from_.value() ^ to_.value()) & size.offset_mask()) == 0;
  }

  // Of which a superpage lies in its block at the new place as at the old.
  [[nodiscard]] PageShift largest_alike() const {
    return PageShift(static_cast<unsigned>(std::countr_zero(from_.value() ^ to_.value())));
  }

  // What a leaf of shared memory leaves behind is nothing to move, but Linux has made the tables
  // above its new place by then.
  void split(const pt::Lookup& found, const Apart& apart) {
    if (shows_huge_folio(core_, found.entry, found.size))
      static_cast<void>(mm_.table->ensure(to_ + (std::max(from_, found.base) - from_), found.size));
    const pt::Lookup now = mm_.table->find(found.base);  // making a slot may have moved it
    demote_leaf(core_, mm_, now.handle, now.entry, apart, SplitCause::Move);
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
