// What a workload script asks of the machine it runs on.
#ifndef MMUSIM_SIM_WORKLOAD_SCRIPT_CONFIG_H_
#define MMUSIM_SIM_WORKLOAD_SCRIPT_CONFIG_H_

#include "config/schema.h"
#include "sim/workload/plan.h"

namespace mmusim::sim::workload {

// A configuration as a script needs it: a script says all it does, and an address it has not mapped
// is an error of its own; the pool of huge pages is as large as it says, unless that is given,
// and so is the number of CPUs for those it pins to. Errors: UsageError for run.warmup and
// run.interval.
config::Config script_config(const config::Config& config, const Plan& plan);

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_SCRIPT_CONFIG_H_
