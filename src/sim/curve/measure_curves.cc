#include "sim/curve/measure_curves.h"

#include "base/error.h"
#include "sim/machine_options.h"
#include "sim/relocation/trace_source.h"

namespace mmusim::sim {

Curves measure_curves(const config::Config& config, const CurveOptions& curve,
                      const ReplayOptions& options) {
  TraceSource::require_named(config);
  return to_its_end([&] { return architecture_of(config).curves(config, curve, options); });
}

}  // namespace mmusim::sim
