// One pass of some machines over a trace, from its begin to its end or to run.limit.
//
// They may see it at different addresses. Batches of blocks are sifted once for all, where they
// were recorded, and what is kept is moved for those of each relocation; who needs more than that
// of a batch has all of it moved then. Where run.limit counts the events that moving adds, or time
// slices divide what was moved, the source moves it, to where all machines have it.
//
// Each chunk is gone through once for those who need all of its references, and once for each kind
// of page stream that is enough for some; but where what any first level needs is sifted of the
// columns anyway, those who can do with that have it from there. One in the midst of which counters
// are looked at, or the replay ends, is for all of them replayed from the columns: a page stream
// does not say where in it an instruction is, and to find that is to read the columns.
//
// Passes of several threads over the same trace may have its columns decoded and sifted once for
// all of them (stretch_feed.h): those of chunks that are not cut. Not thread-safe.
#ifndef MMUSIM_SIM_TRACE_PASS_H_
#define MMUSIM_SIM_TRACE_PASS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "sim/batch_cut.h"
#include "sim/looks.h"
#include "sim/machine_runs.h"
#include "sim/page_pass.h"
#include "sim/relocation/trace_source.h"
#include "sim/replay_result.h"
#include "sim/run_limit.h"
#include "sim/stretch.h"
#include "sim/trace_view.h"
#include "trace/reader.h"

namespace mmusim::sim {

class TracePass {
 public:
  // Whether machines that see a trace so can share a pass.
  [[nodiscard]] static bool can_share(const TraceRoute& a, const TraceRoute& b);
  // The route of the source of machines that see a trace so, which can share a pass.
  [[nodiscard]] static TraceRoute source_of(const TraceRoute& route) {
    return moves_late(route) ? route.as_recorded() : route;
  }
  // Whether such a source is gone through chunk by chunk, so that passes can share its columns.
  [[nodiscard]] static bool goes_by_chunks(const TraceRoute& source) {
    return source.quantum == 0 && !source.moved;
  }
  // `runs` and `options` must outlive it. REQUIRES: as many routes as machines, which can share a
  // pass. Errors: as TraceSource.
  TracePass(MachineRuns& runs, std::span<const TraceRoute> routes, const ReplayOptions& options);

  // Called where counters are looked at, for machines of these numbers; `looks` and totals() are at
  // that place then, and may go back behind it, to where others go on from.
  using Look = std::function<void(std::span<const size_t>)>;
  // What goes wrong with one machine ends it. Errors: those of the source; Error when interrupted;
  // what options.progress throws.
  void run(Looks& looks, const Look& look);

  [[nodiscard]] TraceSource& source() { return source_; }
  // Of what a machine has replayed.
  [[nodiscard]] trace::Totals totals(size_t i) const;
  void report_relocation(size_t i, stats::Report& report) const;
  // Whether run.limit ended it.
  [[nodiscard]] bool stopped() const { return stopped_; }
  // What a machine was given, and how often it went back to the columns. REQUIRES: it has not
  // ended.
  [[nodiscard]] StreamUse streams_of(size_t i) const {
    StreamUse use = uses_[i];
    use.fallbacks = runs_[i]->waits();
    return use;
  }

 private:
  // As long as pays: what machines are made of is in the host's caches meanwhile. Of batches of
  // blocks all is kept for those machines that need it.
  static constexpr StretchMaker::Most kTogether{.batches = 256, .references = size_t{1} << 18};
  static constexpr StretchMaker::Most kPagesTogether{.batches = 256};

  // Up to where, and who looks on the way.
  struct Way {
    Looks& looks;
    const Look& look;
    RunLimit limit;
  };
  using Group = std::vector<size_t>;  // numbers of machines
  class Marks;
  // One way through a chunk: all of it, or its page streams.
  struct Leg {
    trace::References which;
    Group machines;
  };

  // A machine that is given what is kept of a chunk's batches of blocks in place of its page
  // stream.
  struct Joined {
    void took(const trace::Batch& batch, const MachineRun& run) {
      blocks += batch.blocks.size();
      if (run.would_have_waited()) read = blocks;
    }
    bool is = false;
    uint64_t blocks = 0;  // of the chunk, so far
    uint64_t read = 0;    // so many of them with a page stream
  };

  static bool moves_late(const TraceRoute& route);

  void require_pages(bool whole_chunks);
  void by_chunks(Way& way);
  // What it needs of a chunk that is not cut.
  [[nodiscard]] trace::References needed_by(size_t i) const;
  [[nodiscard]] trace::References chosen(PagePass& pages, size_t i, bool cut);
  [[nodiscard]] bool is_cut(const Way& way) const;
  void batches(const Group& group, const BatchCut::Source& source, Way& way);
  template <class Next>
  void stretches(const Group& group, Next next, Way& way);
  void come(const std::vector<Leg>& legs, bool cut);
  std::vector<Leg> legs_of_chunk(PagePass& pages, bool cut);
  void join(std::vector<Leg>& legs);
  void chunk_of_pages(const Leg& leg, PagePass& pages, Way& way);
  // What is to be done behind a stretch.
  void passed(const Group& group, const Stretch& stretch, Way& way);

  [[nodiscard]] Sifting sifting_of(const Group& group) const;
  void choose_sifted(const Group& group, const Stretch& stretch);
  void take(const Group& group, const Stretch& stretch);
  void take(const Group& group, TraceView& view, const Stretch& stretch);
  void take_whole(const Group& whole, const TraceView& view, const Stretch& stretch);

  MachineRuns& runs_;
  TraceRoute route_;  // of all, but for where it is moved, unless the source moves it
  const ReplayOptions& options_;
  TraceSource source_;
  StretchMaker maker_;
  Stretch stretch_;
  BatchSlots slots_;  // of it
  TraceViews views_;
  std::vector<size_t> all_;                // the numbers of all machines
  std::vector<StreamUse> uses_;            // by machine, what it was given
  std::vector<trace::References> sifted_;  // by machine, what of batches of blocks it is given
  std::vector<Joined> joined_;             // by machine
  trace::Totals totals_;
  uint64_t chunk_ = 0;  // that it is at, counted from 0
  bool stopped_ = false;
  bool told_ = true;  // options.progress is, of this way through a chunk
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_TRACE_PASS_H_
