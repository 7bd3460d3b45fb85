// One machine of architecture Arch with its loop, as a replay drives it.
#ifndef MMUSIM_SIM_REPLAY_H_
#define MMUSIM_SIM_REPLAY_H_

#include <span>

#include "sim/machine.h"
#include "sim/machine_run.h"
#include "sim/replay_loop.h"
#include "sim/replay_result.h"

namespace mmusim::sim {

// Counters every replay has, whatever the machine.
void report_totals(const trace::Totals& totals, stats::Report& report);

// The way through each reference a configuration asks for.
inline ReplayMode mode_of(bool checked, bool has_caches) {
  return checked || has_caches ? ReplayMode::Full : ReplayMode::Fast;
}

template <SimulatedArchitecture Arch>
requires PagedTlbs<typename Arch::Tlbs>
class MachineRunOf final : public MachineRun {
 public:
  MachineRunOf(const config::Config& config, const ReplayOptions& options)
      : machine_(config),
        loop_(machine_.tlbs(), machine_.kernel(), machine_.sink(), machine_.checker(),
              machine_.page()),
        mode_(options.mode.value_or(
            mode_of(machine_.checker() != nullptr, machine_.sink().has_caches()))),
        sifts_((mode_ == ReplayMode::Fast || mode_ == ReplayMode::Sifted) &&
               machine_.tlbs().mmu(CpuId(0)).has_first_level_each()),
        tells_apart_(
            machine_.tlbs().mmu(CpuId(0)).tells_apart(trace::kBlockPage, trace::kPageSets)) {}

  void take(const trace::Batch& batch) override {
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
  [[nodiscard]] bool sifts() const override { return sifts_; }
  void take_kept(const trace::Batch& batch, std::span<const Kept> kept) override {
    loop_.run_kept(batch, kept);
  }
  [[nodiscard]] trace::References needs() const override {
    if (mode_ != ReplayMode::Fast || !sifts_ || loop_.needs_columns(false))
      return trace::References::All;
    return tells_apart_ && !loop_.needs_columns(true) ? trace::References::Sets
                                                      : trace::References::Any;
  }
  void take_pages(const trace::Batch& batch, PageColumns& columns, bool sets) override {
    loop_.run_pages(batch, columns, sets);
  }
  void report(stats::Report& report) const override {
    loop_.counters().report(report);
    machine_.report(report);
  }
  void shut_down() override { machine_.shut_down(); }

 private:
  Machine<Arch> machine_;
  ReplayLoop<typename Arch::Tlbs> loop_;
  ReplayMode mode_;
  bool sifts_;
  bool tells_apart_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_REPLAY_H_
