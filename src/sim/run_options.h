// What of a run can be set beside its machine: the keys run.* and sched.quantum. Plain data.
#ifndef MMUSIM_SIM_RUN_OPTIONS_H_
#define MMUSIM_SIM_RUN_OPTIONS_H_

#include <cstdint>
#include <initializer_list>
#include <string>

#include "config/forward.h"

namespace mmusim::sim {

// Whether a trace's addresses are moved: where machines differ, never, always.
enum class Relocate : uint8_t { Auto, Off, Force };

// Which streams of a trace are replayed: its columns, its page streams, or these where they can be.
enum class StreamChoice : uint8_t { Auto, Full, Pages };

struct RunOptions {
  std::string trace;
  bool check = false;
  uint64_t limit = 0;     // instructions, an event counting as one; 0: all
  uint64_t warmup = 0;    // instructions at the start that are not counted
  uint64_t interval = 0;  // instructions after which counters are looked at; 0: at the end only
  bool accept_torn = false;
  uint64_t quantum = 0;  // 0: turns as recorded
  Relocate relocate = Relocate::Auto;
  StreamChoice stream = StreamChoice::Auto;

  static const config::Keys<RunOptions>& keys();
  // REQUIRES: declared.
  static RunOptions from(const config::Config& config);
  // For what can make nothing of some of these. Errors: UsageError where one of them is not as by
  // default, with `why`.
  static void refuse(const config::Config& config, std::initializer_list<const char*> wanted,
                     const std::string& why);
  // For what counts no part of a run by itself. Errors: UsageError where run.warmup or run.interval
  // is set, with `why`.
  static void refuse_looks(const config::Config& config, const std::string& why);
  // For what looks at one point of a trace: also run.limit, and page streams.
  static void refuse_parts(const config::Config& config, const std::string& why);
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_RUN_OPTIONS_H_
