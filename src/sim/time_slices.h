// Threads that take turns more often than they did when they were recorded.
//
// A recording has the turns its recorder made: hundreds of thousands of instructions long, where a
// tool lets one thread run at a time. With sched.quantum a turn ends after so many instructions (at
// the end of a block) if another thread has something to do, and they go round, in the order they
// first appear. What may change places is what no event separates: between two events (system
// calls, forks, exits, of whatever process) threads only make references, whose order is anybody's.
// Each thread's own order stays, and so does everything's place before or behind each event.
//
// At most kWindow quanta are looked ahead, so that memory does not grow with the trace.
//
// Not thread-safe.
#ifndef MMUSIM_SIM_TIME_SLICES_H_
#define MMUSIM_SIM_TIME_SLICES_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "trace/record.h"

namespace mmusim::sim {

class TimeSlices {
 public:
  // `recorded` gives the trace's batches in their order, as trace::Reader::next. REQUIRES: quantum
  // > 0.
  TimeSlices(uint64_t quantum, std::function<bool(trace::Batch&)> recorded);
  ~TimeSlices();

  // The next batch, as of a reader.
  bool next(trace::Batch& batch);

 private:
  static constexpr uint64_t kWindow = 16;

  struct Table;
  struct Run {  // a recorded batch, of which the first `done` blocks have been given out
    std::unique_ptr<const Table> table;
    uint64_t serial = 0;  // of the table
    std::vector<uint32_t> blocks;
    std::vector<uint64_t> addresses;
    size_t done = 0;
    size_t addresses_done = 0;
  };
  struct Thread {
    trace::ThreadId id;
    std::deque<Run> runs;
  };

  // Reads up to the next event, the end, or as far as is looked ahead.
  void fill();
  void keep(const trace::Batch& batch);
  // Blocks of one thread up to the end of its quantum, or of a recorded batch.
  void cut(Thread& thread, trace::Batch& batch);

  uint64_t quantum_;
  std::function<bool(trace::Batch&)> recorded_;
  std::deque<Thread> threads_;         // of the window, in the order they appear
  size_t turn_ = 0;                    // whose turn it is, of threads_
  uint64_t used_ = 0;                  // of its quantum
  Run given_;                          // what the last batch given out points into
  std::optional<trace::Batch> event_;  // behind the window; the reader's, valid until it is asked
  bool ended_ = false;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_TIME_SLICES_H_
