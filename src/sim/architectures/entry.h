// One architecture's line in the list of sim/architectures.h: all that is done with a machine, made
// for its types. Each architecture is a file of its own here, so that a change to one compiles that
// one.
#ifndef MMUSIM_SIM_ARCHITECTURES_ENTRY_H_
#define MMUSIM_SIM_ARCHITECTURES_ENTRY_H_

#include <memory>

#include "sim/architectures.h"
#include "sim/curve/measure.h"
#include "sim/explainer.h"
#include "sim/inspector.h"
#include "sim/machine.h"
#include "sim/replay.h"
#include "sim/workload/simulator.h"

namespace mmusim::sim {

template <SimulatedArchitecture Arch>
const Architecture& architecture_entry() {
  static constexpr Architecture kEntry = {
      Arch::kName,
      Arch::kSummary,
      Arch::declare,
      [](const config::Config& config) { return Arch::layout(Arch::read_options(config)); },
      [](const config::Config& config) {
        const auto options = Arch::read_options(config);
        return TableLayout{.page = Arch::layout(options).page,
                           .geometry = Arch::geometry(options),
                           .entry_bytes = Arch::format(options).entry_bytes};
      },
      [](const config::Config& config, const ReplayOptions& options) {
        return std::unique_ptr<MachineRun>(std::make_unique<MachineRunOf<Arch>>(config, options));
      },
      [](const config::Config& config) {
        stats::Report report;
        report_totals({}, report);
        report_relocation(false, {}, report);
        LoopCounters{}.report(report);
        Machine<Arch>(config).report(report);
        return report;
      },
      find_moment_on<Arch>,
      inspect_on<Arch>,
      inspect_set_on<Arch>,
      explain_on<Arch>,
      explain_miss_on<Arch>,
      curves_on<Arch>,
      workload::simulate_on<Arch>};
  return kEntry;
}

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_ARCHITECTURES_ENTRY_H_
