// The counters of PowerPC MMUs, the hash table and flushes, each with its meaning and denominator.
#ifndef MMUSIM_ARCH_PPC64_REPORT_H_
#define MMUSIM_ARCH_PPC64_REPORT_H_

#include "arch/ppc64/htab.h"
#include "arch/ppc64/mmu.h"
#include "mmu/miss_path.h"
#include "mmu/summary.h"
#include "stats/report.h"

namespace mmusim::ppc64 {

struct FlushCounters;

// What the counters mmu.* are made of; sums are over all CPUs.
mmu::Summary summary_of(const MmuCounters& sum, const Htab& htab, const mmu::PathReport& paths,
                        const FlushCounters& flushes);
// tlb.*, slb.*, hash.*, fault.*
void report_mmu(const MmuCounters& sum, stats::Report& report);
// linear.*
void report_linear(const LinearCounters& sum, stats::Report& report);
// htab.*
void report_htab(const Htab& htab, stats::Report& report);
// switch.*, flush.*
void report_flushes(const FlushCounters& flushes, stats::Report& report);

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_REPORT_H_
