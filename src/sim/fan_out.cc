#include "sim/fan_out.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/error.h"
#include "base/interrupt.h"
#include "sim/architectures.h"
#include "sim/looks.h"
#include "sim/machine_options.h"
#include "sim/profile/profiler.h"
#include "sim/replay.h"
#include "sim/trace_pass.h"

namespace mmusim::sim {
namespace {

void through(MachineRuns& runs, std::span<const TraceRoute> routes, const ReplayOptions& options) {
  const TraceRoute& route = routes.front();
  TracePass pass(runs, routes, options);
  if (options.profiler != nullptr) options.profiler->follow(pass.source());
  Looks looks(route.warmup, route.interval);
  if (const auto all = pass.source().reader().totals())
    looks.require_few_intervals(route.limit == 0 ? all->instructions
                                                 : std::min(route.limit, all->instructions));
  std::vector<CountersOverTime> over_time(runs.size(), CountersOverTime(looks));
  const auto report = [&](size_t i) {
    stats::Report now;
    report_totals(pass.totals(i), now);
    pass.report_relocation(i, now);
    runs[i]->report(now);
    return now;
  };
  pass.run(looks, [&](std::span<const size_t> group) {
    for (const size_t i : group)
      if (runs[i] != nullptr)
        runs.attempt(i, [&] { over_time[i].look(report(i), pass.totals(i).instructions); });
  });
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i] == nullptr) continue;
    ReplayResult result;
    runs.attempt(i, [&] {
      result.report = over_time[i].result(report(i), pass.totals(i).instructions);
      result.streams = pass.streams_of(i);
      if (options.profiler != nullptr) options.profiler->end();
      runs[i]->shut_down();
    });
    if (!runs.end(i)) continue;
    result.totals = pass.totals(i);
    pass.source().identify(result);
    result.stopped = pass.stopped();
    runs.set_result(i, std::move(result));
  }
}

}  // namespace

TraceRoute route_of(const config::Config& config) {
  TraceSource::require_named(config);
  const Architecture& architecture = architecture_of(config);
  return TraceRoute::of(config, architecture.name, architecture.layout(config),
                        huge_page(architecture.tables(config).geometry));
}

std::vector<std::vector<size_t>> groups_of(std::span<const TraceRoute> routes) {
  std::vector<std::vector<size_t>> groups;
  for (size_t i = 0; i < routes.size(); ++i) {
    const auto share = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
      return TracePass::can_share(routes[group.front()], routes[i]);
    });
    if (share == groups.end()) {
      groups.push_back({i});
      continue;
    }
    const auto last = std::find_if(share->rbegin(), share->rend(),
                                   [&](size_t other) { return routes[other] == routes[i]; });
    share->insert(last == share->rend() ? share->end() : last.base(), i);
  }
  return groups;
}

std::vector<ReplayOutcome> replay_together(std::span<const config::Config* const> configs,
                                           const ReplayOptions& options) {
  MachineRuns runs(configs, options);
  try {
    if (runs.any()) {
      std::vector<TraceRoute> routes;
      for (const config::Config* config : configs)
        routes.push_back(route_of(*config));
      through(runs, routes, options);
    }
  } catch (const Error& error) {
    if (is_interruption(error)) throw;
    runs.fail(std::current_exception());
  } catch (const std::exception&) {  // not what options.progress throws to end this
    runs.fail(std::current_exception());
  }
  return runs.take_outcomes();
}

}  // namespace mmusim::sim
