#include "kernel/pool_page.h"

#include <algorithm>

#include "base/error.h"

namespace mmusim::kernel {

std::optional<PageShift> pool_leaf(const Core& core, const std::vector<PageShift>& leaves,
                                   PageShift size) {
  const auto has = [size](const std::vector<PageShift>& sizes) {
    return std::find(sizes.begin(), sizes.end(), size) != sizes.end();
  };
  if (has(leaves)) return size;
  // A table that has a scaled region (pt/scaled_region.h).
  const mmu::HugeRegion& region = core.platform.layout.huge_region;
  if (!region.range.empty() && region.page == size &&
      core.platform.page_tables->hardware_walkable() != nullptr)
    return size;
  const std::vector<PageShift> hints = core.platform.format->hint_sizes();
  if (has(hints)) return core.page();
  if (!hints.empty() && core.sizes.huge && *core.sizes.huge < size) return core.sizes.huge;
  return std::nullopt;
}

PoolPage pool_page_at(const Core& core, const Vma& vma, VirtAddr va) {
  const PageShift size = core.files.pool_page(vma);
  return {align_down(va, size), size, core.pools.leaf_of(size)};
}

Pfn first_frame(const Core& core, const PoolPage& page, VirtAddr at, pt::Entry leaf) {
  return core.platform.format->parse_leaf(leaf, page.leaf).pfn -
         core.pages(align_down(at, page.leaf) - page.base);
}

pt::Status make_slots(AddressSpace& mm, const PoolPage& page) {
  for (VirtAddr at = page.base; at < page.range().end; at += page.leaf.bytes())
    if (const pt::Status status = mm.table->ensure(at, page.leaf).status; status != pt::Status::Ok)
      return status;
  return pt::Status::Ok;
}

void write_leaves(Core& core, AddressSpace& mm, const PoolPage& page, pt::LeafFields fields) {
  const pt::EntryFormat& format = *core.platform.format;
  const Pfn first = fields.pfn;
  if (page.leaf != core.page()) {
    // A cursor need not go through slots of upper levels that are empty.
    for (VirtAddr at = page.base; at < page.range().end; at += page.leaf.bytes()) {
      const pt::Slot slot = mm.table->ensure(at, page.leaf);
      fields.pfn = first + core.pages(at - page.base);
      const pt::Status status =
          mm.table->install(slot.handle, slot.entry, format.make_leaf(fields));
      MMUSIM_ASSERT(slot.status == pt::Status::Ok && status == pt::Status::Ok);
    }
    return;
  }
  fields.hint = page.size;
  const auto cursor = mm.table->cursor(page.range());
  pt::Run run;
  while (cursor->next(run)) {
    for (uint32_t i = 0; i < run.count; ++i) {
      fields.pfn = first + core.pages(run.address(i) - page.base);
      run.set(i, format.make_leaf(fields));
    }
    run.report(*core.platform.sink, mem::Origin::Kernel, 0, run.count);
  }
}

}  // namespace mmusim::kernel
