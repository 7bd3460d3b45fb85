#include "sim/workload/simulate.h"

#include "sim/architectures.h"
#include "sim/workload/script_config.h"

namespace mmusim::sim::workload {

Simulated simulate(const config::Config& config, const Plan& plan) {
  const config::Config own = script_config(config, plan);
  Simulated simulated = architecture_of(own).simulate(own, plan);
  simulated.outcome.other_tables = own.choice("machine.arch") != "x86_64" ||
                                   own.choice("machine.page_table") != "mlpt" ||
                                   own.origin("pt.mlpt.levels") != "default";
  return simulated;
}

}  // namespace mmusim::sim::workload
