// How machines see the trace of a pass: all that see it at the same addresses have one view.
#ifndef MMUSIM_SIM_TRACE_VIEW_H_
#define MMUSIM_SIM_TRACE_VIEW_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/types.h"
#include "sim/machine_runs.h"
#include "sim/relocation/relocator.h"
#include "sim/stretch.h"
#include "sim/stretch_view.h"

namespace mmusim::sim {

struct TraceView {
  std::unique_ptr<Relocator> relocator;  // null: as the source has it
  PageShift page{0};                     // of the relocation's target
  uint64_t events = 0;                   // there
  StretchView blocks;
  StretchView pages;

  // `here`, one of these, goes on to the next stretch, as StretchView has it, and its events count.
  void enter(StretchView& here, const Stretch& stretch, bool sets) {
    here.enter(stretch, relocator.get(), sets);
    events += here.events().size();
  }
};

class TraceViews {
 public:
  // Of machines `runs`, which must outlive it; each is to be given its view.
  explicit TraceViews(MachineRuns& runs) : runs_(runs) {}
  // The next machine's is number `view`.
  void add(size_t view) {
    if (view == views_.size()) views_.emplace_back();
    view_of_.push_back(view);
  }

  [[nodiscard]] std::vector<TraceView>& all() { return views_; }
  [[nodiscard]] const TraceView& of(size_t machine) const { return views_[view_of_[machine]]; }
  [[nodiscard]] TraceView& of(size_t machine) { return views_[view_of_[machine]]; }
  // Whether any of these has not ended and has the view.
  [[nodiscard]] bool has_any(std::span<const size_t> group, const TraceView& view) const {
    return std::any_of(group.begin(), group.end(),
                       [&](size_t i) { return runs_[i] != nullptr && &of(i) == &view; });
  }
  // `work` moves something for machines of a view: what cannot be moved is the end of these.
  template <class Work>
  void attempt(std::span<const size_t> group, const TraceView& view, Work work) {
    try {
      work();
    } catch (const Error& error) {
      if (is_interruption(error)) throw;
      for (const size_t i : group)
        if (runs_[i] != nullptr && &of(i) == &view) runs_.attempt(i, [] { throw; });
    }
  }

 private:
  MachineRuns& runs_;
  std::vector<TraceView> views_;
  std::vector<size_t> view_of_;  // by machine, its number
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_TRACE_VIEW_H_
