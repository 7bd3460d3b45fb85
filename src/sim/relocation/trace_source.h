// A trace as the simulated machine is to see it: the reader, and between it and the replay loop,
// where source and target differ, a relocation, and where turns are to be shorter, time slices.
//
// Without one next() is the reader's, batch for batch. Errors: those of the reader; of next() those
// of the relocation, too, at the first place that does not fit; and, where the machine's address
// space is smaller than the recording's and addresses stay as recorded, Error of a batch that goes
// where the machine's programs have none.
#ifndef MMUSIM_SIM_RELOCATION_TRACE_SOURCE_H_
#define MMUSIM_SIM_RELOCATION_TRACE_SOURCE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
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
  // Where addresses stay as recorded, of a machine whose addresses end before the recording's:
  // where both do, and its name.
  struct Narrow {
    VirtAddr source_top;
    VirtAddr top;
    std::string arch;
    bool operator==(const Narrow&) const = default;
  };
  std::optional<Narrow> narrow;
  bool operator==(const TraceRoute&) const = default;

  // The same trace where it was recorded.
  [[nodiscard]] TraceRoute as_recorded() const {
    TraceRoute route = *this;
    route.moved.reset();
    return route;
  }
};

// Hears the events of a recording, as recorded, before what they become for the machine.
class RecordedEvents {
 public:
  virtual ~RecordedEvents() = default;
  virtual void recorded(trace::ThreadId thread, const trace::Event& event) = 0;
};

class TraceSource {
 public:
  // Errors: UsageError when run.trace is empty.
  static void require_named(const config::Config& config);

  // `read_ahead`, `keeps_tables`: as trace::ReaderOptions.
  explicit TraceSource(const TraceRoute& route, bool read_ahead = false, bool keeps_tables = false);
  TraceSource(const TraceSource&) = delete;
  TraceSource& operator=(const TraceSource&) = delete;

  bool next(trace::Batch& batch) {
    if (slices_ == nullptr) return recorded(batch);
    if (!slices_->next(batch)) return false;
    if (batch.event != nullptr) tell_kept();
    return true;
  }
  // Chunk by chunk, as of the reader and in place of next(), of which this takes no time slices.
  bool next_chunk() { return reader_.next_chunk(); }
  void begin(trace::References which) { reader_.begin(which); }
  bool next_of_chunk(trace::Batch& batch) {
    return next_at_its_place(batch, &trace::Reader::next_of_chunk);
  }
  // Of a chunk whose page streams are being read: the columns beside them, as recorded. REQUIRES:
  // as Reader::next_columns().
  bool next_columns(trace::Batch& batch) { return reader_.next_columns(batch); }
  // Null, as at first: nobody. Must outlive its use.
  void tell(RecordedEvents* listener) { listener_ = listener; }
  // Whether addresses are not the recording's; what the recording had where a process has an
  // address of the machine; nothing where it had nothing, or that is over.
  [[nodiscard]] bool moves() const { return relocator_ != nullptr; }
  [[nodiscard]] std::optional<VirtAddr> recorded_at(Pid pid, VirtAddr va) const {
    return relocator_ == nullptr ? va : relocator_->recorded_at(pid, va);
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
  bool recorded(trace::Batch& batch) { return next_at_its_place(batch, &trace::Reader::next); }
  using NextOfReader = bool (trace::Reader::*)(trace::Batch&);
  bool next_at_its_place(trace::Batch& batch, NextOfReader step) {
    if (relocator_ == nullptr) [[likely]] {
      if (!(reader_.*step)(batch)) return false;
      if (batch.event != nullptr)
        hear(batch);
      else if (narrow_) [[unlikely]]
        require_reach(batch);
      return true;
    }
    return next_relocated(batch, step);
  }
  void hear(const trace::Batch& batch) {
    if (listener_ != nullptr) [[unlikely]]
      hear_it(batch);
  }
  void require_reach(const trace::Batch& batch) const;
  void hear_it(const trace::Batch& batch);
  void tell_kept();
  bool next_relocated(trace::Batch& batch, NextOfReader step);

  trace::Reader reader_;
  std::optional<TraceRoute::Narrow> narrow_;
  std::unique_ptr<Relocator> relocator_;  // of the route; null: addresses as recorded
  std::unique_ptr<TimeSlices> slices_;    // null: turns as recorded
  std::vector<trace::Event> events_;      // made of one recorded event; from next_event_ on to do
  size_t next_event_ = 0;
  trace::ThreadId thread_;  // whose they are
  RecordedEvents* listener_ = nullptr;
  // Heard, but behind what is still to be given out (time slices read ahead).
  std::vector<std::pair<trace::ThreadId, trace::Event>> kept_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_RELOCATION_TRACE_SOURCE_H_
