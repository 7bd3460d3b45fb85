// One pass of some machines over a trace, from its begin to its end or to run.limit.
//
// Where the whole of a trace is replayed as it was recorded, a chunk is gone through once for those
// who need all of its references, and once for each kind of page stream that is enough for others.
// Not thread-safe.
#ifndef MMUSIM_SIM_TRACE_PASS_H_
#define MMUSIM_SIM_TRACE_PASS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "sim/looks.h"
#include "sim/machine_runs.h"
#include "sim/page_pass.h"
#include "sim/relocation/trace_source.h"
#include "sim/replay_result.h"
#include "sim/stretch.h"
#include "trace/reader.h"

namespace mmusim::sim {

class TracePass {
 public:
  // All must outlive it.
  TracePass(MachineRuns& runs, TraceSource& source, const TraceRoute& route,
            const ReplayOptions& options);

  // `look` is called where counters are looked at. What goes wrong with one machine ends it.
  // Errors: those of the source; Error when interrupted; what options.progress throws.
  void run(Looks& looks, const std::function<void()>& look);

  // Of what was replayed.
  [[nodiscard]] const trace::Totals& totals() const { return totals_; }
  // Whether run.limit ended it.
  [[nodiscard]] bool stopped() const { return stopped_; }
  // What a machine was given, and how often it went back to the columns. REQUIRES: it has not
  // ended.
  [[nodiscard]] StreamUse streams_of(size_t i) const { return {chunks_[i], runs_[i]->waits()}; }

 private:
  static constexpr size_t kTogether = 16;       // batches of blocks
  static constexpr size_t kPagesTogether = 64;  // ... of page streams
  static constexpr size_t kKinds = 3;           // of References

  bool may_give_pages();
  void as_they_come(Looks& looks, const std::function<void()>& look);
  void by_chunks();
  [[nodiscard]] trace::References chosen(const PagePass& pages, size_t i) const;
  void chunk_of_columns(const std::vector<size_t>& group, bool counted);
  void chunk_of_pages(const std::vector<size_t>& group, trace::References which, PagePass& pages,
                      bool counted);
  template <class Take>
  void chunk(Stretch& stretch, bool counted, Take take);
  void between_stretches() const;

  void choose_sifted(const std::vector<size_t>& group, Stretch& stretch);
  void take(const std::vector<size_t>& group, const Stretch& stretch);

  MachineRuns& runs_;
  TraceSource& source_;
  const TraceRoute& route_;
  const ReplayOptions& options_;
  std::vector<size_t> all_;                           // the numbers of all machines
  std::vector<std::array<uint64_t, kKinds>> chunks_;  // by machine, what it was given
  std::vector<trace::References> sifted_;  // by machine, what of batches of blocks it is given
  trace::Totals totals_;
  bool stopped_ = false;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_TRACE_PASS_H_
