// The order of a touch, the same for the simulated and the real kernel; included by script.h.
#ifndef MMUSIM_SIM_WORKLOAD_TOUCH_INL_H_
#define MMUSIM_SIM_WORKLOAD_TOUCH_INL_H_

#include "base/random.h"
#include "sim/workload/script.h"

namespace mmusim::sim::workload {

template <class Visit>
void for_each_touch(const Step& step, Visit visit) {
  const uint64_t places = (step.range.bytes() + step.stride - 1) / step.stride;
  const uint64_t count = step.count == 0 ? places : step.count;
  Random random(step.seed.value_or(0));
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t place = i % places;
    if (step.seed) place = random.below(places);
    if (step.backwards) place = places - 1 - place;
    visit(step.range.begin + place * step.stride);
  }
}

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_TOUCH_INL_H_
