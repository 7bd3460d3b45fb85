// The machines that take one pass over a trace, and what became of each: one that fails ends, and
// the others go on. Not thread-safe.
#ifndef MMUSIM_SIM_MACHINE_RUNS_H_
#define MMUSIM_SIM_MACHINE_RUNS_H_

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "config/schema.h"
#include "sim/machine_run.h"
#include "sim/replay_result.h"

namespace mmusim::sim {

// One of several replays.
struct ReplayOutcome {
  std::optional<ReplayResult> result;
  std::exception_ptr failure;  // what ended it, where there is no result
};

class MachineRuns {
 public:
  // One for each configuration, by its number; `options` must outlive them. What goes wrong is in
  // the outcomes.
  MachineRuns(std::span<const config::Config* const> configs, const ReplayOptions& options);
  // One that is there already.
  explicit MachineRuns(std::unique_ptr<MachineRun> run) : outcomes_(1) {
    runs_.push_back(std::move(run));
  }

  [[nodiscard]] size_t size() const { return runs_.size(); }
  // Whether any has not ended.
  [[nodiscard]] bool any() const;
  // Null: it has ended.
  [[nodiscard]] MachineRun* operator[](size_t i) const { return runs_[i].get(); }

  // Number `i` does something; if it fails, that is its end. Errors: Error when interrupted.
  template <class Work>
  void attempt(size_t i, Work work) {
    try {
      to_its_end(work);
      return;
    } catch (const Error& error) {
      if (is_interruption(error)) throw;
      outcomes_[i].failure = std::current_exception();
    } catch (...) {
      outcomes_[i].failure = std::current_exception();
    }
    end(i);
  }
  // Takes the machine apart, which is where a bug may show, too. Whether it has come so far without
  // a failure.
  bool end(size_t i);
  // What ended number `i`, if anything did.
  void throw_failure(size_t i) const {
    if (outcomes_[i].failure != nullptr) std::rethrow_exception(outcomes_[i].failure);
  }
  // Those that have not ended do, all for the same reason.
  void fail(const std::exception_ptr& why);

  // REQUIRES: it has ended without a failure.
  void set_result(size_t i, ReplayResult&& result) { outcomes_[i].result = std::move(result); }
  [[nodiscard]] std::vector<ReplayOutcome> take_outcomes() { return std::move(outcomes_); }

 private:
  std::vector<std::unique_ptr<MachineRun>> runs_;
  std::vector<ReplayOutcome> outcomes_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_MACHINE_RUNS_H_
