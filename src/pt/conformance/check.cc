#include "pt/conformance/check.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/interrupt.h"
#include "pt/conformance/model.h"
#include "pt/conformance/watch.h"
#include "pt/conformance/witness.h"

namespace mmusim::pt::conformance {
namespace {

// The seed's round over the layouts: what differs from round to round.
uint64_t round_of(uint64_t seed) {
  return seed / layouts().size();
}
const Layout& layout_of(uint64_t seed) {
  return layouts()[seed % layouts().size()];
}
// In every other round memory fails; in every fourth memory is watched; in half of them runs are
// long.
bool memory_fails(uint64_t seed) {
  return round_of(seed) % 2 == 1;
}
Scrutiny scrutiny_of(uint64_t seed) {
  return round_of(seed) % 4 == 0 ? Scrutiny::Sampled : Scrutiny::Words;
}
size_t length_of(uint64_t seed) {
  return round_of(seed) % 4 >= 2 ? 1500 : 150;
}

bool chosen(const std::vector<std::string>& names, const char* name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

// Until when there is time, and what ended it.
class Checking {
 public:
  Checking(const Backend& backend, const Options& options)
      : backend_(backend), options_(options), deadline_(Clock::now() + options.budget) {}

  void promises(Verdict& verdict);
  void runs(Verdict& verdict);

 private:
  [[nodiscard]] Limits limits() const { return {.piece = options_.piece, .deadline = deadline_}; }
  [[nodiscard]] Outcome run(const RunPlan& plan, Clock::time_point deadline,
                            Reached& reached) const;
  void shorten(RunPlan plan, size_t step, Failure& failure) const;

  const Backend& backend_;
  const Options& options_;
  Clock::time_point deadline_;
};

void Checking::promises(Verdict& verdict) {
  // What hangs does so on every layout: once is enough to wait for it.
  std::set<std::string_view> hung;
  for (const Layout& layout : layouts())
    for (const PromiseCase& promise : promise_cases()) {
      if (hung.count(promise.name) != 0 || !chosen(options_.layouts, layout.name) ||
          !chosen(options_.cases, promise.name))
        continue;
      check_interrupt();
      Reached reached;
      const Clock::time_point begin = Clock::now();
      const Outcome outcome = isolated(limits(), reached, [&](Reached& shared) {
        const auto found =
            run_promise(backend_, layout, options_.settings, promise, &shared.journal);
        if (found) throw *found;
      });
      if (outcome.out_of_time) {
        verdict.end = Verdict::End::OutOfTime;
        return;
      }
      ++verdict.promises;
      if (!outcome.broken) continue;
      if (Clock::now() - begin > options_.piece) hung.insert(promise.name);
      verdict.failures.push_back({.part = promise.name,
                                  .layout = layout.name,
                                  .broken = *outcome.broken,
                                  .after = reached.journal.text()});
    }
}

// One run apart, compared with the oracle after every step: the step it ends at is the one that
// broke it.
Outcome Checking::run(const RunPlan& plan, Clock::time_point deadline, Reached& reached) const {
  // What only takes long is not tried long again and again.
  constexpr std::chrono::milliseconds kPiece{1000};
  return isolated({.piece = std::min(options_.piece, kPiece), .deadline = deadline}, reached,
                  [&](Reached& shared) {
                    const auto at = run_sequence(backend_, plan, options_.settings, shared, 1);
                    if (at) throw at->broken;
                  });
}

// The run, shortened; each candidate in a process of its own.
void Checking::shorten(RunPlan plan, size_t step, Failure& failure) const {
  constexpr size_t kMostCandidates = 4000;
  const auto deadline = std::min(deadline_, Clock::now() + options_.shortening);
  // A sample depends on how many operations came before: look at all of them.
  const Scrutiny scrutiny = plan.scrutiny == Scrutiny::Sampled ? Scrutiny::Always : plan.scrutiny;
  failure.steps_at_first = std::min(step + 1, plan.sequence.size());
  size_t broken_at = step;
  const auto breaks = [&](const Sequence& candidate) {
    if (Clock::now() >= deadline) return false;
    check_interrupt();
    Reached reached;
    const Outcome outcome = run(
        {.layout = plan.layout, .sequence = candidate, .scrutiny = scrutiny}, deadline, reached);
    if (!outcome.broken) return false;
    failure.broken = *outcome.broken;
    broken_at = reached.step;
    return true;
  };
  // What comes after the step that broke it cannot matter, unless it only showed at the end.
  const auto up_to = [&](size_t last) {
    const size_t length = std::min(last + 1, plan.sequence.size());
    return Sequence(plan.sequence.begin(),
                    plan.sequence.begin() + static_cast<std::ptrdiff_t>(length));
  };
  if (breaks(up_to(step))) plan.sequence = up_to(broken_at);
  plan.sequence = shortest(std::move(plan.sequence), kMostCandidates, breaks);
  try {
    const Model model(backend_, *plan.layout, options_.settings);
    for (const Operation& operation : plan.sequence)
      failure.steps.push_back(model.describe(operation));
  } catch (const Broken&) {
    // It cannot even make a table; there are no steps to tell.
  }
  failure.after = broken_at < failure.steps.size()
                      ? fmt::format("operation {}: {}", broken_at + 1, failure.steps[broken_at])
                      : "clearing and trimming all at the end";
}

void Checking::runs(Verdict& verdict) {
  const uint64_t per_process = 4 * layouts().size();  // runs: whole rounds over the layouts
  uint64_t seed = options_.seed;
  unsigned failures = 0;
  while (verdict.operations < options_.operations && failures < options_.most_failures) {
    check_interrupt();
    const uint64_t wanted = options_.operations - verdict.operations;
    Reached reached;
    const Outcome outcome = isolated(limits(), reached, [&](Reached& shared) {
      for (uint64_t i = 0; i < per_process && shared.operations < wanted; ++i) {
        shared.seed = seed + i;
        if (!chosen(options_.layouts, layout_of(seed + i).name)) continue;
        const auto at = run_sequence(backend_, plan_of(seed + i), options_.settings, shared);
        if (at) throw at->broken;
      }
    });
    verdict.operations += reached.operations;
    const uint64_t last = std::max(uint64_t{reached.seed}, seed);
    verdict.runs += last - seed + 1;
    seed = last + 1;
    if (options_.progress) options_.progress(verdict.operations);
    if (outcome.out_of_time) {
      verdict.end = Verdict::End::OutOfTime;
      return;
    }
    if (!outcome.broken) continue;
    ++failures;
    verdict.failures.push_back({.part = fmt::format("run {}", last),
                                .layout = layout_of(last).name,
                                .broken = *outcome.broken,
                                .after = reached.journal.text(),
                                .seed = last});
    shorten(plan_of(last), static_cast<size_t>(reached.step), verdict.failures.back());
  }
}

// Does `work`; an interruption by the user ends it.
template <class Work>
void until_interrupted(Verdict& verdict, Work work) {
  try {
    work();
  } catch (const Error& error) {
    if (error.exit_status() <= Error::kUsage) throw;
    verdict.end = Verdict::End::Interrupted;
  }
}

}  // namespace

void check_promises(const Backend& backend, const Options& options, Verdict& verdict) {
  until_interrupted(verdict, [&] { Checking(backend, options).promises(verdict); });
}

void check_runs(const Backend& backend, const Options& options, Verdict& verdict) {
  until_interrupted(verdict, [&] { Checking(backend, options).runs(verdict); });
}

Verdict check(const Backend& backend, const Options& options) {
  Verdict verdict;
  verdict.layouts = static_cast<unsigned>(layouts().size());
  verdict.watched = MemoryWatch::works();
  // Settings that cannot be are the user's mistake, not the backend's: found out here.
  { const Machine machine(backend, layouts().front(), options.settings); }
  Checking checking(backend, options);
  until_interrupted(verdict, [&] { checking.promises(verdict); });
  if (verdict.end == Verdict::End::Complete)
    until_interrupted(verdict, [&] { checking.runs(verdict); });
  return verdict;
}

RunPlan plan_of(uint64_t seed) {
  const Layout& layout = layout_of(seed);
  const auto anchors = static_cast<unsigned>(Model::anchors_of(layout).size());
  return {
      .layout = &layout,
      .sequence = draw(seed, length_of(seed), memory_fails(seed), anchors, Model::near_of(layout)),
      .scrutiny = scrutiny_of(seed)};
}

std::optional<BrokenAt> run_sequence(const Backend& backend, const RunPlan& plan,
                                     const std::string& settings, Reached& reached,
                                     size_t verify_every) {
  size_t step = 0;
  try {
    Model model(backend, *plan.layout, settings, &reached.journal, plan.scrutiny);
    for (; step < plan.sequence.size(); ++step) {
      reached.step = step;
      reached.operations = reached.operations + 1;
      reached.progress = reached.progress + 1;
      model.apply(plan.sequence[step]);
      if (step % verify_every == verify_every - 1) model.verify();
    }
    reached.step = step;
    model.verify();
    model.finish();
  } catch (const Broken& broken) {
    return BrokenAt{step, broken};
  }
  return std::nullopt;
}

std::optional<Broken> run_promise(const Backend& backend, const Layout& layout,
                                  const std::string& settings, const PromiseCase& promise,
                                  Journal* journal) {
  try {
    Machine machine(backend, layout, settings, uint64_t{1} << 30, promise.scrutiny, journal);
    put_under_witness(machine);
    promise.check(machine);
    expect_same(machine.allocator.bytes_in_use(), uint64_t{0}, promise::kNothingLeft,
                "bytes allocated when all tables are gone");
    expect(machine.allocator.misuse().empty(), promise::kFrees, "memory freed as it was allocated",
           machine.allocator.misuse());
  } catch (const Broken& broken) {
    return broken;
  }
  return std::nullopt;
}

}  // namespace mmusim::pt::conformance
