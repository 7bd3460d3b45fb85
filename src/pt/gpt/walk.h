// A lookup taken one entry at a time, which changes to the table may overtake: what a miss handler
// without a lock does while another processor restructures the table.
//
// A table or line that is rebuilt has Moved in every slot from then on, an array no page in any,
// and neither is freed before the walk has ended; so the walk, meeting Moved, or no page and
// another entry than before where it came to the array, starts again at the root. A line, which is
// one cache line, is read in one step: entries of it may change place. One that held nothing any
// more and is dropped stays as it is, empty. An entry changed in place leads either to where it led
// or to where it leads. Tables given to a Gather are under the kernel's rule instead: its flush
// waits for the other processors. Not thread-safe: steps and changes take turns.
#ifndef MMUSIM_PT_GPT_WALK_H_
#define MMUSIM_PT_GPT_WALK_H_

#include "pt/gpt/gpt.h"

namespace mmusim::pt::gpt {

class SteppingWalk {
 public:
  // `table` must outlive the walk. REQUIRES: va is in the table's address space.
  SteppingWalk(Gpt& table, VirtAddr va);
  ~SteppingWalk();
  SteppingWalk(const SteppingWalk&) = delete;
  SteppingWalk& operator=(const SteppingWalk&) = delete;

  // Reads the next entry, as a miss handler. False: the walk is complete.
  bool step();
  // REQUIRES: step() said false.
  [[nodiscard]] Lookup result() const;
  [[nodiscard]] unsigned restarts() const { return restarts_; }

 private:
  void begin();
  bool again();
  void report(PhysAddr address, unsigned bytes) const;

  Gpt& gpt_;
  VirtAddr va_;
  Found before_;  // the entry that led to the next load ...
  Load load_;     // ... which is this ...
  Found found_;   // ... and where it leads
  unsigned restarts_ = 0;
};

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_WALK_H_
