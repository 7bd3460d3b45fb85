// What a sweep would cost, found by running some of its points for a moment.
#ifndef MMUSIM_SWEEP_ESTIMATE_H_
#define MMUSIM_SWEEP_ESTIMATE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sweep/sweep.h"

namespace mmusim::sweep {

struct Estimate {
  size_t probed = 0;              // points that were run for it
  std::optional<double> seconds;  // nothing where the length of a trace is not known (torn)
  uint64_t bytes = 0;             // of memory, at most at a time
};

// Of the points numbered so, all of which are to run on `jobs` threads. Each probe stops after
// about kProbe instructions; one that fails tells nothing. Errors: Error when interrupted.
inline constexpr uint64_t kProbe = 4'000'000;
Estimate estimate(const std::vector<Point>& points, const std::vector<size_t>& numbers,
                  unsigned jobs);

}  // namespace mmusim::sweep

#endif  // MMUSIM_SWEEP_ESTIMATE_H_
