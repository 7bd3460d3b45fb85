// Many replays on the host's cores. Those that see the same batches of a trace share a pass
// (fan_out.h), in as many parts as there are threads to take them. Results depend on neither.
#ifndef MMUSIM_SIM_REPLAY_ALL_H_
#define MMUSIM_SIM_REPLAY_ALL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "config/schema.h"
#include "sim/fan_out.h"

namespace mmusim::sim {

// How far all of them are.
struct AllProgress {
  uint64_t references = 0;  // replayed so far, by all machines
  uint64_t bytes_done = 0;  // of the traces, each as often as machines replay it
  uint64_t bytes_total = 0;
  // The same of the passes that are under way.
  uint64_t open_bytes_done = 0;
  uint64_t open_bytes_total = 0;
};

struct AllOptions {
  unsigned jobs = 1;  // threads
  // Called once for each configuration, by its number, as soon as there is an outcome; threads do
  // not wait for each other in it. What it throws ends all.
  std::function<void(size_t, ReplayOutcome&&)> done;
  // Called now and then; never by two threads at once. May be empty.
  std::function<void(const AllProgress&)> progress;
};

// At most so many machines are simulated by one thread at a time.
inline constexpr size_t kMostTogether = 64;

// So many of the host's cores as this process may use.
unsigned host_cores();

// Errors: Error when interrupted; what `done` throws. The outcomes of passes that were not at their
// end are lost then, unless an end is only asked for (PatientInterrupts): no pass is begun any
// more, and those that have begun go on to their end.
void replay_all(std::span<const config::Config* const> configs, const AllOptions& options);

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_REPLAY_ALL_H_
