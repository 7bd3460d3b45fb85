// The list of superpage policies.
#ifndef MMUSIM_KERNEL_SUPERPAGE_POLICIES_H_
#define MMUSIM_KERNEL_SUPERPAGE_POLICIES_H_

#include <memory>

#include "kernel/core.h"
#include "kernel/superpage_policy.h"

namespace mmusim::kernel {

// That of kernel.superpage.policy; null: faults decide. REQUIRES: the sizes are known.
std::unique_ptr<SuperpagePolicy> make_superpage_policy(Core& core);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_SUPERPAGE_POLICIES_H_
