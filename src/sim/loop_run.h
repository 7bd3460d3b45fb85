// A machine of architecture Arch and the loop that drives it: what a replay and a measurement of
// curves have in common.
#ifndef MMUSIM_SIM_LOOP_RUN_H_
#define MMUSIM_SIM_LOOP_RUN_H_

#include <optional>

#include "sim/machine.h"
#include "sim/machine_run.h"
#include "sim/page_loop.h"

namespace mmusim::sim {

// `Tlbs`: those of the machine, or what they are derived from, if the loop is to be the same for
// several.
template <SimulatedArchitecture Arch, class Tlbs = typename Arch::Tlbs>
class LoopRun : public MachineRun {
 public:
  bool take_pages(const trace::Batch& batch, const std::optional<KeptRefs>& kept, bool sets) final {
    return loop_.run_pages(batch, kept, sets);
  }
  bool take_columns(const PageColumns::Moved& columns, const trace::Batch& batch,
                    const std::optional<KeptRefs>& kept, bool sets) final {
    return loop_.run_columns(columns, batch, kept, sets);
  }
  [[nodiscard]] const ColumnsWanted& wanted() const final { return loop_.wanted(); }
  [[nodiscard]] uint64_t waits() const final { return loop_.waits(); }
  void stand_for_pages(bool stands) final { loop_.stand_for_pages(stands); }
  [[nodiscard]] bool would_have_waited() const final { return loop_.would_have_waited(); }
  void survey(std::optional<uint64_t> behind) final { loop_.survey(behind); }
  [[nodiscard]] bool needs_all() const final { return loop_.needs_all(); }
  void shut_down() final { machine_.shut_down(); }

 protected:
  explicit LoopRun(const config::Config& config)
      : machine_(config),
        loop_(machine_.tlbs(), machine_.kernel(), machine_.sink(), machine_.checker(),
              machine_.page()) {}

  Machine<Arch> machine_;
  PageLoop<Tlbs> loop_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_LOOP_RUN_H_
