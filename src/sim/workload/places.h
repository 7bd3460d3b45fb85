// Where the kernel put the segments that a script leaves to it (map NAME SIZE anywhere).
//
// A script's steps have addresses before any kernel has said one. Such a segment has symbolic ones
// until then, in a stretch of its own that no address space reaches (plan.h: kAnywhere); each
// process knows what they stand for. A segment that could not be mapped keeps them, and whatever is
// done to it is refused. Nothing is allocated after the construction.
#ifndef MMUSIM_SIM_WORKLOAD_PLACES_H_
#define MMUSIM_SIM_WORKLOAD_PLACES_H_

#include <cstdint>
#include <vector>

#include "base/types.h"
#include "sim/workload/plan.h"

namespace mmusim::sim::workload {

class Places {
 public:
  explicit Places(const Plan& plan) : starts_(plan.anywhere) {}

  static bool is_symbolic(VirtAddr va) {
    return va.value() >= kAnywhere && va.value() - kAnywhere < kMostAnywhere * kAnywhereEach;
  }
  // Its symbolic range, of a step that maps it, is at `start`.
  void put(const VirtRange& range, VirtAddr start) { starts_[stretch_of(range.begin)] = start; }
  // The step with the addresses its symbolic ones stand for.
  [[nodiscard]] Step placed(const Step& step) const {
    Step result = step;
    result.range = placed(step.range);
    result.target = placed(step.target);
    return result;
  }

 private:
  static uint64_t stretch_of(VirtAddr va) { return (va.value() - kAnywhere) / kAnywhereEach; }
  [[nodiscard]] VirtRange placed(const VirtRange& range) const {
    if (!is_symbolic(range.begin)) return range;
    const uint64_t stretch = stretch_of(range.begin);
    const VirtAddr start = starts_[stretch];
    if (start == VirtAddr(0)) return range;
    const uint64_t symbolic = kAnywhere + stretch * kAnywhereEach + kAnywhereStart;
    const VirtAddr begin = start + (range.begin.value() - symbolic);
    return {begin, begin + range.bytes()};
  }

  std::vector<VirtAddr> starts_;  // by stretch; 0: not mapped
};

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_PLACES_H_
