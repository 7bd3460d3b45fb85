#include "sim/workload/simulate.h"

#include "sim/architectures.h"

namespace mmusim::sim::workload {

config::Config script_config(const config::Config& config) {
  config::Config own = config;
  own.set("kernel.imply", "false", "workload scripts");
  return own;
}

Simulated simulate(const config::Config& config, const Plan& plan) {
  const config::Config own = script_config(config);
  return architecture_of(own).simulate(own, plan);
}

}  // namespace mmusim::sim::workload
