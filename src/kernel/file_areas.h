// Who shows a part of a file: found by asking every area of every address space.
#ifndef MMUSIM_KERNEL_FILE_AREAS_H_
#define MMUSIM_KERNEL_FILE_AREAS_H_

#include <functional>

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

// visit(mm, area, part) for each area, of any process, that shows some of the span, and the part of
// it that does; by address space and address. `visit` may change page tables, not areas.
void each_area_of(Core& core, FileId file, PageSpan span,
                  const std::function<void(AddressSpace& mm, Vma& vma, VirtRange part)>& visit);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_FILE_AREAS_H_
