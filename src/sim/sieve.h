// What of a batch can matter to a first-level TLB: the references that are not to the page the same
// side referenced just before.
//
// Who has done a reference, found its translation in the first level at once, and done nothing
// since that could take it away or come between, need not do the next one to the same page: it
// would note the time of a use again, of the entry that was used last anyhow. So of several
// machines each is shown only what is kept here, and goes back to the whole batch where the above
// does not hold for it (replay_loop.h). Kept are
//   - the first reference of a side to a page, and the first load and the first store of those to
//     one page in a row, since rights and dirty bits differ;
//   - accesses that cross into another 4 KiB page, and blocks whose last instruction does. Behind
//     them nothing is taken to be known.
// Nothing is known at a batch's begin. The page is one of 4 KiB whatever the machines' are: within
// larger ones more is kept than need be. Machines whose first level serves both sides cannot use
// it: there, the other side comes between.
//
// Plain data and no state from batch to batch; not thread-safe.
#ifndef MMUSIM_SIM_SIEVE_H_
#define MMUSIM_SIM_SIEVE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"
#include "trace/record.h"

namespace mmusim::sim {

// Of one side's page: which kinds of access have been made to it since the last to another.
enum Seen : uint8_t { kSeenNothing = 0, kSeenLoad = 1, kSeenStore = 2, kSeenBoth = 3 };
constexpr Seen seen_by(AccessKind kind) {
  return kind == AccessKind::Load ? kSeenLoad : kSeenStore;
}

struct Kept {
  enum class What : uint8_t { Fetch, WholeBlock, Load, Store };
  [[nodiscard]] bool is_data() const { return what >= What::Load; }

  VirtAddr va;
  uint32_t block = 0;  // index into the batch's blocks
  uint32_t first = 0;  // of the block's data addresses, among the batch's
  uint8_t op = 0;      // Load, Store: which of the block's
  What what = What::Fetch;
  bool crosses = false;      // into another 4 KiB page
  Seen data = kSeenNothing;  // of the data side's page, behind this reference
};

class Sieve {
 public:
  // What is kept of a run of blocks, in order. It lives until the next call. REQUIRES: batch.event
  // is null.
  std::span<const Kept> sift(const trace::Batch& batch);

 private:
  std::vector<Kept> kept_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_SIEVE_H_
