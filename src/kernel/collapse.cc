#include "kernel/collapse.h"

#include <algorithm>

#include "base/error.h"
#include "base/linux_abi.h"
#include "kernel/entries.h"
#include "kernel/fault.h"
#include "kernel/huge.h"
#include "kernel/huge_file.h"
#include "kernel/huge_split.h"
#include "kernel/leaf_table.h"
#include "kernel/promotion.h"

namespace mmusim::kernel {

using namespace abi;

namespace {

constexpr uint64_t kMostLookedAt = uint64_t{1} << 20;  // pages, in a call

// Whether the page table has such an entry there: to some, a void ends at every page.
template <class Test>
bool has_entry(FaultContext& c, VirtRange block, Test test) {
  const auto cursor = c.mm.table->cursor(block);
  pt::Run run;
  bool found = false;
  while (!found && cursor->next(run))
    run.for_each([&](uint32_t, const pt::Entry& e) { found = found || test(e); });
  return found;
}

// What of the block is in swap space comes back. False: there is no room for all of it.
bool read_back(FaultContext& c, Vma& vma, VirtAddr base) {
  const pt::EntryFormat& format = *c.core.platform.format;
  const auto is_away = [&](VirtAddr at) {
    const pt::Lookup found = c.mm.table->find(at);
    return found.entry != pt::kNone && !format.is_present(found.entry);
  };
  const VirtAddr end = base + c.core.huge()->bytes();
  for (VirtAddr at = base; at < end; at += c.core.page().bytes()) {
    if (is_away(at) && handle_fault(c, vma, at, AccessKind::Load) != FaultOutcome::Fixed)
      return false;
  }
  for (VirtAddr at = base; at < end; at += c.core.page().bytes())
    if (is_away(at)) return false;
  return true;
}

// What one of Linux's tables above its leaf tables serves, around `at`.
VirtRange served_above(const Core& core, VirtAddr at) {
  const PageShift served(core.huge()->log2() + core.page().log2() - 3);  // entries of 8 bytes
  const VirtAddr begin = align_down(at, served);
  return {begin, begin + served.bytes()};
}

// Whether the page table shows nothing in all areas of the range. Looked at are no more pages than
// `left`, and of more something is taken to be there.
bool shows_nothing_in(const AddressSpace& mm, VirtRange range, PageShift page, uint64_t& left) {
  for (VirtAddr at = range.begin; at < range.end;) {
    const Vma* const vma = mm.vmas.find_from(at);
    if (vma == nullptr || vma->start >= range.end) break;
    const VirtAddr end = std::min(range.end, vma->end);
    for (at = std::max(at, vma->start); at < end;) {
      const pt::Lookup found = mm.table->peek(at);
      if (found.entry != pt::kNone || left == 0) return false;
      --left;
      at = std::max(at + page.bytes(), found.empty.end);
    }
  }
  return true;
}

// Why nothing is made of a block that shows nothing and has no table. Linux passes over it where
// the table above its leaf table is not there either (SCAN_PMD_NULL), and else ends the call
// (SCAN_PMD_NONE). Tables that are no radix trees have no such tables: then it is there where it
// would serve something.
Collapse nothing_in(const FaultContext& c, const pt::Lookup& there, VirtRange block,
                    uint64_t& left) {
  if (there.empty.begin == block.begin && there.empty.end == block.end) return Collapse::Failed;
  const VirtRange above = served_above(c.core, block.begin);
  const bool nothing = (there.empty.begin <= above.begin && above.end <= there.empty.end) ||
                       shows_nothing_in(c.mm, above, c.core.page(), left);
  return nothing ? Collapse::Missing : Collapse::Failed;
}

Collapse collapse_block(FaultContext& c, Vma& vma, VirtAddr base, uint64_t& left) {
  const PageShift size = *c.core.huge();
  const pt::Lookup there = c.mm.table->find(base);
  if (is_huge(c.core, there) && there.size == size) return Collapse::Done;
  const bool empty = there.entry == pt::kNone && there.empty.begin <= base &&
                     there.empty.end - base >= size.bytes();
  const VirtRange block{base, base + size.bytes()};
  if (empty) return nothing_in(c, there, block, left);
  if (there.has_slot && !is_leaf_table(c.core, c.mm, there, block)) return Collapse::Failed;
  if (!c.mm.table->capabilities().promotes) {
    ++c.core.counters.huge_impossible;
    return Collapse::Failed;
  }
  // A leaf table that holds nothing is something, where there are such.
  if (!there.has_slot && !has_entry(c, block, [](pt::Entry e) { return e != pt::kNone; }))
    return nothing_in(c, there, block, left);
  // Linux tries to fault in what is not present, which a guard refuses.
  if (has_entry(c, block, [&](pt::Entry e) { return is_guard(*c.core.platform.format, e); }))
    return Collapse::Failed;

  if (c.core.swap != nullptr && !read_back(c, vma, base)) return Collapse::NoMemory;
  const BlockSize to{.size = size, .style = SuperpageStyle::Leaf};
  if (promote_by_copy(c.core, c.mm, vma, base, to) != Promotion::Done) return Collapse::NoMemory;
  ++c.core.counters.huge_collapses;
  return Collapse::Done;
}

// Whether MADV_COLLAPSE has anything to do with the area (Linux: thp_vma_allowable_order, forced):
// memory, private or shared, of which the last aligned block lies in the area. Not files on a disk:
// of these Linux makes huge pages only where it was configured so, and nobody has them open for
// writing.
bool may_collapse(const Core& core, const AddressSpace& mm, const Vma& vma) {
  if (vma.has(kVmNoHugePage | kVmHugeTlb | kVmPfnMap | kVmDontExpand)) return false;
  if (mm.thp_disabled == AddressSpace::ThpDisabled::All) return false;
  // Of private memory no page was ever there before its area has an anon_vma.
  if (vma.is_anonymous() ? vma.anon == AnonVmaId(0) : !may_have_huge_folios(core, vma))
    return false;
  const PageShift size = *core.huge();
  const VirtAddr last = align_down(vma.end, size);
  return last.value() >= size.bytes() && last - size.bytes() >= vma.start;
}

}  // namespace

int64_t collapse(FaultContext c, Vma& vma, VirtRange range) {
  if (c.core.settings.thp == HugePages::Disabled) return -kEINVAL;
  if (!c.core.huge() || (!vma.is_anonymous() && c.core.settings.shared_table_bytes != 0)) {
    ++c.core.counters.huge_impossible;
    return -kEINVAL;
  }
  if (!may_collapse(c.core, c.mm, vma)) return -kEINVAL;
  const PageShift size = *c.core.huge();
  const VirtAddr begin = align_up(range.begin, size);
  const VirtAddr end = align_down(range.end, size);
  int64_t result = begin <= end ? 0 : -kEINVAL;
  VirtAddr next;
  uint64_t left = kMostLookedAt;
  for (VirtAddr at = begin; at < end; at = next) {
    const bool shared = !vma.is_anonymous();
    const Collapse one =
        shared ? collapse_shared_block(c, vma, at) : collapse_block(c, vma, at, left);
    if (one == Collapse::NoMemory) return -kENOMEM;
    if (one == Collapse::Failed) return -kEINVAL;
    if (one == Collapse::Missing) result = -kEINVAL;
    next = shared ? at + size.bytes() : next_block(c.mm.table->peek(at), at, size);
    if (!shared && one == Collapse::Missing) next = std::max(next, served_above(c.core, at).end);
  }
  return result;
}

}  // namespace mmusim::kernel
