// Curves of a trace, on the machine a configuration names.
#ifndef MMUSIM_SIM_CURVE_MEASURE_CURVES_H_
#define MMUSIM_SIM_CURVE_MEASURE_CURVES_H_

#include "config/schema.h"
#include "sim/curve/curve.h"
#include "sim/replay_result.h"

namespace mmusim::sim {

// Replays the trace run.trace names. Errors: as replay(); UsageError for a page size.
Curves measure_curves(const config::Config& config, const CurveOptions& curve,
                      const ReplayOptions& options);

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_CURVE_MEASURE_CURVES_H_
