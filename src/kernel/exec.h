// exec: what a new program finds in its address space.
#ifndef MMUSIM_KERNEL_EXEC_H_
#define MMUSIM_KERNEL_EXEC_H_

#include "kernel/system.h"
#include "trace/record.h"

namespace mmusim::kernel {

// Replaces the process's image by the event's: its areas, stack, break, and the pages the kernel
// itself writes (arguments and environment on the stack). Areas that make no sense are left out and
// counted. The faults so far stay counted with the process.
void exec(System& system, CpuId cpu, trace::ThreadId thread, const trace::ExecEvent& event);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_EXEC_H_
