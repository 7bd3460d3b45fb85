// A workload script on the kernel this program runs on.
//
// Each process of the script is a real process: a child of this program and their children, told
// step by step what to do. They make the script's system calls and touches at the script's
// addresses and read their own minor faults, RSS, VmPTE and VMA count before and after each
// measure. What such a process does besides, its own stack, code and data, is faulted in before it
// is counted, and lies in other page tables than the script's addresses. Needs Linux 5.14
// (MADV_POPULATE_*).
#ifndef MMUSIM_SIM_WORKLOAD_NATIVE_H_
#define MMUSIM_SIM_WORKLOAD_NATIVE_H_

#include "sim/workload/outcome.h"
#include "sim/workload/script.h"

namespace mmusim::sim::workload {

// Errors: Error when processes cannot be made, one dies, or the kernel lacks what is needed.
Outcome run_native(const Plan& plan);

// What this computer's kernel does that others do not, found out by trying.
struct NativeFeatures {
  bool pt_reclaim = false;  // kernel.pt_reclaim
};
NativeFeatures native_features();

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_NATIVE_H_
