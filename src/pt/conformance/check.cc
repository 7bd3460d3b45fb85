#include "pt/conformance/check.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/interrupt.h"
#include "pt/conformance/isolate.h"
#include "pt/conformance/model.h"

namespace mmusim::pt::conformance {
namespace {

constexpr size_t kVerifyInterval = 50;

const Architecture& architecture_of(uint64_t seed) {
  return architectures()[seed % architectures().size()];
}
// In every other round over the architectures memory fails; in every fourth runs are long.
bool memory_fails(uint64_t seed) {
  return seed / architectures().size() % 2 == 1;
}
size_t length_of(uint64_t seed) {
  return seed / architectures().size() % 4 >= 2 ? 1500 : 150;
}

// The run, shortened; each candidate in a process of its own.
void shorten(const Backend& backend, const Options& options, const Architecture& architecture,
             Sequence sequence, size_t step, Failure& failure) {
  constexpr size_t kMostCandidates = 4000;
  constexpr auto kMostTime = std::chrono::seconds(60);
  const auto deadline = std::chrono::steady_clock::now() + kMostTime;
  failure.steps_at_first = std::min(step + 1, sequence.size());
  const auto breaks = [&](const Sequence& candidate) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    check_interrupt();
    Reached reached;
    const auto broken = isolated(5, reached, [&](Reached& shared) {
      const auto at = run_sequence(backend, architecture, options.settings, candidate,
                                   [&](size_t i) { shared.step = i; });
      if (at) throw at->broken;
    });
    if (!broken) return false;
    failure.broken = *broken;
    return true;
  };
  // What comes after the step that broke it cannot matter, unless it only showed at the end.
  Sequence prefix(sequence.begin(),
                  sequence.begin() + static_cast<std::ptrdiff_t>(failure.steps_at_first));
  if (breaks(prefix)) sequence = std::move(prefix);
  sequence = shortest(std::move(sequence), kMostCandidates, breaks);
  try {
    const Model model(backend, architecture, options.settings);
    for (const Operation& operation : sequence)
      failure.steps.push_back(model.describe(operation));
  } catch (const Broken&) {
    // It cannot even make a table; there are no steps to tell.
  }
}

}  // namespace

void check_promises(const Backend& backend, const Options& options, Verdict& verdict) {
  for (const Architecture& architecture : architectures())
    for (const PromiseCase& promise : promise_cases()) {
      check_interrupt();
      ++verdict.promises;
      Reached reached;
      const auto broken = isolated(options.seconds, reached, [&](Reached&) {
        const auto found = run_promise(backend, architecture, options.settings, promise);
        if (found) throw *found;
      });
      if (broken)
        verdict.failures.push_back(
            {.part = promise.name, .architecture = architecture.name, .broken = *broken});
    }
}

void check_runs(const Backend& backend, const Options& options, Verdict& verdict) {
  constexpr uint64_t kPerProcess = 28;  // runs: a few whole rounds over the architectures
  uint64_t seed = options.seed;
  unsigned failures = 0;
  while (verdict.operations < options.operations && failures < options.most_failures) {
    check_interrupt();
    const uint64_t wanted = options.operations - verdict.operations;
    Reached reached;
    // The whole process has the time of its runs.
    const auto broken = isolated(options.seconds * 8, reached, [&](Reached& shared) {
      for (uint64_t i = 0; i < kPerProcess && shared.operations < wanted; ++i) {
        shared.seed = seed + i;
        const RunPlan plan = plan_of(seed + i);
        const auto at = run_sequence(backend, *plan.architecture, options.settings, plan.sequence,
                                     [&](size_t step) {
                                       shared.step = step;
                                       shared.operations = shared.operations + 1;
                                     });
        if (at) throw at->broken;
      }
    });
    verdict.operations += reached.operations;
    const uint64_t last = reached.seed;
    verdict.runs += last - seed + 1;
    seed = last + 1;
    if (options.progress) options.progress(verdict.operations);
    if (!broken) continue;
    ++failures;
    Failure failure{.part = fmt::format("run {}", last),
                    .architecture = architecture_of(last).name,
                    .broken = *broken,
                    .seed = last};
    RunPlan plan = plan_of(last);
    shorten(backend, options, *plan.architecture, std::move(plan.sequence),
            static_cast<size_t>(reached.step), failure);
    verdict.failures.push_back(std::move(failure));
  }
}

RunPlan plan_of(uint64_t seed) {
  const Architecture& architecture = architecture_of(seed);
  const RadixGeometry geometry = mlpt::parse_levels(architecture.levels);
  const auto anchors = static_cast<unsigned>(geometry.size() + 2);
  return {&architecture,
          draw(seed, length_of(seed), memory_fails(seed), anchors, geometry[0].index_bits + 3)};
}

std::optional<BrokenAt> run_sequence(const Backend& backend, const Architecture& architecture,
                                     const std::string& settings, const Sequence& sequence,
                                     const std::function<void(size_t)>& reached) {
  size_t step = 0;
  try {
    Model model(backend, architecture, settings);
    for (; step < sequence.size(); ++step) {
      if (reached) reached(step);
      model.apply(sequence[step]);
      if (step % kVerifyInterval == kVerifyInterval - 1) model.verify();
    }
    model.verify();
    model.finish();
  } catch (const Broken& broken) {
    return BrokenAt{step, broken};
  }
  return std::nullopt;
}

std::optional<Broken> run_promise(const Backend& backend, const Architecture& architecture,
                                  const std::string& settings, const PromiseCase& promise) {
  try {
    Machine machine(backend, architecture, settings);
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

Verdict check(const Backend& backend, const Options& options) {
  Verdict verdict;
  verdict.architectures = static_cast<unsigned>(architectures().size());
  // Settings that cannot be are the user's mistake, not the backend's: found out here.
  const Machine machine(backend, architectures().front(), options.settings);
  check_promises(backend, options, verdict);
  check_runs(backend, options, verdict);
  return verdict;
}

}  // namespace mmusim::pt::conformance
