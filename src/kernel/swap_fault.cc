#include "kernel/swap_fault.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "kernel/anon_fault.h"
#include "kernel/entries.h"
#include "kernel/huge.h"
#include "kernel/promotion.h"

namespace mmusim::kernel {

namespace {

// The first slot, where all pages of the block are in swap space side by side as they lie in it,
// each held only here and with no copy in memory.
std::optional<SlotId> slots_of_block(FaultContext& c, VirtAddr base, PageShift size) {
  const SwapSpace& swap = *c.core.swap;
  const pt::EntryFormat& format = *c.core.platform.format;
  std::optional<SlotId> first;
  uint64_t found = 0;
  const auto cursor = c.mm.table->cursor({base, base + size.bytes()});
  pt::Run run;
  while (cursor->next(run)) {
    uint32_t i = 0;
    for (; i < run.count; ++i, ++found) {
      const pt::Entry e = run.get(i);
      if (e == pt::kNone || format.is_present(e) || is_guard(format, e)) break;
      const SlotId slot = swap.slot_of(e);
      if (!first) first = slot;
      if (slot.value() != first->value() + found || swap.holders(slot) != 1 || swap.copy_of(slot))
        break;
    }
    run.report(*c.core.platform.sink, mem::Origin::Kernel, std::min(i + 1, run.count), 0);
    if (i < run.count) return std::nullopt;
  }
  const uint64_t pages = c.core.pages(size);
  if (found != pages || (first->value() & (pages - 1)) != 0) return std::nullopt;
  return first;
}

// False: no memory in one piece.
bool read_block(FaultContext& c, const Vma& vma, VirtAddr base, const BlockSize& block, SlotId from,
                AccessKind kind) {
  Core& core = c.core;
  const auto first = core.page_frames.new_huge(c.mm, core.sizes.order(block.size), false);
  if (!first) return false;
  pt::LeafFields fields{.pfn = *first,
                        .size = core.page(),
                        .rights = leaf_rights(core, vma, true, true),
                        .accessed = true,
                        .dirty = writes(kind)};
  if (block.style == SuperpageStyle::Hint) fields.hint = block.size;
  {
    const auto cursor = c.mm.table->cursor({base, base + block.size.bytes()});
    pt::Run run;
    while (cursor->next(run)) {
      for (uint32_t i = 0; i < run.count; ++i) {
        const uint64_t page = core.pages(run.address(i) - base);
        fields.pfn = *first + page;
        core.platform.frames->frame(fields.pfn).written = true;
        run.set(i, core.platform.format->make_leaf(fields));
        core.transfer({.pfn = fields.pfn, .slot = from.value() + page});
        core.swap->drop(SlotId(from.value() + page));
      }
      run.report(*core.platform.sink, mem::Origin::Kernel, 0, run.count);
    }
  }
  const uint64_t pages = core.pages(block.size);
  account_huge(core, c.mm, vma, base, block.size, *first);
  core.accounts.add_swapped(c.mm, -static_cast<int64_t>(pages));
  core.counters.swap_reads += pages;
  if (block.style == SuperpageStyle::Hint) core.huge_leaves.add_group(c.mm, block.size);
  // Where the page table makes no leaf of others, or has no memory for it, they are base pages of
  // one block.
  if (block.is_leaf() && c.mm.table->capabilities().promotes)
    static_cast<void>(promote_in_place(core, c.mm, base, block));
  return true;
}

// The largest block that can be read back as one.
bool swap_in_block(FaultContext& c, const Vma& vma, VirtAddr page, AccessKind kind) {
  const PageSizes& sizes = c.core.sizes;
  const std::vector<BlockSize>& blocks = sizes.candidates.empty() ? sizes.blocks : sizes.candidates;
  for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
    if (!may_promote(c.mm, vma, page, *block)) continue;
    const VirtAddr base = align_down(page, block->size);
    const auto from = slots_of_block(c, base, block->size);
    if (!from) continue;
    Counters::BySize& counted = c.core.counters.sizes[block->size];
    if (read_block(c, vma, base, *block, *from, kind)) {
      ++counted.swapped_back;
      finish_fault(c, FaultCause::SwapIn, true);
      return true;
    }
    ++counted.fallbacks;
  }
  return false;
}

}  // namespace

FaultOutcome swap_in(FaultContext& c, const Vma& vma, VirtAddr page, const pt::Slot& slot,
                     AccessKind kind) {
  if (c.core.settings.superpage_swap == SuperpageSwap::Both && swap_in_block(c, vma, page, kind))
    return FaultOutcome::Fixed;
  SwapSpace& swap = *c.core.swap;
  const SlotId from = swap.slot_of(slot.entry);
  const auto copy = swap.copy_of(from);
  const bool exclusive = writes(kind) || (swap.holders(from) == 1 && !copy);
  const bool shares = copy && !exclusive;
  const auto pfn = shares      ? copy
                   : exclusive ? new_page(c, vma, page)
                               : c.core.page_frames.new_anonymous(c.mm);
  if (!pfn) return FaultOutcome::NoMemory;
  mem::Frame& frame = c.core.platform.frames->frame(*pfn);
  frame.exclusive = exclusive;
  put_leaf(c, slot.handle, slot.entry,
           c.core.platform.format->make_leaf({.pfn = *pfn,
                                              .size = c.core.page(),
                                              .rights = leaf_rights(c.core, vma, exclusive, true),
                                              .accessed = true,
                                              .dirty = writes(kind)}));
  if (shares) {
    ++frame.references;
    c.core.mapped(c.mm, *pfn, PageKind::Anonymous);
  } else {
    c.core.transfer({.pfn = *pfn, .slot = from.value()});
    c.core.mapped_anonymous(c.mm, vma, page, *pfn);
    if (!exclusive) swap.remember(from, *pfn);
  }
  swap.drop(from);
  c.core.accounts.add_swapped(c.mm, -1);
  ++(copy ? c.core.counters.swap_hits : c.core.counters.swap_reads);
  finish_fault(c, FaultCause::SwapIn, !copy);
  if (exclusive) tell_policy(c, vma, page);
  return FaultOutcome::Fixed;
}

}  // namespace mmusim::kernel
