// Leaf tables where a block of memory is to be mapped whole. Linux makes no huge page by a fault,
// and shares no table, where a leaf table is (pmd_none()), though it were empty. A radix tree's
// serves one block. A page table of another kind may have tables that serve several
// (pt::Lookup::table_size); such a one is the block's only if it shows something there.
#ifndef MMUSIM_KERNEL_LEAF_TABLE_H_
#define MMUSIM_KERNEL_LEAF_TABLE_H_

#include "base/types.h"
#include "kernel/core.h"
#include "pt/page_table.h"

namespace mmusim::kernel {

// Whether the page table shows nothing in the block: by what it `found` at a page of it, where
// there is no entry, and, where that is less, by looking. The words read are reported.
bool shows_nothing(Core& core, AddressSpace& mm, const pt::Lookup& found, VirtRange block);

// Whether what was `found` at a page of the block is a leaf table of the block's.
bool is_leaf_table(Core& core, AddressSpace& mm, const pt::Lookup& found, VirtRange block);
// Whether there is one at `page`, of the aligned block of that size.
bool has_leaf_table(Core& core, AddressSpace& mm, VirtAddr page, PageShift size);
// Whether there was one when that was `found`, also where none shows at the page itself: a page
// table without leaf tables, or with small ones, shows no more than what else is in the block.
bool had_leaf_table(Core& core, AddressSpace& mm, const pt::Lookup& found, VirtRange block);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_LEAF_TABLE_H_
