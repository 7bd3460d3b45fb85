// The counters of x86 MMUs and of flushes, each with its meaning and denominator.
#ifndef MMUSIM_ARCH_X86_REPORT_H_
#define MMUSIM_ARCH_X86_REPORT_H_

#include "arch/x86/mmu.h"
#include "arch/x86/options.h"
#include "mmu/miss_path.h"
#include "mmu/summary.h"
#include "stats/report.h"

namespace mmusim::x86 {

struct FlushCounters;

// tlb.*, walker.*, fault.*; `sum` is over all CPUs. Arrays the machine does not have are left out.
void report_mmu(const Options& options, const MmuCounters& sum, stats::Report& report);
// What the counters mmu.* are made of.
mmu::Summary summary_of(const Options& options, const MmuCounters& sum,
                        const FlushCounters& flushes, const mmu::ShadowCounters& shadows,
                        const mmu::PathReport& path);
// flush.*, switch.*
// Of machines with several CPUs.
void report_idle(const FlushCounters& flushes, stats::Report& report);
void report_flushes(const Options& options, const FlushCounters& flushes, const MmuCounters& sum,
                    stats::Report& report);
// shadow.*
void report_shadows(const mmu::ShadowCounters& shadows, stats::Report& report);

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_REPORT_H_
