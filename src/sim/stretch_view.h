// What is kept of a stretch, and its events, as those machines see them that see the trace at the
// same addresses.
//
// Where a relocation moves them, pages stay apart and whole, but have other numbers, so that what
// is kept for sets is told again, there. Not thread-safe.
#ifndef MMUSIM_SIM_STRETCH_VIEW_H_
#define MMUSIM_SIM_STRETCH_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sim/machine_run.h"
#include "sim/relocation/relocator.h"
#include "sim/sifted.h"
#include "sim/stretch.h"
#include "trace/page_stream.h"
#include "trace/record.h"

namespace mmusim::sim {

class StretchView {
 public:
  // Of the next stretch, which must outlive its use; `relocator` null: as it was recorded. `sets`:
  // what is kept for these is asked for, too. Errors: the relocator's.
  void enter(const Stretch& stretch, Relocator* relocator, bool sets);

  // None where it is no event.
  [[nodiscard]] std::span<const trace::Event> events() const;
  void give_events(MachineRun& run) const;
  // What is kept of a part; nothing where it was not asked for.
  [[nodiscard]] std::optional<KeptRefs> kept(size_t part, bool sets);

 private:
  // What is kept of a part, and is not the stretch's, which others may have, too, in other threads.
  struct Own {
    trace::KnownPages known;
    KeptRow by_sets;  // where it is moved
    trace::KnownPages known_by_sets;
  };
  void move(const Sifted& recorded, bool sets, Own& out);

  const Stretch* stretch_ = nullptr;
  bool moves_ = false;
  std::vector<trace::Event> events_;
  std::vector<trace::PageRef> table_;  // by number
  RefTable of_;                        // whose numbers these are
  std::vector<Own> own_;               // by part
  // Of the run of blocks, up to the stretch's end.
  trace::PageSieve sieve_;
  uint64_t kept_for_sets_ = 0;
  SegmentMaker segments_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_STRETCH_VIEW_H_
