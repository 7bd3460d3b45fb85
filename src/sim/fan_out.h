// A trace taken through several machines in one pass: read, decoded and sifted once, and moved once
// for those of the same addresses.
//
// Machines share a pass where they see the same batches: the same part of the same trace, in the
// same turns; at other addresses only if no batch is cut. Each has the counters it would have
// alone. One that fails leaves the others alone. Memory is that of all the machines.
#ifndef MMUSIM_SIM_FAN_OUT_H_
#define MMUSIM_SIM_FAN_OUT_H_

#include <cstddef>
#include <span>
#include <vector>

#include "config/schema.h"
#include "sim/machine_runs.h"
#include "sim/relocation/trace_source.h"
#include "sim/replay_result.h"

namespace mmusim::sim {

// How the trace run.trace names comes to a machine so configured. Errors: as TraceRoute::of, and
// UsageError where no trace is named.
TraceRoute route_of(const config::Config& config);

// Numbers of those that can share a pass, each number once: in the order of each group's first, and
// within a group those of one route side by side, likewise.
std::vector<std::vector<size_t>> groups_of(std::span<const TraceRoute> routes);

// As many outcomes as configurations, in their order. REQUIRES: all can share a pass. Errors:
// Error when interrupted, and what options.progress throws that is no std::exception; all else that
// goes wrong is in the outcomes.
std::vector<ReplayOutcome> replay_together(std::span<const config::Config* const> configs,
                                           const ReplayOptions& options);

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_FAN_OUT_H_
