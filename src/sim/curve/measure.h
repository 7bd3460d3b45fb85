// Curves on the machine of one architecture.
#ifndef MMUSIM_SIM_CURVE_MEASURE_H_
#define MMUSIM_SIM_CURVE_MEASURE_H_

#include <memory>
#include <span>
#include <utility>

#include "base/error.h"
#include "sim/curve/curve.h"
#include "sim/curve/every_size.h"
#include "sim/loop_run.h"
#include "sim/machine.h"
#include "sim/relocation/trace_source.h"
#include "sim/run_options.h"
#include "sim/trace_pass.h"

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

// Its side of the pass, with a loop that is the same for all architectures.
template <SimulatedArchitecture Arch>
class CurveRun final : public LoopRun<OfEverySize<Arch>, EverySize> {
  using Base = LoopRun<OfEverySize<Arch>, EverySize>;
  using Base::loop_;
  using Base::machine_;

 public:
  CurveRun(const config::Config& config, const CurveOptions& curve)
      : Base(config), shared_(curve.shared()) {
    machine_.tlbs().measure(curve);
  }
  // Of both sides in one TLB each fetch matters, since data comes between.
  void take(const trace::Batch& batch) override {
    if (shared_)
      loop_.template run<ReplayMode::Exact>(batch);
    else
      loop_.template run<ReplayMode::Fast>(batch);
  }
  [[nodiscard]] trace::References sifts() const override { return trace::References::All; }
  void take_sifted(const SiftedBatch& some, bool /*sets*/) override { take(some.columns()); }
  [[nodiscard]] trace::References needs() const override {
    return shared_ || loop_.needs_columns(false) ? trace::References::All : trace::References::Any;
  }
  // Nothing else goes through these TLBs.
  [[nodiscard]] bool seldom_waits() const override { return true; }
  void report(stats::Report& /*report*/) const override {}

  [[nodiscard]] Machine<OfEverySize<Arch>>& machine() { return machine_; }

 private:
  bool shared_;
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
  auto owned = std::make_unique<CurveRun<Arch>>(config, curve);
  CurveRun<Arch>& run = *owned;
  Machine<OfEverySize<Arch>>& machine = run.machine();
  const TraceRoute route = TraceRoute::of(config, Arch::kName, machine.layout(), machine.huge());
  MachineRuns runs(std::move(owned));
  TracePass pass(runs, {&route, 1}, options);
  Looks whole(0, 0);
  pass.run(whole, [](std::span<const size_t>) {});
  runs.throw_failure(0);
  Curves result;
  result.totals = pass.totals(0);
  result.stopped = pass.stopped();
  result.streams = pass.streams_of(0);
  run.shut_down();  // flushes, which count nothing
  result.curves = machine.tlbs().take();
  result.behind = curve.behind;
  pass.source().identify(result);
  return result;
}

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_CURVE_MEASURE_H_
