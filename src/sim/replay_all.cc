#include "sim/replay_all.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <sched.h>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "sim/stretch_feed.h"
#include "sim/trace_pass.h"

namespace mmusim::sim {
namespace {

// Thrown through a pass that is to end since another thread met an error.
struct Stopped {};

// One pass, of machines by the numbers of their configurations.
struct Pass {
  std::vector<size_t> machines;
  StretchFeed* feed = nullptr;  // that it shares with those beside it; null: none
  size_t seat = 0;              // there
};

// Passes that are begun one behind the other, and are under way at the same time if they share a
// feed.
using Crew = std::vector<Pass>;

// No pass has more machines than a thread's share of them all.
Crew divide(const std::vector<size_t>& group, size_t most) {
  const size_t parts = (group.size() + most - 1) / most;
  Crew crew(parts);
  for (size_t part = 0; part < parts; ++part) {
    const auto at = [&](size_t n) {
      return group.begin() + static_cast<std::ptrdiff_t>(group.size() * n / parts);
    };
    crew[part].machines.assign(at(part), at(part + 1));
  }
  return crew;
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
    std::vector<std::pair<Crew, TraceRoute>> crews;
    for (std::vector<size_t>& group : groups_of(routes)) {
      const TraceRoute source = TracePass::source_of(routes[group.front()]);
      for (size_t& number : group)
        number = numbers[number];
      crews.emplace_back(divide(group, std::clamp<size_t>(share, 1, kMostTogether)), source);
    }
    // The longest first, so that none is begun last.
    std::stable_sort(crews.begin(), crews.end(), [](const auto& a, const auto& b) {
      return a.first.front().machines.size() > b.first.front().machines.size();
    });
    size_t passes = 0;
    for (const auto& [crew, source] : crews)
      passes += crew.size();
    reads_ahead_ = passes < std::min(options_.jobs, host_cores());
    for (auto& [crew, source] : crews) {
      if (TracePass::goes_by_chunks(source)) share_columns(crew, source);
      std::move(crew.begin(), crew.end(), std::back_inserter(passes_));
    }
    so_far_.resize(passes_.size());
  }

  // As many in a row as can be under way at the same time have a feed.
  void share_columns(Crew& crew, const TraceRoute& source) {
    for (size_t first = 0; first < crew.size(); first += options_.jobs) {
      const size_t count = std::min<size_t>(crew.size() - first, options_.jobs);
      if (count == 1) continue;
      feeds_.push_back(std::make_unique<StretchFeed>(source, count, reads_ahead_));
      for (size_t seat = 0; seat < count; ++seat) {
        crew[first + seat].feed = feeds_.back().get();
        crew[first + seat].seat = seat;
      }
    }
  }

  // A thread's part: passes, as long as there are any.
  void work() {
    while (const std::optional<size_t> number = take()) {
      try {
        one(*number);
      } catch (const Stopped&) {
        return;
      } catch (...) {
        const std::scoped_lock lock(mutex_);
        end_by_failure();
        return;
      }
    }
  }

  // The number of a pass to begin. Where an end is asked for, of those only for which others wait
  // that have begun.
  std::optional<size_t> take() {
    const std::scoped_lock lock(mutex_);
    if (stop_ || next_ == passes_.size()) return std::nullopt;
    const Pass& pass = passes_[next_];
    if ((pass.feed == nullptr || pass.seat == 0) && end_is_asked_for()) return std::nullopt;
    return next_++;
  }

  void one(size_t number) {
    const Pass& pass = passes_[number];
    std::vector<const config::Config*> configs;
    for (const size_t i : pass.machines)
      configs.push_back(configs_[i]);
    std::optional<FeedSeat> seat;
    if (pass.feed != nullptr) seat.emplace(*pass.feed, pass.seat);
    ReplayOptions options;
    options.seat = seat ? &*seat : nullptr;
    options.read_ahead = pass.feed == nullptr && reads_ahead_;
    options.progress = [&](const ReplayProgress& p) { note_progress(number, p); };
    std::vector<ReplayOutcome> outcomes = replay_together(configs, options);
    seat.reset();
    {
      const std::scoped_lock lock(mutex_);
      so_far_[number].bytes_done = so_far_[number].bytes_total;
    }
    for (size_t i = 0; i < pass.machines.size() && !stop_; ++i)
      options_.done(pass.machines[i], std::move(outcomes[i]));
  }

  // Ends all by what is being caught. REQUIRES: mutex_ is held.
  void end_by_failure() {
    stop_ = true;
    // Nobody is to wait for those that will not be begun.
    for (; next_ < passes_.size(); ++next_)
      if (passes_[next_].feed != nullptr) passes_[next_].feed->leave(passes_[next_].seat);
    if (failure_ == nullptr) failure_ = std::current_exception();
  }

  void note_progress(size_t number, const ReplayProgress& now) {
    if (stop_) throw Stopped();
    if (!options_.progress) return;
    const std::scoped_lock lock(mutex_);
    so_far_[number] = now;
    AllProgress all;
    for (size_t i = 0; i < passes_.size(); ++i) {
      const uint64_t machines = passes_[i].machines.size();
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
  std::vector<std::unique_ptr<StretchFeed>> feeds_;
  std::vector<Pass> passes_;
  bool reads_ahead_ = false;  // there are cores to do it
  std::atomic<bool> stop_{false};
  std::mutex mutex_;                    // of what follows, and of who is told
  size_t next_ = 0;                     // of passes_, to begin
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
