// A part of a trace as a trace of its own: events at its begin set up the processes, their tree and
// their areas as they then were. For `trace cut`.
#ifndef MMUSIM_TRACE_CUT_H_
#define MMUSIM_TRACE_CUT_H_

#include <functional>
#include <string>

#include "trace/part.h"
#include "trace/processes.h"
#include "trace/reader.h"
#include "trace/writer.h"

namespace mmusim::trace {

struct CutResult {
  Totals totals;              // of the new trace
  uint64_t state_events = 0;  // of these: those that set up the state, marker included
  uint64_t processes = 0;     // that live where the part begins
  uint64_t zombies = 0;
  uint64_t areas = 0;
  // Bytes of areas that could not be set up as they were.
  uint64_t areas_not_set_up = 0;
  uint64_t processes_not_followed = 0;  // Space::followed
  // Processes that shared another's memory, but not their parent's, and now have a copy.
  uint64_t sharing_lost = 0;
};

// Writes the events that make what is known of processes and areas anew, for a replay, in an order
// that each makes sense: parents before children. Gives what it could not do.
CutResult write_state(Writer& writer, const Processes& now);

// Writes the instructions of `range`, with their data accesses and events, behind the state at its
// begin. `progress` is called now and then with bytes of the file done and in all. Errors: Error as
// Reader and Writer give; where the range is not in the trace. Memory: that of Processes.
CutResult cut(const std::string& path, const InstructionRange& range, const std::string& output,
              const ReaderOptions& reader_options = {}, const WriterOptions& writer_options = {},
              const std::function<void(uint64_t, uint64_t)>& progress = {});

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_CUT_H_
