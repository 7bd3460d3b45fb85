// A sweep: runs at many points, each by its own configuration, kept in a store.
#ifndef MMUSIM_SWEEP_SWEEP_H_
#define MMUSIM_SWEEP_SWEEP_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "config/schema.h"
#include "sim/replay_all.h"
#include "stats/report.h"
#include "stats/results.h"
#include "sweep/axis.h"
#include "sweep/store.h"

namespace mmusim::sweep {

// One combination of what varies.
struct Point {
  std::vector<Setting> varied;  // by --vary and --zip
  std::string name;             // for messages
  config::Config config;        // as results say it
  std::string trace;            // the file that its run.trace means
  std::string id;               // RunIds'
};

// What became of a point.
struct Outcome {
  enum class Is : uint8_t { Missing, Kept, Done, Failed };
  Is is = Is::Missing;   // Kept: the store had it
  stats::Report report;  // of the counters asked for
  std::string why;       // Failed
};

struct SweepProgress {
  sim::AllProgress replays;
  size_t done = 0;  // of those that were missing
  size_t runs = 0;  // that were missing
  size_t failed = 0;
};

struct SweepOptions {
  unsigned jobs = 1;
  std::vector<std::string> counters;  // what outcomes are to say, where a run has it
  // Of a run's result; called by several threads at once.
  std::function<stats::Provenance(const config::Config&, const sim::ReplayResult&)> provenance;
  std::function<void(const std::string&)> warn;
  // Never by two threads at once. May be empty.
  std::function<void(const SweepProgress&)> progress;
};

// Numbers of the points that are the first with their id: as many as there are runs.
std::vector<size_t> distinct(const std::vector<Point>& points);

// Takes from the store what it has, runs what it has not, and keeps that. An outcome for each
// point; equal points have equal ones. Errors: Error when interrupted or when a result cannot be
// kept; what was kept before stays.
std::vector<Outcome> run(const std::vector<Point>& points, Store& store,
                         const SweepOptions& options);

}  // namespace mmusim::sweep

#endif  // MMUSIM_SWEEP_SWEEP_H_
