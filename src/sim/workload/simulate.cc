#include "sim/workload/simulate.h"

#include "sim/architectures.h"

namespace mmusim::sim::workload {

Simulated simulate(const config::Config& config, const Plan& plan) {
  // A script says all it does: an address it has not mapped is an error of its own.
  config::Config own = config;
  own.set("kernel.imply", "false", "workload scripts");
  return architecture_of(own).simulate(own, plan);
}

}  // namespace mmusim::sim::workload
