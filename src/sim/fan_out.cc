#include "sim/fan_out.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/interrupt.h"
#include "sim/architectures.h"
#include "sim/looks.h"
#include "sim/machine.h"
#include "sim/machine_options.h"
#include "sim/machine_run.h"
#include "sim/page_columns.h"
#include "sim/replay.h"
#include "sim/run_limit.h"
#include "sim/stretch.h"

namespace mmusim::sim {
namespace {

// Several machines before one source.
class FanOut {
 public:
  FanOut(std::span<const config::Config* const> configs, const ReplayOptions& options)
      : options_(options), outcomes_(configs.size()) {
    for (size_t i = 0; i < configs.size(); ++i) {
      runs_.emplace_back();
      attempt(i, [&] { runs_[i] = architecture_of(*configs[i]).make_run(*configs[i], options); });
    }
  }

  // Whether any has not ended.
  [[nodiscard]] bool any() const {
    return std::any_of(runs_.begin(), runs_.end(), [](const auto& run) { return run != nullptr; });
  }

  std::vector<ReplayOutcome> through(const TraceRoute& route) {
    TraceSource source(route);
    columns_.emplace(source.reader());
    choose_stream(route);
    trace::Totals totals;
    Looks looks(route.warmup, route.interval);
    std::vector<CountersOverTime> over_time(runs_.size(), CountersOverTime(looks));
    const auto report = [&](size_t i) {
      stats::Report now;
      report_totals(totals, now);
      source.report(now);
      runs_[i]->report(now);
      return now;
    };
    const bool stopped = all(source, route, totals, looks, [&] {
      for (size_t i = 0; i < runs_.size(); ++i)
        if (runs_[i] != nullptr)
          attempt(i, [&] { over_time[i].look(report(i), totals.instructions); });
    });
    for (size_t i = 0; i < runs_.size(); ++i) {
      if (runs_[i] == nullptr) continue;
      ReplayResult result;
      attempt(i, [&] {
        result.report = over_time[i].result(report(i), totals.instructions);
        runs_[i]->shut_down();
      });
      end(i);
      if (outcomes_[i].failure != nullptr) continue;
      result.totals = totals;
      source.identify(result);
      result.streams = {source.reader().chunks_given(), columns_->uses()};
      result.stopped = stopped;
      outcomes_[i].result = std::move(result);
    }
    return std::move(outcomes_);
  }
  // Those that have not ended do, all for the same reason.
  std::vector<ReplayOutcome> fail(const std::exception_ptr& why) {
    for (size_t i = 0; i < runs_.size(); ++i) {
      if (runs_[i] == nullptr) continue;
      outcomes_[i].failure = why;
      end(i);
    }
    return std::move(outcomes_);
  }

 private:
  static constexpr size_t kTogether = 16;  // batches

  // The whole trace, or what run.limit wants of it: whether that ended it. `look` is called where
  // counters are looked at.
  template <class Look>
  bool all(TraceSource& source, const TraceRoute& route, trace::Totals& totals, Looks& looks,
           Look look) {
    RunLimit limit(route.limit);
    choose_sifted();
    Stretch stretch(runs_.size() > 1 ? kTogether : 1, sifted_.empty());
    while (any() && want_references(source, route.stream) &&
           stretch.next(source, limit, looks, totals.instructions)) {
      take(stretch, source.reader().given());
      totals += stretch.totals();
      if (looks.due(totals.instructions)) {
        looks.made(totals.instructions);
        look();
      }
      if (limit.reached()) return true;
      check_interrupt();
      if (options_.progress)
        options_.progress({totals.references(), totals.instructions, source.reader().position(),
                           source.reader().file_bytes()});
    }
    return false;
  }

