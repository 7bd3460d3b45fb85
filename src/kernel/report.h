// The kernel model's counters, said with name, meaning and denominator.
#ifndef MMUSIM_KERNEL_REPORT_H_
#define MMUSIM_KERNEL_REPORT_H_

#include "kernel/core.h"
#include "stats/report.h"

namespace mmusim::kernel {

void report_counters(const Core& core, stats::Report& report);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_REPORT_H_
