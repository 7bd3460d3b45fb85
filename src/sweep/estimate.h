// What a sweep would cost, found by running it for a moment.
#ifndef MMUSIM_SWEEP_ESTIMATE_H_
#define MMUSIM_SWEEP_ESTIMATE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sweep/sweep.h"

namespace mmusim::sweep {

struct Estimate {
  double share = 0;               // of all there is to replay, run for it; 1: all
  std::optional<double> seconds;  // for all; nothing where none could be run, or its length is not
                                  // known (a torn trace up to run.limit)
  uint64_t bytes = 0;             // of memory held by then; more may come
};

// Of the points numbered so, which are run as a sweep with `jobs` threads would run them, in
// passes, for as long as `moment`, in seconds; results are thrown away. A pass that was not begun
// by then is taken to be like those that were. Errors: Error when interrupted.
inline constexpr double kMoment = 2;
Estimate estimate(const std::vector<Point>& points, const std::vector<size_t>& numbers,
                  unsigned jobs, double moment = kMoment);

}  // namespace mmusim::sweep

#endif  // MMUSIM_SWEEP_ESTIMATE_H_
