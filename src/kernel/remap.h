// mremap as a system call (Linux 6.18: do_mremap, mm/mremap.c): what its arguments mean for the
// area at hand, and whether it stays, shrinks, grows or moves.
//
// Lengths are rounded up to what the area is made of, pages or the pool's huge pages, before
// anything else is asked. Not for recordings, which say themselves what came of it (replay.cc).
#ifndef MMUSIM_KERNEL_REMAP_H_
#define MMUSIM_KERNEL_REMAP_H_

#include <cstdint>

#include "base/types.h"
#include "kernel/fault_context.h"

namespace mmusim::kernel {

struct RemapCall {
  VirtAddr start;
  uint64_t old_length = 0;
  uint64_t new_length = 0;
  uint32_t flags = 0;  // kRemap*
  VirtAddr target;
};

// Where the memory is then, or -errno.
int64_t remap(FaultContext context, const RemapCall& call);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_REMAP_H_
