// What a replay is asked for beside its configuration, and what it gives.
#ifndef MMUSIM_SIM_REPLAY_RESULT_H_
#define MMUSIM_SIM_REPLAY_RESULT_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "stats/report.h"
#include "trace/record.h"

namespace mmusim::sim {

struct ReplayProgress {
  uint64_t references = 0;  // replayed so far
  uint64_t instructions = 0;
  uint64_t bytes_done = 0;  // of the trace file
  uint64_t bytes_total = 0;
};

// How each reference is taken (replay_loop.h).
enum class ReplayMode : uint8_t {
  Fast,    // blocks at once
  Sifted,  // Fast, of what a sieve keeps where it may be used (sifted.h); same counts
  Exact,   // every reference by itself; same counts
  Full,    // Exact, with each translation shown to the checker and each access to the caches
};

class Profiler;
class FeedSeat;

struct ReplayOptions {
  std::function<void(const ReplayProgress&)> progress;  // called now and then; may be empty
  std::optional<ReplayMode> mode;  // what the configuration asks for, if not given
  // Of a replay on one machine: who is told where what it counts comes from (profile/profiler.h).
  // Null: nobody. Must outlive the replay.
  Profiler* profiler = nullptr;
  // Where the columns come from, if several passes share them (stretch_feed.h); null: from the
  // trace itself. Must outlive the replay.
  FeedSeat* seat = nullptr;
  // A core is free to read ahead in the trace (trace::ReaderOptions). Results do not depend on it.
  bool read_ahead = false;
};

// From how many chunks of a trace's came what was replayed, by trace::References, and how often a
// machine that was given page streams went back to the columns.
struct StreamUse {
  std::array<uint64_t, 3> chunks{};
  uint64_t lacking = 0;  // chunks without the page streams that it could have been given
  uint64_t fallbacks = 0;

  [[nodiscard]] uint64_t all_chunks() const { return chunks[0] + chunks[1] + chunks[2]; }
};

// Which trace, and what of it.
struct Replayed {
  trace::Header header;
  trace::Totals totals;  // of what was replayed
  std::string trace_hash;
  bool torn = false;     // the trace was torn and replayed up to its last whole chunk
  bool stopped = false;  // run.limit was reached before the end of the trace
  StreamUse streams;
};

struct ReplayResult : Replayed {
  stats::Report report;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_REPLAY_RESULT_H_
