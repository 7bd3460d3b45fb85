// Some batches of a trace in a row, kept for several machines to take one after the other.
//
// A batch of a reader's lives until the next one; these are copied, but for their tables of static
// blocks, which stay as long as batches go on from one another (trace::Batch::goes_on). With each
// can be what is kept of it: what is to be Sifted of a batch of blocks, or, of a page stream's,
// what that has, which then is in place of it. All of them are of one run of blocks, or one event.
//
// Not thread-safe.
#ifndef MMUSIM_SIM_STRETCH_H_
#define MMUSIM_SIM_STRETCH_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "sim/looks.h"
#include "sim/ref_numberer.h"
#include "sim/run_limit.h"
#include "sim/sifted.h"
#include "trace/page_stream.h"
#include "trace/record.h"

namespace mmusim::sim {

class Stretch {
 public:
  struct Part {
    trace::Batch batch;
    const Sifted* sifted = nullptr;  // what is kept of it, where that is wanted
  };

  // How long one is at most: in batches, and, but for the last of these, in references that a
  // machine is given of them.
  struct Most {
    size_t batches = 1;
    size_t references = ~size_t{0};
  };

  // Batches come from elsewhere from now on, of which nothing is to be sifted yet. REQUIRES: most
  // is not 0.
  void enter(Most most) {
    most_ = most;
    wanted_ = {.any = false, .sets = false};
    sifter_.forget();
    numberer_.begin();
  }
  // From a run of blocks' begin on: what is sifted of batches of blocks; or, of page streams for
  // any first level, that what they have is to be numbered.
  void want_sifted(Sifter::Wanted wanted) {
    wanted_ = wanted;
    sifter_.want(wanted);
  }

  // The next ones of those next(trace::Batch&, most instructions) gives, as long as it is true, up
  // to the limit, which is told of them, or to where counters are looked at; `before` is the
  // instructions so far. False where there are no more. They live until the next call. REQUIRES:
  // the limit is not reached. Errors: next()'s.
  template <class Next>
  bool next(Next next, RunLimit& limit, const Looks& looks, uint64_t before) {
    begin();
    while (parts_.size() < most_.batches && references_ < most_.references) {
      trace::Batch batch;
      const uint64_t most = std::min(limit.left(), looks.left(before + totals_.instructions));
      if (!next(batch, most)) break;
      const bool goes_on = batch.goes_on;
      add(batch);
      limit.add(batch.totals.instructions, batch.event != nullptr ? 1 : 0);
      if (!goes_on || limit.reached() || looks.due(before + totals_.instructions)) break;
    }
    return !parts_.empty();
  }

  [[nodiscard]] std::span<const Part> parts() const { return parts_; }
  // Whether the next will begin within a run of blocks.
  [[nodiscard]] bool goes_on() const { return parts_.back().batch.goes_on; }
  // What numbers of what is kept stand for, where it was recorded.
  [[nodiscard]] const RefNumberer& numbers() const { return numberer_; }
  // Whether any is.
  [[nodiscard]] bool is_sifted() const { return parts_.front().sifted != nullptr; }
  // Of all of them, events included.
  [[nodiscard]] const trace::Totals& totals() const { return totals_; }

 private:
  struct Slot {
    std::vector<uint32_t> blocks;
    std::vector<uint64_t> addresses;
    std::vector<trace::PageRef> pages;
    trace::KnownPages known;
    Sifted sifted;
  };
  void begin();
  void add(trace::Batch& batch);
  void sift(const trace::Batch& batch, Sifted& out);
  void number(const trace::Batch& batch, Sifted& out);
  [[nodiscard]] size_t references_of(const Part& part) const;
  static void keep(Slot& slot, trace::Batch& batch);

  Most most_;
  std::deque<Slot> slots_;  // as many as there were parts at a time
  Sifter::Wanted wanted_{.any = false, .sets = false};
  Sifter sifter_;
  RefNumberer numberer_;
  SegmentMaker segments_;
  std::vector<Part> parts_;
  trace::Totals totals_;
  size_t references_ = 0;  // that a machine is given
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_STRETCH_H_
