// What a machine is called and made of, as the keys machine.* say. Plain data.
#ifndef MMUSIM_SIM_MACHINE_OPTIONS_H_
#define MMUSIM_SIM_MACHINE_OPTIONS_H_

#include <string>

#include "config/forward.h"
#include "sim/architectures.h"

namespace mmusim::sim {

struct MachineOptions {
  std::string name = "default";  // what results call it
  std::string arch = all_architectures().front().name;
  unsigned cpus = 1;
  std::string page_table = pt::backends().front().name;  // or a plug-in's path

  static const config::Keys<MachineOptions>& keys();
  // REQUIRES: declared.
  static MachineOptions from(const config::Config& config);
};

// The one machine.arch names. REQUIRES: the key was declared.
const Architecture& architecture_of(const config::Config& config);

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_MACHINE_OPTIONS_H_
