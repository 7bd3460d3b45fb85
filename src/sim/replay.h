// Replays a trace on one machine of architecture Arch: opens it, drives the loop, collects the
// report.
#ifndef MMUSIM_SIM_REPLAY_H_
#define MMUSIM_SIM_REPLAY_H_

#include <cstdint>

#include "base/interrupt.h"
#include "sim/machine.h"
#include "sim/relocation/trace_source.h"
#include "sim/replay_loop.h"
#include "sim/replay_result.h"
#include "sim/run_limit.h"
#include "sim/run_options.h"

namespace mmusim::sim {

// Counters every replay has, whatever the machine.
void report_totals(const trace::Totals& totals, stats::Report& report);

// The way through each reference a configuration asks for.
inline ReplayMode mode_of(bool checked, bool has_caches) {
  return checked || has_caches ? ReplayMode::Full : ReplayMode::Fast;
}

template <SimulatedArchitecture Arch>
class Replay {
 public:
  Replay(const config::Config& config, const ReplayOptions& options)
      : options_(options),
        machine_(config),
        source_(config, Arch::kName, machine_.layout(), machine_.huge()),
        loop_(machine_.tlbs(), machine_.kernel(), machine_.sink(), machine_.checker(),
              machine_.page()),
        limit_(RunOptions::from(config).limit) {}

  ReplayResult run() {
    switch (options_.mode.value_or(
        mode_of(machine_.checker() != nullptr, machine_.sink().has_caches()))) {
      case ReplayMode::Fast:
        all<ReplayMode::Fast>();
        break;
      case ReplayMode::Exact:
        all<ReplayMode::Exact>();
        break;
      case ReplayMode::Full:
        all<ReplayMode::Full>();
        break;
    }
    report_totals(result_.totals, result_.report);
    source_.report(result_.report);
    loop_.counters().report(result_.report);
    machine_.report(result_.report);
    machine_.shut_down();
    result_.header = source_.reader().header();
    result_.trace_hash = source_.reader().content_hash();
    result_.torn = source_.reader().torn();
    return std::move(result_);
  }

 private:
  template <ReplayMode kMode>
  void all() {
    trace::Batch batch;
    while (source_.next(batch)) {
      loop_.template run<kMode>(batch);
      result_.totals += batch.totals;
      if (batch.event != nullptr) ++result_.totals.events;
      limit_.add(batch.totals.instructions, batch.event != nullptr ? 1 : 0);
      if (limit_.reached()) {
        result_.stopped = true;
        break;
      }
      check_interrupt();
      if (options_.progress)
        options_.progress({result_.totals.references(), result_.totals.instructions,
                           source_.reader().position(), source_.reader().file_bytes()});
    }
  }

  ReplayOptions options_;
  Machine<Arch> machine_;
  TraceSource source_;
  ReplayLoop<typename Arch::Tlbs> loop_;
  RunLimit limit_;
  ReplayResult result_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_REPLAY_H_
