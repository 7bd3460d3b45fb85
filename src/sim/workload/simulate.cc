#include "sim/workload/simulate.h"

#include "base/error.h"
#include "sim/machine_options.h"
#include "sim/workload/script_config.h"

namespace mmusim::sim::workload {

Simulated simulate(const config::Config& config, const Plan& plan, Profiler* profiler) {
  const config::Config own = script_config(config, plan);
  Simulated simulated =
      to_its_end([&] { return architecture_of(own).simulate(own, plan, profiler); });
  const MachineOptions machine = MachineOptions::from(own);
  simulated.outcome.other_tables = machine.arch != "x86_64" || machine.page_table != "mlpt" ||
                                   own.origin("pt.mlpt.levels") != "default";
  return simulated;
}

}  // namespace mmusim::sim::workload
