#include "sim/explain.h"

#include "sim/machine_options.h"
#include "sim/relocation/trace_source.h"

namespace mmusim::sim {

Explanation explain(const config::Config& config, const Moment& moment, const Question& question,
                    const ReplayOptions& options) {
  return architecture_of(config).explain(config, moment, question, options);
}

Explanation explain_miss(const config::Config& config, const workload::Plan* script,
                         const MissQuestion& question, const ReplayOptions& options,
                         Moment& moment) {
  if (script == nullptr) TraceSource::require_named(config);
  return architecture_of(config).explain_miss(config, script, question, options, moment);
}

}  // namespace mmusim::sim
