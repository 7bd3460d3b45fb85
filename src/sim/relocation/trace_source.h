// A trace as the simulated machine is to see it: the reader, and between it and the replay loop,
// where source and target differ, a relocation, and where turns are to be shorter, time slices.
//
// Without one next() is the reader's, batch for batch. Errors in the constructor: those of the
// reader; and when the machine's address space is smaller than the recording's, Error if the trace
// does not fit, or not where it was recorded if it is to stay there: it is read once for that
// before anything runs.
#ifndef MMUSIM_SIM_RELOCATION_TRACE_SOURCE_H_
#define MMUSIM_SIM_RELOCATION_TRACE_SOURCE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/forward.h"
#include "mmu/layout.h"
#include "sim/relocation/relocator.h"
#include "sim/replay_result.h"
#include "sim/run_options.h"
#include "sim/time_slices.h"
#include "trace/reader.h"

namespace mmusim::sim {

// What decides how a machine sees a trace: two of the same route see the same batches.
struct TraceRoute {
  // `arch` is the machine's name as trace headers give it, `huge` the size of its huge pages.
  // Errors: those of the reader; Error for pages larger than the machine's.
  static TraceRoute of(const config::Config& config, const char* arch,
                       const mmu::AddressLayout& layout, std::optional<PageShift> huge);

  std::string trace;
  bool accept_torn = false;
  uint64_t limit = 0;   // of run.limit
  uint64_t warmup = 0;  // of run.warmup and run.interval: where they are looked at
  uint64_t interval = 0;
  uint64_t quantum = 0;  // 0: turns as recorded
  StreamChoice stream = StreamChoice::Auto;
  std::optional<RelocationSides> moved;
  // Of a machine whose addresses end before the recording's: where both do, and its name.
  struct Narrow {
    VirtAddr source_top;
    VirtAddr top;
    std::string arch;
    bool operator==(const Narrow&) const = default;
  };
  std::optional<Narrow> narrow;
  bool operator==(const TraceRoute&) const = default;
};

class TraceSource {
 public:
  // Errors: UsageError when run.trace is empty.
  static void require_named(const config::Config& config);

  explicit TraceSource(const TraceRoute& route);
  TraceSource(const TraceSource&) = delete;
  TraceSource& operator=(const TraceSource&) = delete;

  bool next(trace::Batch& batch) {
    return slices_ == nullptr ? recorded(batch) : slices_->next(batch);
  }
  [[nodiscard]] const trace::Reader& reader() const { return reader_; }
  [[nodiscard]] trace::Reader& reader() { return reader_; }
  // Where a process's address of the recording lies on the machine; one that lies nowhere yet is
  // placed as a reference of `kind` would place it.
  [[nodiscard]] VirtAddr placed(Pid pid, VirtAddr va, AccessKind kind) {
    return relocator_ == nullptr ? va : relocator_->translate(pid, va, kind);
  }
  void report(stats::Report& report) const;
  // The trace, for the result of who has read it. REQUIRES: it has read what it wants.
  void identify(Replayed& replayed) const;

 private:
  // In the order of the recording.
  bool recorded(trace::Batch& batch) {
    if (relocator_ == nullptr) [[likely]]
      return reader_.next(batch);
    return next_relocated(batch);
  }
  bool next_relocated(trace::Batch& batch);

  trace::Reader reader_;
  std::unique_ptr<Relocator> relocator_;  // null: addresses as recorded
  std::unique_ptr<TimeSlices> slices_;    // null: turns as recorded
  std::vector<trace::Event> events_;      // made of one recorded event; from next_event_ on to do
  size_t next_event_ = 0;
  trace::ThreadId thread_;  // whose they are
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_RELOCATION_TRACE_SOURCE_H_
