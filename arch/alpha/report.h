// The counters of Alpha MMUs and of flushes, each with its meaning and denominator.
#ifndef MMUSIM_ARCH_ALPHA_REPORT_H_
#define MMUSIM_ARCH_ALPHA_REPORT_H_

#include "arch/alpha/mmu.h"
#include "mmu/summary.h"
#include "stats/report.h"

namespace mmusim::alpha {

struct FlushCounters;

// What the counters mmu.* are made of; sums are over all CPUs.
mmu::Summary summary_of(const MmuCounters& sum, const mmu::PathReport& paths,
                        const FlushCounters& flushes);
// tlb.*, table.*, cause.*, fault.*
void report_mmu(const MmuCounters& sum, stats::Report& report);
// switch.*, flush.*
void report_flushes(const FlushCounters& flushes, stats::Report& report);

}  // namespace mmusim::alpha

#endif  // MMUSIM_ARCH_ALPHA_REPORT_H_
