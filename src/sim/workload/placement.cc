#include "sim/workload/placement.h"

#include <algorithm>
#include <vector>

#include "base/bits.h"
#include "base/linux_abi.h"
#include "sim/workload/places.h"

namespace mmusim::sim::workload {

using namespace abi;

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

Placement::Placement(const mmu::AddressLayout& layout) : region_(layout.huge_region) {
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

bool Placement::is_huge(VirtAddr va) const {
  return std::any_of(huge_.begin(), huge_.end(),
                     [va](const VirtRange& range) { return range.contains(va); });
}

void Placement::note_huge(const Step& step) {
  if (region_.range.empty()) return;
  if (step.kind == Step::Kind::Map) {
    const uint32_t log2 = step.flags >> kMapHugeShift & kMapHugeMask;
    const bool huge = (step.flags & kMapHugeTlb) != 0 && (log2 == 0 || log2 == region_.page.log2());
    if (huge && !step.anywhere) huge_.push_back(step.range);
  } else if (step.kind == Step::Kind::Remap && is_huge(step.range.begin)) {
    huge_.push_back(step.target);
  }
}

VirtAddr Placement::placed(VirtAddr va) const {
  if (Places::is_symbolic(va)) return va;
  const uint64_t place = va.value() - kBase;
  if (is_huge(va)) return region_.range.begin + place;
  return place < kHeap || place > kHeap + kHeapReach ? segments_ + place : heap_ + (place - kHeap);
}

VirtRange Placement::placed(const VirtRange& range) const {
  const VirtAddr begin = placed(range.begin);
  return {begin, begin + range.bytes()};
}

Step Placement::placed(const Step& step) {
  note_huge(step);
  Step result = step;
  result.range = placed(step.range);
  result.target = placed(step.target);
  return result;
}

}  // namespace mmusim::sim::workload
