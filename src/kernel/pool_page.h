// Pages of the hugetlb pools as page tables show them: by one leaf where the table has one of that
// size, else by several side by side, which agree but for their frames, as Linux has it on SPARC
// (arch/sparc/mm/hugetlbpage.c): by entries of base pages that hint the size
// (pt::LeafFields::hint), or, of a size above the machine's own huge page, by leaves of that.
//
// Whatever shows such a page, it is one to the kernel: all its leaves are made, changed and cleared
// together, and are no group that could be split (hint_group.h).
#ifndef MMUSIM_KERNEL_POOL_PAGE_H_
#define MMUSIM_KERNEL_POOL_PAGE_H_

#include <optional>
#include <vector>

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

struct PoolPage {
  VirtAddr base;
  PageShift size;
  PageShift leaf;  // of each leaf that shows a part of it

  [[nodiscard]] bool is_one_leaf() const { return leaf == size; }
  [[nodiscard]] VirtRange range() const { return {base, base + size.bytes()}; }
};

// The leaves that would show pages of that size; nothing: page table and format have none that
// can. `leaves`: the table's own sizes.
std::optional<PageShift> pool_leaf(const Core& core, const std::vector<PageShift>& leaves,
                                   PageShift size);

// The page of the area's pool around `va`. REQUIRES: an area of a pool.
PoolPage pool_page_at(const Core& core, const Vma& vma, VirtAddr va);
// Its first frame, by one of its leaves, which is at `at`.
Pfn first_frame(const Core& core, const PoolPage& page, VirtAddr at, pt::Entry leaf);

// Slots for all its leaves. Ok, or as PageTable::ensure().
pt::Status make_slots(AddressSpace& mm, const PoolPage& page);
// All its leaves say that, those of further parts with the frames behind fields.pfn. REQUIRES:
// there are slots; fields.size is that of a leaf.
void write_leaves(Core& core, AddressSpace& mm, const PoolPage& page, pt::LeafFields fields);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_POOL_PAGE_H_
