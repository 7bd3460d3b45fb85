// Curves on the machine of one architecture.
#ifndef MMUSIM_SIM_CURVE_MEASURE_H_
#define MMUSIM_SIM_CURVE_MEASURE_H_

#include <utility>

#include "base/error.h"
#include "base/interrupt.h"
#include "sim/curve/curve.h"
#include "sim/curve/every_size.h"
#include "sim/machine.h"
#include "sim/relocation/trace_source.h"
#include "sim/replay_loop.h"
#include "sim/run_limit.h"
#include "sim/run_options.h"
#include "sim/stretch.h"

namespace mmusim::sim {

// An architecture with EverySize in place of its TLBs.
template <SimulatedArchitecture Arch>
struct OfEverySize : Arch {
  struct OwnFormat {
    typename Arch::Format format;
  };
  class Tlbs final : OwnFormat, public EverySize {
   public:
    Tlbs(const typename Arch::Options& options, unsigned /*cpus*/, mem::FrameMemory& /*frames*/,
         mem::ReferenceSink& /*sink*/, bool /*hardware_reads*/)
        : OwnFormat{Arch::format(options)},
          EverySize(OwnFormat::format, Arch::layout(options).page, Arch::layout(options).top) {}
  };
};

template <SimulatedArchitecture Arch>
Curves curves_on(const config::Config& config, const CurveOptions& curve,
                 const ReplayOptions& options) {
  if (MachineOptions::from(config).cpus != 1)
    throw UsageError(config.place_of("machine.cpus"), "a curve is of one CPU's TLBs");
  if (RunOptions::from(config).check)
    throw UsageError(config.place_of("run.check"), "a curve has no translations to check");
  if (config.choice("kernel.superpage.policy") == std::string("online"))
    throw UsageError(config.place_of("kernel.superpage.policy"),
                     "superpages by misses would hang on the size of the TLB, and a curve has all");
  RunOptions::refuse_looks(config, "a curve counts all of a trace");
  Machine<OfEverySize<Arch>> machine(config);
  machine.tlbs().measure(curve);
  const TraceRoute route = TraceRoute::of(config, Arch::kName, machine.layout(), machine.huge());
  TraceSource source(route);
  // The same loop for all architectures.
  ReplayLoop<EverySize> loop(machine.tlbs(), machine.kernel(), machine.sink(), nullptr,
                             machine.page());
  RunLimit limit(route.limit);
  Curves result;
  Stretch stretch(1, /*whole=*/true);
  const Looks whole(0, 0);
  while (!limit.reached() && stretch.next(source, limit, whole, 0)) {
    check_interrupt();
    const trace::Batch& batch = stretch.parts().front().batch;
    // Of both sides in one TLB each fetch matters, since data comes between.
    if (curve.unified)
      loop.template run<ReplayMode::Exact>(batch);
    else
      loop.template run<ReplayMode::Fast>(batch);
    result.totals += stretch.totals();
    if (options.progress)
      options.progress({result.totals.references(), result.totals.instructions,
                        source.reader().position(), source.reader().file_bytes()});
  }
  result.stopped = limit.reached();
  machine.shut_down();  // flushes, which count nothing
  result.curves = machine.tlbs().take();
  source.identify(result);
  return result;
}

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_CURVE_MEASURE_H_
