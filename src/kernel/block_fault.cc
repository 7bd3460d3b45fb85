#include "kernel/block_fault.h"

#include "kernel/entries.h"
#include "kernel/huge.h"
#include "kernel/leaf_table.h"

namespace mmusim::kernel {

namespace {

void finish_block(FaultContext& c, const Vma& vma, VirtAddr base, PageShift size, Pfn first) {
  account_huge(c.core, c.mm, vma, base, size, first);
  if (vma.has(kVmImplied)) c.core.counters.implied_pages += c.core.pages(size);
  finish_fault(c, FaultCause::Anonymous, false);
  ++c.core.counters.huge_faults;
  ++c.core.counters.sizes[size].made;
}

// Nothing, here and below: not of this size.
std::optional<FaultOutcome> map_leaf(FaultContext& c, const Vma& vma, VirtAddr base, PageShift size,
                                     Pfn first) {
  const pt::Slot slot = c.mm.table->ensure(base, size);
  if (slot.status != pt::Status::Ok || slot.entry != pt::kNone) return std::nullopt;
  if (!c.core.huge_leaves.add(c.mm, size)) return FaultOutcome::NoMemory;
  put_leaf(c, slot.handle, pt::kNone, huge_leaf(c.core, vma, size, first, false));
  finish_block(c, vma, base, size, first);
  return FaultOutcome::Fixed;
}

std::optional<FaultOutcome> map_pages(FaultContext& c, const Vma& vma, VirtAddr base,
                                      PageShift size, Pfn first, bool hinted) {
  {
    const auto builder = c.mm.table->cursor({base, base + size.bytes()}, pt::CursorMode::Build);
    pt::Run run;
    while (builder->next(run)) {
    }
    if (builder->status() == pt::Status::NoMemory) return FaultOutcome::NoMemory;
    if (builder->status() != pt::Status::Ok) return std::nullopt;
  }
  const pt::EntryFormat& format = *c.core.platform.format;
  pt::LeafFields fields =
      format.parse_leaf(huge_leaf(c.core, vma, c.core.page(), first, false), c.core.page());
  if (hinted) fields.hint = size;
  const auto cursor = c.mm.table->cursor({base, base + size.bytes()});
  pt::Run run;
  while (cursor->next(run)) {
    for (uint32_t i = 0; i < run.count; ++i) {
      fields.pfn = first + c.core.pages(run.address(i) - base);
      run.set(i, format.make_leaf(fields));
    }
    run.report(*c.core.platform.sink, mem::Origin::Kernel, 0, run.count);
  }
  if (hinted) c.core.huge_leaves.add_group(c.mm, size);
  finish_block(c, vma, base, size, first);
  return FaultOutcome::Fixed;
}

std::optional<FaultOutcome> map_one(FaultContext& c, const Vma& vma, VirtAddr base,
                                    const BlockSize& block) {
  const unsigned order = c.core.sizes.order(block.size);
  const auto first = c.core.page_frames.new_huge(c.mm, order, block.is_leaf());
  if (!first) {
    ++c.core.counters.huge_fallbacks;
    ++c.core.counters.sizes[block.size].fallbacks;
    return std::nullopt;
  }
  const auto outcome = block.is_leaf() ? map_leaf(c, vma, base, block.size, *first)
                                       : map_pages(c, vma, base, block.size, *first,
                                                   block.style == SuperpageStyle::Hint);
  if (outcome != FaultOutcome::Fixed) c.core.page_frames.discard_huge(*first, order);
  return outcome;
}

}  // namespace

std::optional<FaultOutcome> map_block(FaultContext& c, Vma& vma, VirtAddr page, AccessKind kind) {
  // Reads get the page of zeros, where there is one.
  if (!writes(kind) && c.core.settings.zero_page) return std::nullopt;
  if (vma.has(kVmNoHugePage)) return std::nullopt;
  std::optional<pt::Lookup> found;  // looked up once there is a size to look for
  const std::vector<BlockSize>& blocks = c.core.sizes.blocks;
  for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
    if (!wants(block->when, vma) || !lies_in(vma, page, block->size)) continue;
    const VirtAddr base = align_down(page, block->size);
    if (!found) found = c.mm.table->find(page);
    if (found->entry != pt::kNone) return std::nullopt;
    if (!shows_nothing(c.core, c.mm, *found, {base, base + block->size.bytes()})) continue;
    prepare_anon(c.core, c.mm, vma);
    if (const auto outcome = map_one(c, vma, base, *block)) return outcome;
  }
  return std::nullopt;
}

}  // namespace mmusim::kernel
