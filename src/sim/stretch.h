// Some batches of a trace in a row, kept for several machines to take one after the other, or side
// by side.
//
// A batch of a reader's lives until the next one; these are copied, but for their tables of static
// blocks, which stay as long as batches go on from one another (trace::Batch::goes_on). With each
// can be what is kept of it: what is to be Sifted of a batch of blocks, or, of a page stream's,
// what that has, which then is in place of it. All of them are of one run of blocks, or one event.
//
// Not thread-safe; but one that is made is only read, and may be by several threads, while its
// maker makes others.
#ifndef MMUSIM_SIM_STRETCH_H_
#define MMUSIM_SIM_STRETCH_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sim/looks.h"
#include "sim/ref_numberer.h"
#include "sim/run_limit.h"
#include "sim/sifted.h"
#include "trace/page_stream.h"
#include "trace/record.h"

namespace mmusim::sim {

// Memory for what is kept of batches: of one stretch, or of some that are made and forgotten
// together.
class BatchSlots {
 public:
  // Nothing of what they have is in use any more.
  void clear() { used_ = 0; }

 private:
  friend class StretchMaker;
  struct Slot {
    std::vector<uint32_t> blocks;
    std::vector<uint64_t> addresses;
    std::optional<trace::Event> event;
    std::vector<trace::PageRef> pages;
    trace::KnownPages known;
    Sifted sifted;
  };
  Slot& take() {
    if (used_ == slots_.size()) slots_.emplace_back();
    return slots_[used_++];
  }
  std::deque<Slot> slots_;
  size_t used_ = 0;
};

class Stretch {
 public:
  struct Part {
    trace::Batch batch;
    const Sifted* sifted = nullptr;  // what is kept of it, where that is wanted
  };

  [[nodiscard]] std::span<const Part> parts() const { return parts_; }
  // Whether the next will begin within a run of blocks.
  [[nodiscard]] bool goes_on() const { return parts_.back().batch.goes_on; }
  // What numbers of what is kept stand for, where it was recorded.
  [[nodiscard]] const RefTable& numbers() const { return numbers_; }
  // Whether any is; and what of batches of blocks.
  [[nodiscard]] bool is_sifted() const { return parts_.front().sifted != nullptr; }
  [[nodiscard]] Sifter::Wanted sifted() const { return sifted_; }
  // Of all of them, events included.
  [[nodiscard]] const trace::Totals& totals() const { return totals_; }
  // How many references a machine is given of them.
  [[nodiscard]] size_t references() const { return references_; }

 private:
  friend class StretchMaker;
  std::vector<Part> parts_;
  Sifter::Wanted sifted_{.any = false, .sets = false};
  RefTable numbers_;
  std::shared_ptr<const void> numbered_;  // has what numbers_ has
  trace::Totals totals_;
  size_t references_ = 0;
};

// Makes one after the other.
class StretchMaker {
 public:
  // How long one is at most: in batches, and, but for the last of these, in references that a
  // machine is given of them. `kept`: it is to outlive what is asked of the batches' source behind
  // it, but for their tables.
  struct Most {
    size_t batches = 1;
    size_t references = ~size_t{0};
    bool kept = false;
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
  // to the limit, or to where counters are looked at; `before` is the instructions so far. False
  // where there are no more. What `out` had goes; what it has lies in `slots`. REQUIRES: the limit
  // is not reached. Errors: next()'s.
  template <class Next>
  bool make(Stretch& out, BatchSlots& slots, Next next, RunLimit limit, const Looks& looks,
            uint64_t before) {
    begin(out);
    while (out.parts_.size() < most_.batches && out.references_ < most_.references) {
      trace::Batch batch;
      const uint64_t most = std::min(limit.left(), looks.left(before + out.totals_.instructions));
      if (!next(batch, most)) break;
      const bool goes_on = batch.goes_on;
      add(batch, slots.take(), out);
      limit.add(batch.totals.instructions, batch.event != nullptr ? 1 : 0);
      if (!goes_on || limit.reached() || looks.due(before + out.totals_.instructions)) break;
    }
    out.numbers_ = numberer_.table(out.numbered_);
    return !out.parts_.empty();
  }

 private:
  void begin(Stretch& out);
  void add(trace::Batch& batch, BatchSlots::Slot& slot, Stretch& out);
  static void keep(trace::Batch& batch, BatchSlots::Slot& slot);
  void sift(const trace::Batch& batch, Sifted& out);
  void number(const trace::Batch& batch, Sifted& out);
  [[nodiscard]] size_t references_of(const Stretch::Part& part) const;

  Most most_;
  Sifter::Wanted wanted_{.any = false, .sets = false};
  Sifter sifter_;
  RefNumberer numberer_;
  SegmentMaker segments_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_STRETCH_H_
