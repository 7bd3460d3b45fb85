// What `replay` and `run` have in common: from a configuration to printed and written results.
#ifndef MMUSIM_CLI_SIMULATE_H_
#define MMUSIM_CLI_SIMULATE_H_

#include <string>
#include <vector>

#include "cli/arguments.h"
#include "config/schema.h"
#include "sim/simulation.h"
#include "stats/results.h"

namespace mmusim::cli {

// Every key: the simulation's, and run.machine, which names the machine file.
config::Schema simulation_schema();

// The options both commands take: --machine, --page-table, --json, ... and every key of `schema`.
void declare_simulation_options(Arguments& arguments, const config::Schema& schema);

// A key a command sets itself, and the option its value comes from.
struct Setting {
  std::string key;
  std::string value;
  std::string where;
};

// The configuration: defaults, under the machine file, under `config_file` (if not empty), under
// `settings`, under the command line. `trace` (if not empty) is run.trace. Errors: UsageError.
config::Config simulation_config(const Arguments& arguments, const config::Schema& schema,
                                 const std::string& config_file, const std::string& trace,
                                 const std::vector<Setting>& settings = {});

// What every result says of where it comes from, but for what is known only of the trace itself.
stats::Provenance provenance_of(const config::Config& config);
// ... and with that.
stats::Provenance provenance_of(const config::Config& config, const sim::ReplayResult& result);

// Replays, showing progress under `title` unless `quiet`. A torn trace that is accepted is warned
// of.
sim::ReplayResult replay_with_progress(const config::Config& config, const std::string& title,
                                       bool quiet);

// Replays, prints the table and writes what was asked for. Errors: Error; then nothing was written.
void simulate(const Arguments& arguments, const config::Config& config);

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_SIMULATE_H_
