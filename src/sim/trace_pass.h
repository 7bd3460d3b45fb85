// One pass of some machines over a trace, from its begin to its end or to run.limit.
//
// Where a trace is replayed as it was recorded, a chunk is gone through once for those who need all
// of its references, and once for each kind of page stream that is enough for others. One in the
// midst of which counters are looked at, or the replay ends, is for all of them replayed from the
// columns: a page stream does not say where in it an instruction is, and to find that is to read
// the columns. Not thread-safe.
#ifndef MMUSIM_SIM_TRACE_PASS_H_
#define MMUSIM_SIM_TRACE_PASS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
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
#include "trace/reader.h"

namespace mmusim::sim {

class TracePass {
 public:
  // All must outlive it.
  TracePass(MachineRuns& runs, TraceSource& source, const TraceRoute& route,
            const ReplayOptions& options);

  // Called where counters are looked at, for machines of these numbers; `looks` and totals() are at
  // that place then, and may go back behind it, to where others go on from.
  using Look = std::function<void(std::span<const size_t>)>;
  // What goes wrong with one machine ends it. Errors: those of the source; Error when interrupted;
  // what options.progress throws.
  void run(Looks& looks, const Look& look);

  // Of what was replayed.
  [[nodiscard]] const trace::Totals& totals() const { return totals_; }
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
  static constexpr size_t kTogether = 16;        // batches of blocks
  static constexpr size_t kPagesTogether = 256;  // ... of page streams
  static constexpr size_t kKinds = 3;            // of References

  // Up to where, and who looks on the way.
  struct Way {
    Looks& looks;
    const Look& look;
    RunLimit limit;
  };
  using Group = std::vector<size_t>;  // numbers of machines

  bool may_give_pages();
  void by_chunks(Way& way);
  // What it needs of a chunk that is not cut.
  [[nodiscard]] trace::References needed_by(size_t i) const;
  [[nodiscard]] trace::References chosen(PagePass& pages, size_t i, bool cut);
  [[nodiscard]] bool is_cut(const Way& way) const;
  void batches(const Group& group, const BatchCut::Source& source, Way& way);
  void chunk_of_pages(const Group& group, trace::References which, PagePass& pages, Way& way);
  // What is to be done behind a stretch.
  void passed(const Group& group, const Stretch& stretch, Way& way);

  void choose_sifted(const Group& group, Stretch& stretch);
  void take(const Group& group, const Stretch& stretch);

  MachineRuns& runs_;
  TraceSource& source_;
  const TraceRoute& route_;
  const ReplayOptions& options_;
  std::vector<size_t> all_;                // the numbers of all machines
  std::vector<StreamUse> uses_;            // by machine, what it was given
  std::vector<trace::References> sifted_;  // by machine, what of batches of blocks it is given
  trace::Totals totals_;
  bool stopped_ = false;
  bool told_ = true;  // options.progress is, of this way through a chunk
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_TRACE_PASS_H_
