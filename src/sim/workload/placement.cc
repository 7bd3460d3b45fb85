#include "sim/workload/placement.h"

#include <algorithm>
#include <vector>

#include "base/bits.h"
#include "sim/workload/places.h"

namespace mmusim::sim::workload {
namespace {

// The parts of user space between its holes, which ascend.
std::vector<VirtRange> parts_of(const mmu::AddressLayout& layout) {
  std::vector<VirtRange> parts;
  VirtAddr begin = layout.lowest;
  for (const VirtRange& hole : layout.holes) {
    if (hole.empty()) continue;
    parts.push_back({begin, hole.begin});
    begin = hole.end;
  }
  parts.push_back({begin, layout.top});
  return parts;
}

}  // namespace

Placement::Placement(const mmu::AddressLayout& layout) {
  const std::vector<VirtRange> parts = parts_of(layout);
  const auto has_room = [](const VirtRange& part) {
    return part.begin <= VirtAddr(kBase) && VirtAddr(kBase + kHeap + kHeapReach) <= part.end;
  };
  if (std::any_of(parts.begin(), parts.end(), has_room)) return;
  const VirtRange largest = *std::max_element(
      parts.begin(), parts.end(),
      [](const VirtRange& a, const VirtRange& b) { return a.bytes() < b.bytes(); });
  const uint64_t eighth = largest.bytes() / 8;
  const PageShift grain(log2_floor(eighth));
  segments_ = align_up(largest.begin, grain);
  heap_ = align_up(largest.begin + 5 * eighth, grain);
}

VirtAddr Placement::placed(VirtAddr va) const {
  if (Places::is_symbolic(va)) return va;
  const uint64_t place = va.value() - kBase;
  return place < kHeap || place > kHeap + kHeapReach ? segments_ + place : heap_ + (place - kHeap);
}

VirtRange Placement::placed(const VirtRange& range) const {
  const VirtAddr begin = placed(range.begin);
  return {begin, begin + range.bytes()};
}

Step Placement::placed(const Step& step) const {
  Step result = step;
  result.range = placed(step.range);
  result.target = placed(step.target);
  return result;
}

}  // namespace mmusim::sim::workload
