// The architectures a machine can have: an explicit list in architectures.cc.
#ifndef MMUSIM_SIM_ARCHITECTURES_H_
#define MMUSIM_SIM_ARCHITECTURES_H_

#include <vector>

#include "config/schema.h"
#include "sim/simulation.h"
#include "stats/report.h"

namespace mmusim::sim {

struct Architecture {
  ArchitectureInfo info;
  void (*declare)(config::Schema&);
  ReplayResult (*replay)(const config::Config&, const ReplayOptions&);
  stats::Report (*catalog)(const config::Config&);
};

const std::vector<Architecture>& all_architectures();

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_ARCHITECTURES_H_
