#include "sim/workload/script_config.h"

#include <string>

#include "sim/run_options.h"

namespace mmusim::sim::workload {

config::Config script_config(const config::Config& config, const Plan& plan) {
  RunOptions::refuse_looks(config, "a script has no instructions to go by; it has measures");
  RunOptions::refuse(config, {"run.limit", "sched.quantum"},
                     "a script has no instructions to go by");
  RunOptions::refuse(config, {"run.trace", "run.accept_torn", "run.relocate", "run.stream"},
                     "is of traces, and a script is none");
  config::Config own = config;
  own.set("kernel.imply", "false", "workload scripts");
  if (plan.huge_pages != 0 && own.origin("kernel.hugetlb_pages") == "default")
    own.set("kernel.hugetlb_pages", std::to_string(plan.huge_pages), "workload scripts");
  if (plan.cpus > 1 && own.origin("machine.cpus") == "default")
    own.set("machine.cpus", std::to_string(plan.cpus), "workload scripts");
  return own;
}

}  // namespace mmusim::sim::workload
