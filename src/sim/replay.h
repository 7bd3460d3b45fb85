// One machine of architecture Arch with its loop, as a replay drives it.
#ifndef MMUSIM_SIM_REPLAY_H_
#define MMUSIM_SIM_REPLAY_H_

#include <memory>

#include "kernel/system.h"
#include "mmu/summary.h"
#include "sim/loop_run.h"
#include "sim/machine.h"
#include "sim/profile/profiler.h"
#include "sim/replay_result.h"

namespace mmusim::sim {

// Counters every replay has, whatever the machine.
void report_totals(const trace::Totals& totals, stats::Report& report);

// The way through each reference a configuration asks for.
inline ReplayMode mode_of(bool checked, bool has_caches) {
  return checked || has_caches ? ReplayMode::Full : ReplayMode::Fast;
}

// What a machine has counted, for a profile.
template <SimulatedArchitecture Arch>
requires PricedTlbs<typename Arch::Tlbs>
class MeterOf final : public ProfileMeter {
 public:
  // Both must outlive it.
  MeterOf(Machine<Arch>& machine, const LoopCounters& loop) : machine_(machine), loop_(loop) {}
  [[nodiscard]] ProfileCounts read() const override {
    return profile_counts(machine_.tlbs().summary(), machine_.sink(),
                          machine_.kernel().system().core.counters, loop_);
  }

 private:
  Machine<Arch>& machine_;
  const LoopCounters& loop_;
};

// Begins a profile of what `machine` counts, as `meter` reads it.
template <SimulatedArchitecture Arch>
void follow(Profiler& profiler, const MeterOf<Arch>& meter, Machine<Arch>& machine) {
  const kernel::Kernel& kernel = machine.kernel();
  profiler.begin(meter, kernel.keeps_time() || kernel.counts_misses() || kernel.tracks_stores(),
                 machine.page());
}

template <SimulatedArchitecture Arch>
requires PagedTlbs<typename Arch::Tlbs>
class MachineRunOf final : public LoopRun<Arch> {
  using LoopRun<Arch>::machine_;
  using LoopRun<Arch>::loop_;

 public:
  MachineRunOf(const config::Config& config, const ReplayOptions& options)
      : LoopRun<Arch>(config),
        mode_(options.mode.value_or(
            mode_of(machine_.checker() != nullptr, machine_.sink().has_caches()))),
        sifts_((mode_ == ReplayMode::Fast || mode_ == ReplayMode::Sifted) &&
               machine_.tlbs().mmu(CpuId(0)).has_first_level_each()),
        tells_apart_(
            machine_.tlbs().mmu(CpuId(0)).tells_apart(trace::kBlockPage, trace::kPageSets)) {
    if (options.profiler == nullptr) return;
    profiler_ = options.profiler;
    meter_ = std::make_unique<MeterOf<Arch>>(machine_, loop_.counters());
    follow(*profiler_, *meter_, machine_);
    loop_.watch(profiler_);
  }

  void take(const trace::Batch& batch) override {
    if (profiler_ != nullptr && batch.event != nullptr) profiler_->before_event();
    take_plain(batch);
    if (profiler_ != nullptr && batch.event != nullptr)
      profiler_->after_event(batch.thread, *batch.event);
  }
  [[nodiscard]] trace::References sifts() const override {
    if (!sifts_ || loop_.needs_columns(false)) return trace::References::All;
    return tells_apart_ && !loop_.needs_columns(true) ? trace::References::Sets
                                                      : trace::References::Any;
  }
  void take_sifted(const SiftedBatch& some, bool sets) override { loop_.run_sifted(some, sets); }
  [[nodiscard]] trace::References needs() const override {
    // A profile tells of instructions, and page streams do not.
    const bool may = mode_ == ReplayMode::Fast && profiler_ == nullptr;
    return may ? sifts() : trace::References::All;
  }
  // What else goes through the TLBs meets one of sixteen pages that are known, or the one.
  [[nodiscard]] bool seldom_waits() const override { return tells_apart_; }
  void report(stats::Report& report) const override {
    loop_.counters().report(report);
    machine_.report(report);
  }

 private:
  void take_plain(const trace::Batch& batch) {
    switch (mode_) {
      case ReplayMode::Fast:
      case ReplayMode::Sifted:
        loop_.template run<ReplayMode::Fast>(batch);
        break;
      case ReplayMode::Exact:
        loop_.template run<ReplayMode::Exact>(batch);
        break;
      case ReplayMode::Full:
        loop_.template run<ReplayMode::Full>(batch);
        break;
    }
  }

  ReplayMode mode_;
  bool sifts_;
  bool tells_apart_;
  Profiler* profiler_ = nullptr;  // null: nobody asks
  std::unique_ptr<MeterOf<Arch>> meter_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_REPLAY_H_
