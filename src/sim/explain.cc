#include "sim/explain.h"

#include "base/error.h"
#include "sim/machine_options.h"
#include "sim/relocation/trace_source.h"
#include "sim/run_options.h"

namespace mmusim::sim {

Explanation explain(const config::Config& config, const Moment& moment, const Question& question,
                    const ReplayOptions& options) {
  return to_its_end(
      [&] { return architecture_of(config).explain(config, moment, question, options); });
}

Explanation explain_miss(const config::Config& config, const workload::Plan* script,
                         const MissQuestion& question, const ReplayOptions& options,
                         Moment& moment) {
  if (script == nullptr) TraceSource::require_named(config);
  RunOptions::refuse_parts(config, "one access is looked at, and no part of a run");
  return to_its_end([&] {
    return architecture_of(config).explain_miss(config, script, question, options, moment);
  });
}

}  // namespace mmusim::sim
