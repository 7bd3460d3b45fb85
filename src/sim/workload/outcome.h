// What a workload script came to: the same for the simulated and the real kernel, so that they can
// be compared.
#ifndef MMUSIM_SIM_WORKLOAD_OUTCOME_H_
#define MMUSIM_SIM_WORKLOAD_OUTCOME_H_

#include <cstdint>
#include <vector>

#include "sim/workload/plan.h"

namespace mmusim::sim::workload {

// Differences over one measure, of the process it was made in; memory in KiB.
struct Counted {
  int64_t minor_faults = 0;
  int64_t anonymous = 0;  // RssAnon
  int64_t file = 0;       // RssFile + RssShmem
  int64_t tables = 0;     // VmPTE
  int64_t areas = 0;      // VMAs
  int64_t pool = 0;       // HugetlbPages
  bool operator==(const Counted&) const = default;

  Counted operator-(const Counted& before) const {
    return {minor_faults - before.minor_faults,
            anonymous - before.anonymous,
            file - before.file,
            tables - before.tables,
            areas - before.areas,
            pool - before.pool};
  }
};

// A step of which the result was not success.
struct Failure {
  uint64_t step = 0;  // the how manieth it was
  Step::Kind kind = Step::Kind::Map;
  Position at;
  int64_t result = 0;  // -errno; of a touch: how many accesses were refused
  bool operator==(const Failure& o) const { return step == o.step && result == o.result; }
};

// Where the kernel put a segment that was left to it.
struct Placed {
  uint64_t step = 0;
  Position at;
  int64_t offset = 0;  // from mmap_base
  bool operator==(const Placed& o) const { return step == o.step && offset == o.offset; }
};

struct Outcome {
  static constexpr size_t kMostFailures = 100'000;  // that are kept

  std::vector<Counted> measures;  // as Plan::measures
  std::vector<Failure> failures;  // in order
  uint64_t failed = 0;            // all, kept or not
  std::vector<Placed> places;     // in order

  void add(const Failure& failure) {
    ++failed;
    if (failures.size() < kMostFailures) failures.push_back(failure);
  }
};

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_OUTCOME_H_
