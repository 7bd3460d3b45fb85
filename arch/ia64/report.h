// The counters of IA-64 MMUs and of flushes, each with its meaning and denominator.
#ifndef MMUSIM_ARCH_IA64_REPORT_H_
#define MMUSIM_ARCH_IA64_REPORT_H_

#include <cstdint>

#include "arch/ia64/mmu.h"
#include "arch/ia64/options.h"
#include "mmu/summary.h"
#include "mmu/table_copy.h"
#include "stats/report.h"

namespace mmusim::ia64 {

struct FlushCounters;

// What the counters mmu.* are made of; sums are over all CPUs.
mmu::Summary summary_of(const Options& options, const MmuCounters& sum,
                        const mmu::PathReport& paths, const FlushCounters& flushes,
                        const mmu::CopyCounters& linear, uint64_t vhpt_bytes);
// tlb.*, walker.*, identity.*, fault.*. Arrays the machine does not have are left out.
void report_mmu(const Options& options, const MmuCounters& sum, stats::Report& report);
// switch.*, flush.*
void report_flushes(const FlushCounters& flushes, uint64_t wraps, stats::Report& report);
// vhpt.* in long format, linear.* in short.
void report_soft_tlb(const Options& options, const MmuCounters& sum,
                     const mmu::CopyCounters& linear, uint64_t vhpt_bytes, stats::Report& report);

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_REPORT_H_
