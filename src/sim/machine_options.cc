#include "sim/machine_options.h"

#include <algorithm>

#include "base/error.h"
#include "config/keys.h"
#include "mmu/mmu.h"

namespace mmusim::sim {

const config::Keys<MachineOptions>& MachineOptions::keys() {
  static const config::Keys<MachineOptions> kKeys = [] {
    std::vector<config::Named<std::string>> architectures;
    for (const Architecture& one : all_architectures())
      architectures.push_back({one.name, one.name});
    std::vector<std::string> page_tables;
    for (const pt::Backend& one : pt::backends())
      page_tables.emplace_back(one.name);
    config::Keys<MachineOptions> keys;
    keys.text("machine.name", &MachineOptions::name, "What results call the machine.")
        .choice("machine.arch", &MachineOptions::arch, architectures,
                "The architecture of the MMU.")
        .number("machine.cpus", &MachineOptions::cpus,
                "CPUs, each with TLBs of its own. Who goes on when is the recording's to say; "
                "where, the scheduler's (sched.*).",
                1, mmu::kMostCpus)
        .choice_or_path("machine.page_table", &MachineOptions::page_table, page_tables,
                        "The kernel's page table: a name, or the path of a plug-in.");
    return keys;
  }();
  return kKeys;
}

MachineOptions MachineOptions::from(const config::Config& config) {
  return keys().read(config);
}

const Architecture& architecture_of(const config::Config& config) {
  const std::string name = MachineOptions::from(config).arch;
  const auto& all = all_architectures();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Architecture& a) { return name == a.name; });
  MMUSIM_ASSERT(found != all.end());
  return *found;
}

}  // namespace mmusim::sim
