// What a workload script came to: the same for the simulated and the real kernel, so that they can
// be compared.
#ifndef MMUSIM_SIM_WORKLOAD_OUTCOME_H_
#define MMUSIM_SIM_WORKLOAD_OUTCOME_H_

#include <cstdint>
#include <vector>

#include "sim/workload/plan.h"
#include "stats/report.h"

namespace mmusim::sim::workload {

// Differences over one measure, of the process it was made in; memory in KiB.
//
// Two kernels that are alike count alike, but for what depends on the computer and not on its
// kernel: which pages are in swap space is a matter of what else is in memory, and of its peak
// Linux keeps a figure that may be off by 32 pages for each CPU (VmHWM). These two are told, and
// not compared.
struct Counted {
  int64_t minor_faults = 0;
  int64_t anonymous = 0;  // RssAnon
  int64_t file = 0;       // RssFile + RssShmem
  int64_t tables = 0;     // VmPTE
  int64_t areas = 0;      // VMAs
  int64_t pool = 0;       // HugetlbPages
  int64_t major_faults = 0;
  int64_t swap = 0;  // VmSwap
  int64_t peak = 0;  // the most memory resident at any time of the measure, less that at its start

  // Of what is compared.
  bool operator==(const Counted& o) const {
    return minor_faults == o.minor_faults && anonymous == o.anonymous && file == o.file &&
           tables == o.tables && areas == o.areas && pool == o.pool &&
           major_faults == o.major_faults;
  }

  // `before.peak` is what was resident then.
  Counted operator-(const Counted& before) const {
    return {minor_faults - before.minor_faults,
            anonymous - before.anonymous,
            file - before.file,
            tables - before.tables,
            areas - before.areas,
            pool - before.pool,
            major_faults - before.major_faults,
            swap - before.swap,
            peak - before.peak};
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
  // Counted::tables are those of a page table of another shape than x86-64's Linux has, which
  // nobody expects to weigh as much.
  bool other_tables = false;

  void add(const Failure& failure) {
    ++failed;
    if (failures.size() < kMostFailures) failures.push_back(failure);
  }
};

// ... and what else the simulated one counted.
struct Simulated {
  Outcome outcome;
  stats::Report report;  // as of a replay; run.loads and run.stores are the script's touches
};

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_OUTCOME_H_
