// Taking the translations of a range away: what munmap, madvise, truncation and exit have in common
// (Linux: unmap_page_range). What the entries showed goes into a batch (zap_batch.h), which flushes
// and then frees. Large batches are flushed and freed in pieces, as Linux does.
#ifndef MMUSIM_KERNEL_ZAP_H_
#define MMUSIM_KERNEL_ZAP_H_

#include <cstdint>

#include "base/types.h"
#include "kernel/core.h"
#include "kernel/zap_batch.h"

namespace mmusim::kernel {

// What goes: everything, as when the area goes; its contents, but not guard pages (madvise,
// truncation); or only what shows a page of the area's file, not private copies, nor what entries
// name that are not present (Linux: even_cows).
enum class ZapPages : uint8_t { All, Contents, OfFile };

// Clears every such leaf of `range`, which lies in `vma` of the batch's address space; the batch
// takes over the references of what they mapped.
void zap(ZapBatch& batch, const Vma& vma, VirtRange range, ZapPages which = ZapPages::All);

// Takes the pages of that part of a file out of every page table that shows them.
void unmap_everywhere(Core& core, FileId file, PageSpan span, ZapPages which);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_ZAP_H_
