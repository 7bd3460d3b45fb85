// The counters of sun4u MMUs, TSBs and flushes, each with its meaning and denominator.
#ifndef MMUSIM_ARCH_SPARC64_REPORT_H_
#define MMUSIM_ARCH_SPARC64_REPORT_H_

#include "arch/sparc64/mmu.h"
#include "mmu/miss_path.h"
#include "mmu/summary.h"
#include "stats/report.h"

namespace mmusim::sparc64 {

struct FlushCounters;

// What the counters mmu.* are made of; sums are over all CPUs.
mmu::Summary summary_of(const MmuCounters& sum, const mmu::PathReport& paths,
                        const FlushCounters& flushes);
// tlb.*, linear.*, fault.*
void report_mmu(const MmuCounters& sum, stats::Report& report);
// tsb.*
void report_tsbs(const MmuCounters& sum, const FlushCounters& flushes, stats::Report& report);
// switch.*, flush.*
void report_flushes(const FlushCounters& flushes, stats::Report& report);

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_REPORT_H_
