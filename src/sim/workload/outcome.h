// What a workload script came to: the same for the simulated and the real kernel, so that they can
// be compared.
#ifndef MMUSIM_SIM_WORKLOAD_OUTCOME_H_
#define MMUSIM_SIM_WORKLOAD_OUTCOME_H_

#include <cstdint>
#include <string>
#include <vector>

#include "sim/workload/script.h"

namespace mmusim::sim::workload {

// Differences over one measure, of the process it was made in; memory in KiB.
struct Counted {
  int64_t minor_faults = 0;
  int64_t anonymous = 0;  // RssAnon
  int64_t file = 0;       // RssFile + RssShmem
  int64_t tables = 0;     // VmPTE
  int64_t areas = 0;      // VMAs
  bool operator==(const Counted&) const = default;
};

struct Outcome {
  std::vector<Counted> measures;  // as Plan::measures
  // Steps of which the result was not success, in order: the step and its errno (touches: how many
  // accesses were refused).
  struct Failure {
    size_t step = 0;
    int64_t result = 0;
    bool operator==(const Failure&) const = default;
  };
  std::vector<Failure> failures;
};

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_OUTCOME_H_
