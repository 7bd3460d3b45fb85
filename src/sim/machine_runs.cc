#include "sim/machine_runs.h"

#include <algorithm>
#include <string>

#include "sim/machine_options.h"

namespace mmusim::sim {

MachineRuns::MachineRuns(std::span<const config::Config* const> configs,
                         const ReplayOptions& options)
    : outcomes_(configs.size()) {
  for (size_t i = 0; i < configs.size(); ++i) {
    runs_.emplace_back();
    attempt(i, [&] { runs_[i] = architecture_of(*configs[i]).make_run(*configs[i], options); });
  }
}

bool MachineRuns::any() const {
  return std::any_of(runs_.begin(), runs_.end(), [](const auto& run) { return run != nullptr; });
}

bool MachineRuns::end(size_t i) {
  kept_failure();
  runs_[i].reset();
  const std::string why = kept_failure();
  if (!why.empty() && outcomes_[i].failure == nullptr)
    outcomes_[i].failure = std::make_exception_ptr(InternalError(why));
  return outcomes_[i].failure == nullptr;
}

void MachineRuns::fail(const std::exception_ptr& why) {
  for (size_t i = 0; i < runs_.size(); ++i) {
    if (runs_[i] == nullptr) continue;
    outcomes_[i].failure = why;
    end(i);
  }
}

}  // namespace mmusim::sim
