// fork: a child's address space as Linux's dup_mmap and copy_page_range make it.
#ifndef MMUSIM_KERNEL_FORK_H_
#define MMUSIM_KERNEL_FORK_H_

#include <memory>

#include "kernel/core.h"

namespace mmusim::kernel {

// A copy of `parent`: areas all but those marked, page tables only where the child could not fault
// the same pages in by itself. Private pages become read-only on both sides, and the parent is
// flushed once. Null when there is no memory; the parent is then as good as before.
std::unique_ptr<AddressSpace> fork_space(Core& core, AddressSpace& parent);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_FORK_H_
