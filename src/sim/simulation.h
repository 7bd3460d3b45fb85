// A whole simulation: a machine made from a configuration, and a trace replayed through it.
//
// This is what the commands call. One replay is one machine; nothing is shared between replays, so
// several may run on several host threads, each with its own Config. Results depend on trace,
// configuration and seed only.
#ifndef MMUSIM_SIM_SIMULATION_H_
#define MMUSIM_SIM_SIMULATION_H_

#include <string>
#include <vector>

#include "config/schema.h"
#include "sim/replay_result.h"
#include "stats/report.h"

namespace mmusim::sim {

// Declares every key of every part. sim's own: run.trace (text), run.check (flag), run.limit
// (instructions, 0 = all), run.accept_torn (flag), machine.name (text, shown in results),
// machine.arch (choice), machine.page_table (choice, or the path of a plug-in). The rest is the
// parts': mem.*, cache.*, cost.*, kernel.*, pt.*, tlb.*, psc.*, paging.*, x86.*, and those of the
// page-table plug-ins at these paths, which are loaded for it. Errors: as pt::load_plugin.
void declare(config::Schema& schema, const std::vector<std::string>& plugins = {});

// The keys a machine so configured reads: all but those of other architectures and of page tables
// it does not use. In the order they were declared.
std::vector<const config::Key*> keys_read(const config::Config& config);

// Replays the trace run.trace names. Errors: Error (trace), UsageError (configuration). In checking
// mode (run.check) a violation of "no stale translation, ever" is an Error that names the
// reference, the translation and what the page table says.
ReplayResult replay(const config::Config& config, const ReplayOptions& options);

// Every counter a replay with this configuration reports, with value 0: for `list counters`.
stats::Report catalog(const config::Config& config);

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_SIMULATION_H_
