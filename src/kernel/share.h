// Shared page tables (kernel.shared_tables; after D. McCracken's patches, linux-mm 2002-2006, and
// what Linux has for hugetlb, mm/hugetlb.c: page_table_shareable, huge_pmd_unshare).
//
// Where several processes map the same part of a file alike, they can use the same tables for it.
// Memory is shared in blocks of one size, aligned in each address space and in the file alike. A
// fault in a block without tables joins another process's, if all of it lies in an area there and
// here with the same rights, and neither area ever had private pages. From then on whoever maps a
// page maps it for all. Who changes something only for himself (mprotect, munmap or mremap of a
// part, a private write, madvise) leaves the whole block first: its pages can be faulted in again.
//
// A block is what the page table can share: a leaf table, or a whole table of leaf tables (pmd
// level) or more. Leaving costs what the blocks in use hold, however far the range reaches.
//
// Accounts: a page counts once in its frame's mappings, however many use the table, and in the RSS
// of each of them; the tables are in no process's VmPTE. Not thread-safe.
#ifndef MMUSIM_KERNEL_SHARE_H_
#define MMUSIM_KERNEL_SHARE_H_

#include <functional>

#include "base/types.h"
#include "kernel/core.h"
#include "kernel/zap_batch.h"

namespace mmusim::kernel {

// Blocks are the smallest that tables like this one can share and that kernel.shared_tables does
// not exceed. Errors: UsageError if there are none.
void choose_shared_blocks(Core& core, const pt::PageTable& table);

// Before a fault at `page` is looked into: joins the tables of another process, if there are any.
// True if it did.
bool join_tables(Core& core, AddressSpace& mm, const Vma& vma, VirtAddr page);

// What `mm` uses with others of the range, whole blocks of it, it no longer uses. The flush is the
// batch's.
void leave_tables(Core& core, AddressSpace& mm, VirtRange range, ZapBatch& batch);
// The same, flushed at once.
void leave_tables(Core& core, AddressSpace& mm, VirtRange range);

// The other users of the table that translates `page` in `mm`, and the page there.
void for_each_sharer(Core& core, const AddressSpace& mm, VirtAddr page,
                     const std::function<void(AddressSpace& other, VirtAddr page)>& visit);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_SHARE_H_
