// Some batches of a trace in a row, kept for several machines to take one after the other.
//
// A batch of a reader's lives until the next one; these are copied, but for their tables of static
// blocks, which stay as long as batches go on from one another (trace::Batch::goes_on). With each
// is what a Sieve keeps of it. Not thread-safe.
#ifndef MMUSIM_SIM_STRETCH_H_
#define MMUSIM_SIM_STRETCH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/looks.h"
#include "sim/relocation/trace_source.h"
#include "sim/run_limit.h"
#include "sim/sieve.h"
#include "trace/record.h"

namespace mmusim::sim {

class Stretch {
 public:
  struct Part {
    trace::Batch batch;
    std::span<const Kept> kept = {};  // of a run of blocks, where sifted
  };

  // At most so many batches at a time. REQUIRES: most > 0.
  Stretch(size_t most, bool whole) : slots_(most), whole_(whole) {}

  // The next ones, up to the limit, which is told of them, or to where counters are looked at;
  // `before` is the instructions so far. False at the end of the trace. They live until the next
  // call. Errors: the source's.
  bool next(TraceSource& source, RunLimit& limit, const Looks& looks, uint64_t before);

  [[nodiscard]] std::span<const Part> parts() const { return parts_; }
  // Of all of them, events included.
  [[nodiscard]] const trace::Totals& totals() const { return totals_; }

 private:
  struct Slot {
    std::vector<uint32_t> blocks;
    std::vector<uint64_t> addresses;
    Sieve sieve;
  };
  static void keep(Slot& slot, trace::Batch& batch);

  std::vector<Slot> slots_;
  bool whole_;  // nobody wants them sifted
  std::vector<Part> parts_;
  trace::Totals totals_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_STRETCH_H_