  // Page streams are for one machine that sees the whole trace as it was recorded.
  void choose_stream(const TraceRoute& route) {
    by_pages_ = false;
    if (!any() || route.stream == StreamChoice::Full) return;
    const bool whole = runs_.size() == 1 && !route.moved && route.limit == 0 &&
                       route.quantum == 0 && route.warmup == 0 && route.interval == 0;
    by_pages_ = whole && runs_.front()->needs() != trace::References::All;
    if (!by_pages_ && route.stream == StreamChoice::Pages)
      throw UsageError("run.stream",
                       "this run needs every reference of the trace, not only those of its page "
                       "streams",
                       "leave run.stream at auto");
  }
  // Says which those of the next chunk are to be. True, so that it may stand in a condition.
  bool want_references(TraceSource& source, StreamChoice choice) {
    if (!by_pages_ || runs_.front() == nullptr) return true;
    trace::Reader& reader = source.reader();
    const trace::References needed = runs_.front()->needs();
    const bool pays = choice == StreamChoice::Pages || columns_->pay();
    reader.want(pays ? needed : trace::References::All);
    if (choice == StreamChoice::Pages && needed != trace::References::All &&
        reader.chunks_read() != 0 && reader.given() == trace::References::All &&
        reader.chunks()[reader.chunks_read() - 1].totals.blocks != 0)
      throw Error(reader.path(), "a chunk has no page stream for such a first-level TLB",
                  "mmusim trace prepare adds page streams where they take little; run.stream = "
                  "auto does without");
    return true;
  }

  // A pass over a batch to find what matters pays where several need not do the rest.
  void choose_sifted() {
    constexpr size_t kPays = 2;
    for (size_t i = 0; i < runs_.size(); ++i)
      if (runs_[i] != nullptr && runs_[i]->sifts()) sifted_.insert(i);
    if (sifted_.size() < kPays && options_.mode != ReplayMode::Sifted) sifted_.clear();
  }

  // All of the stretch by one machine, then by the next, so that what a machine is made of is in
  // the host's caches for some time.
  void take(const Stretch& stretch, trace::References given) {
    for (size_t i = 0; i < runs_.size(); ++i) {
      const bool sifted = sifted_.count(i) != 0;
      for (const Stretch::Part& part : stretch.parts()) {
        if (runs_[i] == nullptr) break;
        attempt(i, [&] {
          if (part.batch.of_pages)
            runs_[i]->take_pages(part.batch, *columns_, given == trace::References::Sets);
          else if (sifted && part.batch.event == nullptr)
            runs_[i]->take_kept(part.batch, part.kept);
          else
            runs_[i]->take(part.batch);
        });
      }
      check_interrupt();
    }
  }

  // Run `i` does something; if it fails, that is its end.
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
  // Takes the machine apart, which is where a bug may show, too.
  void end(size_t i) {
    kept_failure();
    runs_[i].reset();
    const std::string why = kept_failure();
    if (!why.empty() && outcomes_[i].failure == nullptr)
      outcomes_[i].failure = std::make_exception_ptr(InternalError(why));
  }

  const ReplayOptions& options_;
  std::vector<std::unique_ptr<MachineRun>> runs_;  // null: ended
  std::set<size_t> sifted_;                        // runs that are given what it keeps
  std::optional<PageColumns> columns_;
  bool by_pages_ = false;  // page streams are read, where there are any
  std::vector<ReplayOutcome> outcomes_;
};

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
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
      return routes[group.front()] == routes[i];
    });
    if (same != groups.end())
      same->push_back(i);
    else
      groups.push_back({i});
  }
  return groups;
}

std::vector<ReplayOutcome> replay_together(std::span<const config::Config* const> configs,
                                           const ReplayOptions& options) {
  FanOut machines(configs, options);
  try {
    return machines.any() ? machines.through(route_of(*configs.front())) : machines.fail(nullptr);
  } catch (const Error& error) {
    if (is_interruption(error)) throw;
    return machines.fail(std::current_exception());
  } catch (const std::exception&) {  // not what options.progress throws to end this
    return machines.fail(std::current_exception());
  }
}

}  // namespace mmusim::sim
