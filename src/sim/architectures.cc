#include "sim/architectures.h"

#include "arch/alpha/architecture.h"
#include "arch/ia64/architecture.h"
#include "arch/ppc64/architecture.h"
#include "arch/sparc64/architecture.h"
#include "arch/x86/architecture.h"
#include "base/error.h"
#include "sim/explainer.h"
#include "sim/inspector.h"
#include "sim/machine.h"
#include "sim/replay.h"
#include "sim/workload/simulator.h"

namespace mmusim::sim {
namespace {

template <class Arch>
constexpr Architecture entry() {
  return {{Arch::kName, Arch::kSummary},
          Arch::declare,
          [](const config::Config& config) { return Arch::layout(Arch::read_options(config)); },
          [](const config::Config& config, const ReplayOptions& options) {
            return Replay<Arch>(config, options).run();
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
          workload::simulate_on<Arch>};
}

}  // namespace

const std::vector<Architecture>& all_architectures() {
  static const std::vector<Architecture> kAll = {
      entry<x86::Architecture>(),     entry<x86::I386>(),
      entry<ia64::Architecture>(),    entry<ppc64::Architecture>(),
      entry<sparc64::Architecture>(), entry<alpha::Architecture>(),
  };
  return kAll;
}

const Architecture& architecture_of(const config::Config& config) {
  for (const Architecture& a : all_architectures())
    if (config.choice("machine.arch") == a.info.name) return a;
  throw UsageError("machine.arch", "no such architecture");
}

}  // namespace mmusim::sim
