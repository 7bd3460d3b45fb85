// Huge pages of shared memory: folios of the page cache as large as a huge page, which
// MADV_COLLAPSE makes, and which one leaf shows wherever an area has them whole (Linux:
// collapse_file and collapse_pte_mapped_thp, mm/khugepaged.c; do_set_pmd, mm/memory.c).
//
// Making one takes its pages from all who map them, and the leaf tables that are empty then; each
// faults the folio in again, by a huge leaf where no leaf table stands, else page by page as any
// folio. No table memory is kept for such a leaf: where anonymous memory's would be split it goes
// altogether, and its pages are faulted in again. Fork does not copy it. Only of shared memory: of
// files on a disk Linux makes none while somebody may write to them. Not with shared page tables
// (kernel.shared_tables).
#ifndef MMUSIM_KERNEL_HUGE_FILE_H_
#define MMUSIM_KERNEL_HUGE_FILE_H_

#include <optional>

#include "base/types.h"
#include "kernel/fault_context.h"

namespace mmusim::kernel {

// Whether such folios can be made for the area: of shared memory, and places in memory are as
// places in the file.
bool may_have_huge_folios(const Core& core, const Vma& vma);

// A fault at `page`, where nothing is: maps the folio by one leaf if it is a huge one and there is
// room. Nothing: its pages, if any, must be mapped singly.
std::optional<FaultOutcome> map_huge_folio(FaultContext& c, Vma& vma, VirtAddr page,
                                           AccessKind kind);

// What became of one block of a MADV_COLLAPSE.
enum class Collapse : uint8_t {
  Done,
  Missing,  // not possible here; goes on with the next block, and says so at the end
  Failed,   // this and all others end the call
  NoMemory,
};

// MADV_COLLAPSE of the aligned block at `base`, which lies in the area. REQUIRES:
// may_have_huge_folios().
Collapse collapse_shared_block(FaultContext& c, Vma& vma, VirtAddr base);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_HUGE_FILE_H_
