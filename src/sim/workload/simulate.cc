#include "sim/workload/simulate.h"

#include <string>

#include "sim/architectures.h"

namespace mmusim::sim::workload {

config::Config script_config(const config::Config& config, const Plan& plan) {
  config::Config own = config;
  own.set("kernel.imply", "false", "workload scripts");
  if (plan.huge_pages != 0 && own.origin("kernel.hugetlb_pages") == "default")
    own.set("kernel.hugetlb_pages", std::to_string(plan.huge_pages), "workload scripts");
  if (plan.cpus > 1 && own.origin("machine.cpus") == "default")
    own.set("machine.cpus", std::to_string(plan.cpus), "workload scripts");
  return own;
}

Simulated simulate(const config::Config& config, const Plan& plan) {
  const config::Config own = script_config(config, plan);
  Simulated simulated = architecture_of(own).simulate(own, plan);
  simulated.outcome.other_tables = own.choice("machine.arch") != "x86_64" ||
                                   own.choice("machine.page_table") != "mlpt" ||
                                   own.origin("pt.mlpt.levels") != "default";
  return simulated;
}

}  // namespace mmusim::sim::workload
