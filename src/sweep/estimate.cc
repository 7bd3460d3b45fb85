#include "sweep/estimate.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <unistd.h>

#include "base/error.h"
#include "sim/replay_all.h"
#include "trace/reader.h"

namespace mmusim::sweep {
namespace {

// Of this process, now.
uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t all = 0;
  uint64_t resident = 0;
  file >> all >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// Instructions a point replays; nothing for a torn trace.
std::optional<uint64_t> length_of(const Point& point, std::map<std::string, uint64_t>& known) {
  if (known.count(point.trace) == 0) {
    const auto totals = trace::Reader(point.trace, {.accept_torn = true}).totals();
    known[point.trace] = totals ? totals->instructions : 0;
  }
  const uint64_t all = known[point.trace];
  if (all == 0) return std::nullopt;
  const uint64_t limit = point.config.count("run.limit");
  return limit == 0 ? all : std::min(all, limit);
}

struct Probe {
  double seconds_per_instruction = 0;
  uint64_t bytes = 0;
};

std::optional<Probe> probe(const Point& point) {
  using Clock = std::chrono::steady_clock;
  config::Config config = point.config;
  config.set("run.trace", point.trace, "the sweep");
  const uint64_t limit = config.count("run.limit");
  if (limit == 0 || limit > kProbe) config.set("run.limit", std::to_string(kProbe), "the probe");
  const config::Config* const only = &config;
  sim::ReplayOptions options;
  const uint64_t before = resident_bytes();
  uint64_t most = before;
  unsigned calls = 0;
  options.progress = [&](const sim::ReplayProgress&) {
    if (++calls % 256 == 1) most = std::max(most, resident_bytes());
  };
  const Clock::time_point start = Clock::now();
  const auto outcome = std::move(sim::replay_together({&only, 1}, options).front());
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (!outcome.result || outcome.result->totals.instructions == 0) return std::nullopt;
  return Probe{
      .seconds_per_instruction = seconds / static_cast<double>(outcome.result->totals.instructions),
      .bytes = most - before};
}

}  // namespace

Estimate estimate(const std::vector<Point>& points, const std::vector<size_t>& numbers,
                  unsigned jobs) {
  constexpr size_t kMostProbes = 3;
  Estimate result;
  if (numbers.empty()) return {.probed = 0, .seconds = 0, .bytes = resident_bytes()};
  std::set<size_t> chosen;
  for (size_t i = 0; i < kMostProbes; ++i)
    chosen.insert(numbers[(numbers.size() - 1) * i / (kMostProbes - 1)]);
  double rate = 0;
  uint64_t bytes = 0;
  for (const size_t i : chosen) {
    const auto told = probe(points[i]);
    if (!told) continue;
    ++result.probed;
    rate += told->seconds_per_instruction;
    bytes = std::max(bytes, told->bytes);
  }
  const size_t at_once = std::min(numbers.size(), std::max<size_t>(1, jobs) * sim::kMostTogether);
  result.bytes = resident_bytes() + bytes * at_once;
  if (result.probed == 0) return result;
  std::map<std::string, uint64_t> known;
  double instructions = 0;
  for (const size_t i : numbers) {
    const auto length = length_of(points[i], known);
    if (!length) return result;
    instructions += static_cast<double>(*length);
  }
  const auto threads = static_cast<double>(std::min<size_t>(std::max(1U, jobs), numbers.size()));
  result.seconds = instructions * rate / static_cast<double>(result.probed) / threads;
  return result;
}

}  // namespace mmusim::sweep
