// Pages of files on disk that were written through a mapping, until they are written back.
//
// Nothing is written back by itself (Linux does after seconds): msync, and fsync of a file that a
// script makes, do. A folio written back is clean: every leaf of a shared mapping that shows it
// loses its dirty bit and its write permission, so that the next write is a fault again (Linux:
// folio_mkclean). Memory (tmpfs, shared anonymous) has nothing to be written to.
#ifndef MMUSIM_KERNEL_WRITEBACK_H_
#define MMUSIM_KERNEL_WRITEBACK_H_

#include <cstdint>

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

// The page of a shared area has been made writable.
void note_written(Core& core, const Vma& vma, VirtAddr page);

// Writes back the dirty folios that reach into the span.
void write_back(Core& core, FileId file, PageSpan span);

// msync of a range that is page-aligned; empty: nothing. -EINVAL: flags nobody knows, or two that
// exclude each other; -EBUSY: MS_INVALIDATE of a locked area; -ENOMEM: a hole, after the rest was
// written (with MS_ASYNC alone: at the hole).
int64_t sync_range(Core& core, AddressSpace& mm, VirtRange range, uint32_t flags);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_WRITEBACK_H_
