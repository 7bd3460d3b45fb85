// Runs a piece of work in a process of its own, so that it may crash or hang.
#ifndef MMUSIM_PT_CONFORMANCE_ISOLATE_H_
#define MMUSIM_PT_CONFORMANCE_ISOLATE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "pt/conformance/journal.h"
#include "pt/conformance/verdict.h"

namespace mmusim::pt::conformance {

// Shared with the child: how far it got.
struct Reached {
  volatile uint64_t seed = 0;
  volatile uint64_t step = 0;
  volatile uint64_t operations = 0;
  volatile uint64_t progress = 0;    // goes up whenever the next piece of work begins
  volatile uint64_t answer[2] = {};  // what the work found out, if that is what it is for
  Journal journal;
};

using Clock = std::chrono::steady_clock;

struct Limits {
  // Of processor time, from one piece of work to the next; where that does not pass, ten times as
  // much of time in which the parent is awake.
  std::chrono::milliseconds piece{2000};
  Clock::time_point deadline = Clock::time_point::max();  // of all
};

struct Outcome {
  // What `work` threw (Broken; any other exception, a signal, an exit, whatever its status, and a
  // time-out become one).
  std::optional<Broken> broken;
  bool out_of_time = false;  // the deadline came first
};

// `reached` is where the child wrote it, also when it died. What `work` prints goes nowhere; the
// last line is told where it dies. Errors: Error when no process can be
// made, or when the user interrupts.
Outcome isolated(const Limits& limits, Reached& reached, const std::function<void(Reached&)>& work);

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_ISOLATE_H_
