// A whole simulation: a machine made from a configuration, and a trace replayed through it.
//
// This is what the commands call. One replay is one machine; nothing is shared between replays, so
// several may run on several host threads, each with its own Config. Results depend on trace,
// configuration and seed only.
#ifndef MMUSIM_SIM_SIMULATION_H_
#define MMUSIM_SIM_SIMULATION_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/schema.h"
#include "stats/report.h"
#include "trace/record.h"

namespace mmusim::sim {

// One architecture that can be simulated. Registry: architectures.cc.
struct ArchitectureInfo {
  const char* name;  // machine.arch's value
  const char* summary;
};
std::vector<ArchitectureInfo> architectures();

// Declares every key of every part. sim's own: run.trace (text), run.check (flag), run.limit
// (instructions, 0 = all), run.accept_torn (flag), machine.name (text, shown in results),
// machine.arch (choice), machine.page_table (choice, or the path of a plug-in). The rest is the
// parts': mem.*, cache.*, cost.*, kernel.*, pt.*, tlb.*, psc.*, paging.*, x86.*, and those of the
// page-table plug-ins at these paths, which are loaded for it. Errors: as pt::load_plugin.
void declare(config::Schema& schema, const std::vector<std::string>& plugins = {});

// The keys a machine so configured reads: all but those of other architectures and of page tables
// it does not use. In the order they were declared.
std::vector<const config::Key*> keys_read(const config::Config& config);

struct ReplayProgress {
  uint64_t references = 0;  // replayed so far
  uint64_t instructions = 0;
  uint64_t bytes_done = 0;  // of the trace file
  uint64_t bytes_total = 0;
};

// How each reference is taken (replay_loop.h).
enum class ReplayMode : uint8_t {
  Fast,   // blocks at once
  Exact,  // every reference by itself; same counts
  Full,   // Exact, with each translation shown to the checker and each access to the caches
};

struct ReplayOptions {
  std::function<void(const ReplayProgress&)> progress;  // called now and then; may be empty
  std::optional<ReplayMode> mode;  // what the configuration asks for, if not given
};

struct ReplayResult {
  stats::Report report;
  trace::Header header;
  trace::Totals totals;  // of what was replayed
  std::string trace_hash;
  bool torn = false;     // the trace was torn and replayed up to its last whole chunk
  bool stopped = false;  // run.limit was reached before the end of the trace
};

// Replays the trace run.trace names. Errors: Error (trace), UsageError (configuration). In checking
// mode (run.check) a violation of "no stale translation, ever" is an Error that names the
// reference, the translation and what the page table says.
ReplayResult replay(const config::Config& config, const ReplayOptions& options);

// Every counter a replay with this configuration reports, with value 0: for `list counters`.
stats::Report catalog(const config::Config& config);

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_SIMULATION_H_
