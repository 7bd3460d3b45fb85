#include "kernel/unmapped_area.h"

#include <algorithm>

namespace mmusim::kernel {

namespace {

// Where so many bytes fit. With `slack` there are so many more at the place found, for an
// alignment.
struct Gap {
  VirtAddr start;
  bool from_below = false;  // as low as possible, else as high
};
std::optional<Gap> find_gap(const Room& room, uint64_t bytes) {
  const mmu::AddressLayout& layout = room.layout;
  const VirtRange& huge = layout.huge_region.range;
  const VirtAddr top = huge.empty() ? layout.top : huge.begin;
  const auto upward_from = [&](VirtAddr low) -> std::optional<Gap> {
    const auto found = room.areas.lowest_gap(bytes, low, top, layout.stack_gap);
    if (!found) return std::nullopt;
    return Gap{*found, true};
  };
  if (layout.mmap_upward) return upward_from(room.mmap_base);
  const VirtAddr lowest = align_up(layout.lowest, room.page);
  if (const auto found = room.areas.highest_gap(bytes, lowest, room.mmap_base, layout.stack_gap))
    return Gap{*found, false};
  return upward_from(std::max(lowest, align_up(VirtAddr(layout.top.value() / 3), room.page)));
}

// Whether [at, at + length) is free, with the guard gap of a stack above it.
bool has_room(const Room& room, VirtAddr at, uint64_t length) {
  const uint64_t top = room.layout.top.value();
  const VirtRange& huge = room.layout.huge_region.range;
  if (!huge.empty() && at + length > huge.begin) return false;
  if (!is_aligned(at, room.page) || length > top || at.value() > top - length) return false;
  const Vma* above = room.areas.find_from(at);
  if (above == nullptr) return true;
  if (above->start < at + length) return false;
  return !above->has(kVmGrowsDown) || above->start - (at + length) >= room.layout.stack_gap;
}

// At the hint, if it is one that can be taken; else wherever there is a gap.
std::optional<Gap> hint_or_gap(const Room& room, VirtAddr hint, uint64_t length) {
  if (hint != VirtAddr(0) && has_room(room, hint, length)) return Gap{hint, false};
  return find_gap(room, length);
}

// Whether a huge page's worth of it could be aligned like one.
bool could_be_huge(const Room& room, const Unplaced& wanted) {
  constexpr uint64_t k32Bit = uint64_t{1} << 32;
  if (!room.huge || room.layout.top.value() <= k32Bit) return false;
  const uint64_t size = room.huge->bytes();
  if (wanted.backing == Backing::Anonymous)
    return wanted.hint == VirtAddr(0) && wanted.length % size == 0;
  if (wanted.backing != Backing::Disk) return false;
  const uint64_t first = align_up(VirtAddr(wanted.offset), *room.huge).value();
  return wanted.offset + wanted.length >= first + size;
}

// Of the pool: the place is a multiple of the huge page (Linux: vm_unmapped_area with an
// alignment).
std::optional<VirtAddr> place_of_pool(const Room& room, const Unplaced& wanted) {
  const PageShift huge = wanted.pool;
  const mmu::HugeRegion& region = room.layout.huge_region;
  if (!region.range.empty() && region.page == huge) {
    // From the region's beginning up, or from what would be liked in it.
    const VirtAddr from =
        region.range.contains(wanted.hint) ? align_up(wanted.hint, huge) : region.range.begin;
    return room.areas.lowest_gap(wanted.length, from, region.range.end, 0);
  }
  const VirtAddr hint = align_up(wanted.hint, huge);
  if (hint != VirtAddr(0) && has_room(room, hint, wanted.length)) return hint;
  const uint64_t slack = huge.bytes() - room.page.bytes();
  const auto gap = find_gap(room, wanted.length + slack);
  if (!gap) return std::nullopt;
  return gap->from_below ? align_up(gap->start, huge) : align_down(gap->start + slack, huge);
}

// A whole huge page more than needed is looked for, so that there is room wherever it ends (Linux:
// __thp_get_unmapped_area).
std::optional<VirtAddr> place_like_huge(const Room& room, const Unplaced& wanted) {
  const PageShift huge = *room.huge;
  const auto gap = hint_or_gap(room, wanted.hint, wanted.length + huge.bytes());
  if (!gap) return std::nullopt;
  if (gap->start == wanted.hint) return gap->start;
  const uint64_t off = (wanted.offset - gap->start.value()) & huge.offset_mask();
  if (off == 0 && !room.layout.mmap_upward) return gap->start + huge.bytes();
  return gap->start + off;
}

}  // namespace

Backing backing_of(const Core& core, const Vma& vma) {
  if (vma.has(kVmHugeTlb)) return Backing::Pool;
  if (vma.is_anonymous()) return Backing::Anonymous;
  return core.cache.file(vma.file).kind == FileKind::Regular ? Backing::Disk
                                                             : Backing::SharedMemory;
}

std::optional<VirtAddr> unmapped_area(const Room& room, const Unplaced& wanted) {
  if (wanted.backing == Backing::Pool) return place_of_pool(room, wanted);
  Unplaced w = wanted;
  if (w.hint != VirtAddr(0))
    w.hint = std::max(align_down(w.hint, room.page), align_up(room.layout.lowest, room.page));
  if (could_be_huge(room, w))
    if (const auto found = place_like_huge(room, w)) return found;
  const auto gap = hint_or_gap(room, w.hint, w.length);
  if (!gap) return std::nullopt;
  return gap->start;
}

std::optional<VirtAddr> unmapped_area(const Core& core, const AddressSpace& mm,
                                      const Unplaced& wanted) {
  return unmapped_area(Room{core.platform.layout, core.page(), core.huge(), mm.vmas, mm.mmap_base},
                       wanted);
}

}  // namespace mmusim::kernel
