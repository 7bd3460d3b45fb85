// Where a script's addresses are on a simulated machine.
//
// Scripts count their places from kBase and their heap from kBase + kHeap, which suits x86-64.
// Where a machine's user space has no room there, or a hole, both move to its largest part without
// one: segments to the first multiple of a large power of two, the heap to five eighths of it. What
// then lies behind the end of the part is out of reach, as a segment longer than user space is on
// any kernel. Where the machine has a huge region, segments of the hugetlb pool of its size are at
// the same places in that, from the step that maps or moves them on.
#ifndef MMUSIM_SIM_WORKLOAD_PLACEMENT_H_
#define MMUSIM_SIM_WORKLOAD_PLACEMENT_H_

#include <vector>

#include "base/types.h"
#include "mmu/layout.h"
#include "sim/workload/plan.h"

namespace mmusim::sim::workload {

class Placement {
 public:
  explicit Placement(const mmu::AddressLayout& layout);

  // The step, which comes next, with the machine's addresses.
  [[nodiscard]] Step placed(const Step& step);
  // The machine's address for a place of the script.
  [[nodiscard]] VirtAddr at(VirtAddr place) const {
    return placed(VirtAddr(kBase) + place.value());
  }
  [[nodiscard]] VirtAddr heap() const { return heap_; }

 private:
  [[nodiscard]] VirtAddr placed(VirtAddr va) const;
  [[nodiscard]] VirtRange placed(const VirtRange& range) const;

  void note_huge(const Step& step);
  [[nodiscard]] bool is_huge(VirtAddr va) const;

  mmu::HugeRegion region_;
  std::vector<VirtRange> huge_;  // of the script, that are in the region
  VirtAddr segments_{kBase};
  VirtAddr heap_{kBase + kHeap};
};

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_PLACEMENT_H_
