#include "sim/inspect.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/units.h"
#include "sim/machine_options.h"
#include "sim/relocation/trace_source.h"
#include "sim/run_options.h"

namespace mmusim::sim {

Moment find_moment(const config::Config& config, const Choice& choice,
                   const ReplayOptions& options) {
  if (choice.script == nullptr) TraceSource::require_named(config);
  RunOptions::refuse_parts(config, "one moment is looked at, and no part of a run");
  const Moment found =
      to_its_end([&] { return architecture_of(config).find_moment(config, choice, options); });
  const bool of_script = choice.script != nullptr;
  const uint64_t reached = of_script ? found.steps : found.instructions;
  if (reached < choice.at.value_or(0))
    throw Error(of_script ? choice.script->name() : RunOptions::from(config).trace,
                fmt::format("ends after {} {}, before the {} asked for", format_count(reached),
                            of_script ? "steps" : "instructions", format_count(*choice.at)));
  return found;
}

void inspect(const config::Config& config, const Moment& moment, const ReplayOptions& options,
             const Inspection& look) {
  to_its_end([&] { architecture_of(config).inspect(config, moment, options, look); });
}

void inspect_set(const config::Config& config, const PageSet& set, const Inspection& look) {
  to_its_end([&] { architecture_of(config).inspect_set(config, set, look); });
}

}  // namespace mmusim::sim
