// What `replay` and `run` have in common: from a configuration to printed and written results.
#ifndef MMUSIM_CLI_SIMULATE_H_
#define MMUSIM_CLI_SIMULATE_H_

#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/configuration.h"
#include "config/schema.h"
#include "report/progress.h"
#include "sim/replay_all.h"
#include "sim/simulation.h"
#include "sim/workload/plan.h"
#include "stats/results.h"

namespace mmusim::cli {

// The options both commands take, besides the keys: --machine, --page-table, --json, ...
void declare_simulation_options(Arguments& arguments);

// What every result says of where it comes from, but for what is known only of the trace itself.
stats::Provenance provenance_of(const config::Config& config);
// ... where several page tables were used.
stats::Provenance provenance_of(const config::Config& config, const Words& page_tables);
// ... and with what is known of the trace.
stats::Provenance provenance_of(const config::Config& config, const sim::Replayed& replayed);

// The script as steps. Errors: UsageError naming line and column; Error when it cannot be read.
sim::workload::Plan load_plan(const std::string& path);

// Runs work(ReplayOptions), with progress under `title` unless `quiet`; returns what it returns.
template <class Work>
auto with_progress(const std::string& title, bool quiet, Work work) {
  report::Progress progress(
      title, "references",
      quiet ? report::Progress::Style::None : report::Progress::style_for_stderr());
  sim::ReplayOptions options;
  options.read_ahead = sim::host_cores() > 1;
  options.progress = [&](const sim::ReplayProgress& p) {
    progress.update(p.bytes_done, p.bytes_total, p.references);
  };
  return work(options);
}

// Replays, showing progress under `title` unless `quiet`. A torn trace that is accepted is warned
// of. `profiler`: as ReplayOptions has it.
sim::ReplayResult replay_with_progress(const config::Config& config, const std::string& title,
                                       bool quiet, sim::Profiler* profiler = nullptr);

// Replays each on so many threads, those that can share a pass in one, showing progress unless
// `quiet`. As many outcomes as configurations, in their order. Torn traces are warned of.
std::vector<sim::ReplayOutcome> replay_all_with_progress(
    const std::vector<const config::Config*>& configs, unsigned jobs, bool quiet);

// --jobs, or as many as the host has cores. REQUIRES: it is declared. Errors: UsageError.
unsigned jobs_of(const Arguments& arguments);

// Replays, prints the table and writes what was asked for. Errors: Error; then nothing was written.
void simulate(const Arguments& arguments, const config::Config& config);

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_SIMULATE_H_
