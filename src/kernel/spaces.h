// How address spaces come and go.
#ifndef MMUSIM_KERNEL_SPACES_H_
#define MMUSIM_KERNEL_SPACES_H_

#include <memory>

#include "kernel/core.h"

namespace mmusim::kernel {

// A new, empty one; null when there is no memory for its root. Errors: UsageError for settings its
// page table cannot follow.
std::unique_ptr<AddressSpace> make_space(Core& core);

// Takes the whole address space apart: every area, every page, every table. The caller destroys it.
void tear_down(Core& core, AddressSpace& mm);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_SPACES_H_
