// A workload script on a simulated machine.
#ifndef MMUSIM_SIM_WORKLOAD_SIMULATE_H_
#define MMUSIM_SIM_WORKLOAD_SIMULATE_H_

#include "config/schema.h"
#include "sim/workload/outcome.h"
#include "sim/workload/plan.h"

namespace mmusim::sim {
class Profiler;
}

namespace mmusim::sim::workload {

// `profiler`: splits what is counted by where it comes from; null: nobody asks. Must outlive it.
// Errors: Error, UsageError (configuration), as sim::replay.
Simulated simulate(const config::Config& config, const Plan& plan, Profiler* profiler = nullptr);

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_SIMULATE_H_
