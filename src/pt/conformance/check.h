// The conformance kit as a whole: every promise and random runs against the oracle, on every
// layout of address spaces there is (layout.h), for one backend.
//
// A backend is not trusted: each part runs in a process of its own with a time limit, so that one
// that crashes, hangs, frees twice or hands out runs without end is a verdict like any other. A
// random run that fails is shortened to the operations that matter.
//
// A run is told by one number, its seed, which decides layout, length, operations and whether
// memory fails in it; so any of them can be repeated alone. Not thread-safe (it forks).
#ifndef MMUSIM_PT_CONFORMANCE_CHECK_H_
#define MMUSIM_PT_CONFORMANCE_CHECK_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pt/conformance/isolate.h"
#include "pt/conformance/layout.h"
#include "pt/conformance/operation.h"
#include "pt/conformance/promises.h"
#include "pt/conformance/verdict.h"
#include "pt/page_table.h"

namespace mmusim::pt::conformance {

// --- In this process, for backends that are trusted not to crash.

// What a seed stands for.
struct RunPlan {
  const Layout* layout;
  Sequence sequence;
  Scrutiny scrutiny;  // Sampled in some runs
};
RunPlan plan_of(uint64_t seed);

// The step that broke it (sequence.size(): the end) and how.
struct BrokenAt {
  size_t step = 0;
  Broken broken;
};
// `verify_every`: so many steps the whole table is compared.
std::optional<BrokenAt> run_sequence(const Backend& backend, const RunPlan& plan,
                                     const std::string& settings, Reached& reached,
                                     size_t verify_every = 50);
std::optional<Broken> run_promise(const Backend& backend, const Layout& layout,
                                  const std::string& settings, const PromiseCase& promise,
                                  Journal* journal = nullptr);

// --- Apart.

struct Options {
  std::string settings;                         // INI text of pt.* keys
  uint64_t seed = 1;                            // of the first run; each further one has the next
  uint64_t operations = 100'000;                // at least so many in random runs
  std::chrono::seconds budget{300};             // of all; what was found by then is the verdict
  std::chrono::milliseconds piece{2000};        // one operation may take, of processor time
  std::chrono::milliseconds shortening{5000};   // of a run that failed
  unsigned most_failures = 3;                   // of random runs, before it ends
  std::function<void(uint64_t done)> progress;  // operations; may be empty
  // By name, those alone; empty: all.
  std::vector<std::string> layouts = {};
  std::vector<std::string> cases = {};
};

struct Failure {
  std::string part;  // the promise's name, or "run N"
  std::string layout;
  Broken broken;
  std::string after = {};  // what was done last, in words: after that it was broken
  // Of a run: the shortest sequence that shows it, in words; and how long it was at first.
  std::vector<std::string> steps = {};
  size_t steps_at_first = 0;
  std::optional<uint64_t> seed = std::nullopt;
};

struct Verdict {
  enum class End : uint8_t { Complete, OutOfTime, Interrupted };

  uint64_t promises = 0;  // cases checked, on all layouts
  uint64_t runs = 0;
  uint64_t operations = 0;
  unsigned layouts = 0;
  bool watched = true;  // this host lets memory be watched
  End end = End::Complete;
  std::vector<Failure> failures;
};

// Errors (all): Error when no process can be made; UsageError for settings the backend refuses.
// When the user interrupts, or the budget is used up, the verdict is what was found so far (base/
// interrupt.h still knows of it). The first two add to the verdict; check() does both.
void check_promises(const Backend& backend, const Options& options, Verdict& verdict);
void check_runs(const Backend& backend, const Options& options, Verdict& verdict);
Verdict check(const Backend& backend, const Options& options);

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_CHECK_H_
