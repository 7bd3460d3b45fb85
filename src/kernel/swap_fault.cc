#include "kernel/swap_fault.h"

#include "kernel/entries.h"

namespace mmusim::kernel {

FaultOutcome swap_in(FaultContext& c, const Vma& vma, VirtAddr page, const pt::Slot& slot,
                     AccessKind kind) {
  SwapSpace& swap = *c.core.swap;
  const SlotId from = swap.slot_of(slot.entry);
  const auto copy = swap.copy_of(from);
  const bool exclusive = writes(kind) || (swap.holders(from) == 1 && !copy);
  const bool shares = copy && !exclusive;
  const auto pfn = shares ? copy : c.core.page_frames.new_anonymous(c.mm);
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
  return FaultOutcome::Fixed;
}

}  // namespace mmusim::kernel
