// Pages of files that are not in memory: what a fault reads, and what it reads besides (Linux 6.18:
// do_sync_mmap_readahead, page_cache_async_ra, page_cache_ra_order).
//
// A miss reads a window of kernel.readahead around the page. A mark is left in it, a quarter of it
// before its end; a fault at the marked page, which no fault maps on the way, has the next window
// read, in larger folios each time where the file may have any. Areas advised `random` read the
// page alone, `sequential` ones from it on, and so do those with code. After a hundred misses more
// than hits the page alone is read. Pages that reclaim took (and only these) are read one at a time
// where files are hot: what lay around them most likely still is in memory.
#ifndef MMUSIM_KERNEL_READ_AHEAD_H_
#define MMUSIM_KERNEL_READ_AHEAD_H_

#include <cstdint>
#include <optional>

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

struct Reading {
  bool major = false;  // it had to be read
  bool again = false;  // the fault waited for read-ahead, and then is made again
};
// The frame of the page of the area's file, which is read if it is not in memory. Nothing: no
// memory for it.
std::optional<Pfn> read_file_page(Core& core, const Vma& vma, uint64_t index, Reading& reading);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_READ_AHEAD_H_
