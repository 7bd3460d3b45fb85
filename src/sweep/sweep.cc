#include "sweep/sweep.h"

#include <exception>
#include <map>
#include <mutex>

#include "base/error.h"

namespace mmusim::sweep {
namespace {

// What ended a run, in words.
std::string words_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::bad_alloc&) {
    return "out of memory";
  } catch (const std::exception& error) {
    return error.what();
  }
}

// Memory does not grow with what nobody asked for.
stats::Report only(const std::vector<std::string>& names, const stats::Report& report) {
  stats::Report result;
  for (const std::string& name : names)
    if (const stats::Counter* const c = report.find(name); c != nullptr)
      result.add(c->name, c->value, c->unit, c->meaning, c->denominator);
  return result;
}

// The runs that are missing, and where their outcomes go.
class Missing {
 public:
  Missing(const std::vector<Point>& points, const std::vector<size_t>& numbers, Store& store,
          const SweepOptions& options, std::vector<Outcome>& outcomes)
      : points_(points), numbers_(numbers), store_(store), options_(options), outcomes_(outcomes) {
    for (const size_t number : numbers) {
      replayed_.push_back(points[number].config);
      replayed_.back().set("run.trace", points[number].trace, "the sweep");
    }
    so_far_.runs = numbers.size();
  }

  void run() {
    std::vector<const config::Config*> configs;
    for (const config::Config& config : replayed_)
      configs.push_back(&config);
    sim::AllOptions all;
    all.jobs = options_.jobs;
    all.done = [this](size_t i, sim::ReplayOutcome&& outcome) { end(numbers_[i], outcome); };
    all.progress = [this](const sim::AllProgress& progress) {
      const std::scoped_lock lock(mutex_);
      so_far_.replays = progress;
      tell();
    };
    sim::replay_all(configs, all);
  }

 private:
  // To write a result takes long enough that threads, which come here at the same time, had better
  // not do so one after the other.
  void end(size_t number, sim::ReplayOutcome& replayed) {
    const Point& point = points_[number];
    Outcome& outcome = outcomes_[number];
    if (replayed.failure != nullptr) {
      outcome.is = Outcome::Is::Failed;
      outcome.why = words_of(replayed.failure);
    } else {
      const stats::Provenance provenance = options_.provenance(point.config, *replayed.result);
      store_.keep(point.id, stats::results_json(provenance, point.config, replayed.result->report));
      outcome.is = Outcome::Is::Done;
      outcome.report = only(options_.counters, replayed.result->report);
    }
    const std::scoped_lock lock(mutex_);
    if (outcome.is == Outcome::Is::Failed) ++so_far_.failed;
    ++so_far_.done;
    tell();
  }
  void tell() {  // REQUIRES: mutex_ is held
    if (options_.progress) options_.progress(so_far_);
  }

  const std::vector<Point>& points_;
  const std::vector<size_t>& numbers_;
  Store& store_;
  const SweepOptions& options_;
  std::vector<Outcome>& outcomes_;
  std::vector<config::Config> replayed_;
  std::mutex mutex_;  // of what follows, and of who is told
  SweepProgress so_far_;
};

}  // namespace

std::vector<size_t> distinct(const std::vector<Point>& points) {
  std::map<std::string, size_t> first;
  std::vector<size_t> numbers;
  for (size_t i = 0; i < points.size(); ++i)
    if (first.emplace(points[i].id, i).second) numbers.push_back(i);
  return numbers;
}

std::vector<Outcome> run(const std::vector<Point>& points, Store& store,
                         const SweepOptions& options) {
  std::vector<Outcome> outcomes(points.size());
  std::vector<size_t> missing;
  std::map<std::string, size_t> first;
  for (const size_t i : distinct(points)) {
    first[points[i].id] = i;
    stats::Report report;
    if (!store.find(points[i].id, report, options.warn)) {
      missing.push_back(i);
      continue;
    }
    outcomes[i].is = Outcome::Is::Kept;
    outcomes[i].report = only(options.counters, report);
  }
  if (!missing.empty()) Missing(points, missing, store, options, outcomes).run();
  for (size_t i = 0; i < points.size(); ++i)
    if (first[points[i].id] != i) outcomes[i] = outcomes[first[points[i].id]];
  return outcomes;
}

}  // namespace mmusim::sweep
