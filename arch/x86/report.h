// Those counters of x86 MMUs whose names or meaning hang on the machine, and the order of all.
#ifndef MMUSIM_ARCH_X86_REPORT_H_
#define MMUSIM_ARCH_X86_REPORT_H_

#include "arch/x86/mmu.h"
#include "arch/x86/options.h"
#include "stats/report.h"

namespace mmusim::x86 {

// Page walks, of tables in x86's format and of others.
uint64_t walks_of(const Mmu::Counters& sum);
// tlb.*, walker.*, fault.*, direct.*; `sum` is over all CPUs. Arrays the machine does not have are
// left out.
void report_mmu(const Options& options, const Mmu::Counters& sum, stats::Report& report);

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_REPORT_H_
