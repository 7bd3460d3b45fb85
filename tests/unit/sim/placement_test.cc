// Where scripts go on machines of other user spaces.
#include "sim/workload/placement.h"

#include <gtest/gtest.h>

#include "mmu/layout.h"

namespace mmusim::sim::workload {
namespace placement_test {

constexpr uint64_t kG = uint64_t{1} << 30;

mmu::AddressLayout user_space(uint64_t top) {
  mmu::AddressLayout layout;
  layout.top = VirtAddr(top);
  return layout;
}
Step touch(uint64_t place, uint64_t bytes) {
  Step step;
  step.range = {VirtAddr(kBase + place), VirtAddr(kBase + place + bytes)};
  return step;
}

TEST(Placement, StaysWhereThereIsRoom) {
  Placement placement(user_space(0x7ffffffff000));
  EXPECT_EQ(placement.placed(touch(4096, 8192)).range, touch(4096, 8192).range);
  EXPECT_EQ(placement.heap(), VirtAddr(kBase + kHeap));
}

// 3 GiB: an eighth is 384 MiB, so that segments begin at a multiple of 256 MiB, and the heap at the
// first one from five eighths, 1.875 GiB (and the lowest 64 KiB), on: 2 GiB.
TEST(Placement, MovesIntoASmallSpace) {
  Placement placement(user_space(3 * kG));
  EXPECT_EQ(placement.at(VirtAddr(0)), VirtAddr(0x1000'0000));
  EXPECT_EQ(placement.heap(), VirtAddr(2 * kG));
  EXPECT_EQ(placement.placed(touch(4096, 8192)).range,
            (VirtRange{VirtAddr(0x1000'1000), VirtAddr(0x1000'3000)}));
  EXPECT_EQ(placement.placed(touch(kHeap, 4096)).range.begin, VirtAddr(2 * kG));
  // A stack segment grows below the first place.
  EXPECT_EQ(placement.placed(touch(0ull - 4096, 4096)).range.begin, VirtAddr(0x0fff'f000));
  // What no kernel has room for is still beyond all of it.
  EXPECT_GT(placement.placed(touch(0, kBeyond)).range.end, VirtAddr(3 * kG));
}

// Between two holes lies the largest part: [8 GiB, 72 GiB), an eighth of which is 8 GiB.
TEST(Placement, ChoosesTheLargestPartWithoutAHole) {
  mmu::AddressLayout layout = user_space(100 * kG);
  layout.holes[0] = {VirtAddr(4 * kG), VirtAddr(8 * kG)};
  layout.holes[1] = {VirtAddr(72 * kG), VirtAddr(96 * kG)};
  Placement placement(layout);
  EXPECT_EQ(placement.at(VirtAddr(0)), VirtAddr(8 * kG));
  EXPECT_EQ(placement.heap(), VirtAddr(48 * kG));
}

}  // namespace placement_test
}  // namespace mmusim::sim::workload
