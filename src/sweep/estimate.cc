#include "sweep/estimate.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <fstream>
#include <map>
#include <string>
#include <unistd.h>

#include "base/error.h"
#include "sim/replay_all.h"
#include "trace/reader.h"

namespace mmusim::sweep {
namespace {

// Ends the probe: enough was seen.
struct Enough {};

// Of this process, now.
uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t all = 0;
  uint64_t resident = 0;
  file >> all >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// How much of its trace a point replays; nothing where that is not known.
std::optional<double> replayed_share(const Point& point, std::map<std::string, uint64_t>& lengths) {
  const uint64_t limit = point.config.count("run.limit");
  if (limit == 0) return 1;
  if (lengths.count(point.trace) == 0) {
    const auto totals = trace::Reader(point.trace, {.accept_torn = true}).totals();
    lengths[point.trace] = totals ? totals->instructions : 0;
  }
  const uint64_t length = lengths[point.trace];
  if (length == 0) return std::nullopt;
  return std::min(1.0, static_cast<double>(limit) / static_cast<double>(length));
}

// Of all points together, as if their traces were of one length.
std::optional<double> replayed_share(const std::vector<Point>& points,
                                     const std::vector<size_t>& numbers) {
  std::map<std::string, uint64_t> lengths;
  double sum = 0;
  for (const size_t i : numbers) {
    const auto share = replayed_share(points[i], lengths);
    if (!share) return std::nullopt;
    sum += *share;
  }
  return sum / static_cast<double>(numbers.size());
}

}  // namespace

Estimate estimate(const std::vector<Point>& points, const std::vector<size_t>& numbers,
                  unsigned jobs, double moment) {
  using Clock = std::chrono::steady_clock;
  Estimate result{.share = 1, .seconds = 0, .bytes = resident_bytes()};
  if (numbers.empty()) return result;
  std::deque<config::Config> each;
  std::vector<const config::Config*> configs;
  for (const size_t i : numbers) {
    each.push_back(points[i].config);
    each.back().set("run.trace", points[i].trace, "the sweep");
    configs.push_back(&each.back());
  }
  const Clock::time_point start = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  double done = 0;
  double looked = 0;
  std::atomic<bool> any{false};
  sim::AllOptions options;
  options.jobs = jobs;
  options.done = [&](size_t, sim::ReplayOutcome&& outcome) {
    if (outcome.result) any = true;
  };
  options.progress = [&](const sim::AllProgress& now) {
    if (now.bytes_total == 0) return;
    done = static_cast<double>(now.bytes_done) / static_cast<double>(now.bytes_total);
    const double passed = seconds();
    constexpr double kBetweenLooks = 0.02;
    if (passed < looked + kBetweenLooks && passed < moment) return;
    looked = passed;
    result.bytes = std::max(result.bytes, resident_bytes());
    if (passed >= moment && done > 0) throw Enough();
  };
  bool to_the_end = true;
  try {
    sim::replay_all(configs, options);
  } catch (const Enough&) {
    to_the_end = false;
  }
  result.bytes = std::max(result.bytes, resident_bytes());
  if (to_the_end) {
    result.seconds = any ? std::optional(seconds()) : std::nullopt;
    return result;
  }
  const auto of_traces = replayed_share(points, numbers);
  result.share = of_traces ? std::min(1.0, done / *of_traces) : done;
  result.seconds = of_traces ? std::optional(seconds() / result.share) : std::nullopt;
  return result;
}

}  // namespace mmusim::sweep
