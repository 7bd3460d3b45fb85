#include "sim/replay_all.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <sched.h>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"

namespace mmusim::sim {
namespace {

// Thrown through a pass that is to end since another thread met an error.
struct Stopped {};

// One pass: numbers of configurations.
using Pass = std::vector<size_t>;

// No pass has more machines than a thread's share of them all.
void divide(const std::vector<size_t>& group, size_t most, std::vector<Pass>& passes) {
  const size_t parts = (group.size() + most - 1) / most;
  for (size_t part = 0; part < parts; ++part) {
    const auto at = [&](size_t n) {
      return group.begin() + static_cast<std::ptrdiff_t>(group.size() * n / parts);
    };
    passes.emplace_back(at(part), at(part + 1));
  }
}

class AllReplays {
 public:
  AllReplays(std::span<const config::Config* const> configs, const AllOptions& options)
      : configs_(configs), options_(options) {
    find_passes();
  }

  void run() {
    const size_t threads = std::min<size_t>(options_.jobs, passes_.size());
    std::vector<std::thread> others;
    for (size_t i = 1; i < threads; ++i)
      others.emplace_back([this] { work(); });
    work();
    for (std::thread& thread : others)
      thread.join();
    if (failure_ != nullptr) std::rethrow_exception(failure_);
    if (next_ < passes_.size()) end_if_asked_for();
  }

 private:
  // Those whose trace cannot be had are done at once.
  void find_passes() {
    std::vector<TraceRoute> routes;
    std::vector<size_t> numbers;
    for (size_t i = 0; i < configs_.size(); ++i) {
      try {
        routes.push_back(route_of(*configs_[i]));
        numbers.push_back(i);
      } catch (const Error&) {
        options_.done(i, {.result = {}, .failure = std::current_exception()});
      }
    }
    const size_t share = (numbers.size() + options_.jobs - 1) / std::max(1U, options_.jobs);
    for (std::vector<size_t>& group : groups_of(routes)) {
      for (size_t& number : group)
        number = numbers[number];
      divide(group, std::clamp<size_t>(share, 1, kMostTogether), passes_);
    }
    // The longest first, so that none is begun last.
    std::stable_sort(passes_.begin(), passes_.end(),
                     [](const Pass& a, const Pass& b) { return a.size() > b.size(); });
    so_far_.resize(passes_.size());
  }

  // A thread's part: passes, as long as there are any.
  void work() {
    while (!end_is_asked_for()) {
      const size_t number = next_++;
      if (number >= passes_.size() || stop_) return;
      try {
        one(number);
      } catch (const Stopped&) {
        return;
      } catch (...) {
        const std::scoped_lock lock(mutex_);
        end_by_failure();
        return;
      }
    }
  }

  void one(size_t number) {
    const Pass& pass = passes_[number];
    std::vector<const config::Config*> configs;
    for (const size_t i : pass)
      configs.push_back(configs_[i]);
    ReplayOptions options;
    options.read_ahead = passes_.size() < std::min(options_.jobs, host_cores());
    options.progress = [&](const ReplayProgress& p) { note_progress(number, p); };
    std::vector<ReplayOutcome> outcomes = replay_together(configs, options);
    {
      const std::scoped_lock lock(mutex_);
      so_far_[number].bytes_done = so_far_[number].bytes_total;
    }
    for (size_t i = 0; i < pass.size() && !stop_; ++i)
      options_.done(pass[i], std::move(outcomes[i]));
  }

  // Ends all by what is being caught. REQUIRES: mutex_ is held.
  void end_by_failure() {
    stop_ = true;
    if (failure_ == nullptr) failure_ = std::current_exception();
  }

  void note_progress(size_t number, const ReplayProgress& now) {
    if (stop_) throw Stopped();
    if (!options_.progress) return;
    const std::scoped_lock lock(mutex_);
    so_far_[number] = now;
    AllProgress all;
    for (size_t i = 0; i < passes_.size(); ++i) {
      const uint64_t machines = passes_[i].size();
      all.references += machines * so_far_[i].references;
      all.bytes_done += machines * so_far_[i].bytes_done;
      // Not begun: as long as this one.
      all.bytes_total +=
          machines * (so_far_[i].bytes_total != 0 ? so_far_[i].bytes_total : now.bytes_total);
      if (so_far_[i].bytes_done == so_far_[i].bytes_total) continue;  // not begun, or at its end
      all.open_bytes_done += machines * so_far_[i].bytes_done;
      all.open_bytes_total += machines * so_far_[i].bytes_total;
    }
    options_.progress(all);
  }

  std::span<const config::Config* const> configs_;
  const AllOptions& options_;
  std::vector<Pass> passes_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;                    // of what follows, and of who is told
  std::vector<ReplayProgress> so_far_;  // by pass
  std::exception_ptr failure_;
};

}  // namespace

unsigned host_cores() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
    return static_cast<unsigned>(CPU_COUNT(&allowed));
  return std::max(1U, std::thread::hardware_concurrency());
}

void replay_all(std::span<const config::Config* const> configs, const AllOptions& options) {
  AllReplays(configs, options).run();
}

}  // namespace mmusim::sim
