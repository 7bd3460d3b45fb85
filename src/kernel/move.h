// mremap's move: pages and tables of one area to another place.
#ifndef MMUSIM_KERNEL_MOVE_H_
#define MMUSIM_KERNEL_MOVE_H_

#include <cstdint>

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

// Moves the pages of `from` (in one area) to `to`, which is emptied first and may be longer
// or shorter; `keep_old`: the old area stays, empty (MREMAP_DONTUNMAP). -ENOMEM: nothing changed
// but the target may be unmapped. REQUIRES: of the pool's memory whole huge pages to where they
// fit.
int64_t move_area(Core& core, AddressSpace& mm, VirtRange from, VirtRange to, bool keep_old);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_MOVE_H_
