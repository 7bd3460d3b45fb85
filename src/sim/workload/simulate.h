// A workload script on a simulated machine.
#ifndef MMUSIM_SIM_WORKLOAD_SIMULATE_H_
#define MMUSIM_SIM_WORKLOAD_SIMULATE_H_

#include "config/schema.h"
#include "sim/workload/outcome.h"
#include "sim/workload/plan.h"
#include "stats/report.h"

namespace mmusim::sim::workload {

struct Simulated {
  Outcome outcome;
  stats::Report report;  // as of a replay; run.loads and run.stores are the script's touches
};

// A configuration as a script needs it: a script says all it does, and an address it has not mapped
// is an error of its own; the pool of huge pages is as large as it says, unless that is given,
// and so is the number of CPUs for those it pins to.
config::Config script_config(const config::Config& config, const Plan& plan);

// Errors: Error, UsageError (configuration), as sim::replay.
Simulated simulate(const config::Config& config, const Plan& plan);

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_SIMULATE_H_
