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
std::optional<Gap> find_gap(const Core& core, AddressSpace& mm, uint64_t bytes) {
  const mmu::AddressLayout& layout = core.platform.layout;
  const auto upward_from = [&](VirtAddr low) -> std::optional<Gap> {
    const auto found = mm.vmas.lowest_gap(bytes, low, layout.top, layout.stack_gap);
    if (!found) return std::nullopt;
    return Gap{*found, true};
  };
  if (layout.mmap_upward) return upward_from(mm.mmap_base);
  const VirtAddr lowest = align_up(layout.lowest, core.page());
  if (const auto found = mm.vmas.highest_gap(bytes, lowest, mm.mmap_base, layout.stack_gap))
    return Gap{*found, false};
  return upward_from(std::max(lowest, align_up(VirtAddr(layout.top.value() / 3), core.page())));
}

// Whether [at, at + length) is free, with the guard gap of a stack above it.
bool has_room(const Core& core, AddressSpace& mm, VirtAddr at, uint64_t length) {
  const auto range = core.user_range(at, length);
  if (!range) return false;
  const Vma* above = mm.vmas.find_from(range->begin);
  if (above == nullptr) return true;
  if (above->start < range->end) return false;
  return !above->has(kVmGrowsDown) || above->start - range->end >= core.platform.layout.stack_gap;
}

// At the hint, if it is one that can be taken; else wherever there is a gap.
std::optional<Gap> hint_or_gap(const Core& core, AddressSpace& mm, VirtAddr hint, uint64_t length) {
  if (hint != VirtAddr(0) && has_room(core, mm, hint, length)) return Gap{hint, false};
  return find_gap(core, mm, length);
}

// Whether a huge page's worth of it could be aligned like one.
bool could_be_huge(const Core& core, const Unplaced& wanted) {
  constexpr uint64_t k32Bit = uint64_t{1} << 32;
  if (!core.huge() || core.platform.layout.top.value() <= k32Bit) return false;
  const uint64_t size = core.huge()->bytes();
  if (wanted.backing == Backing::Anonymous)
    return wanted.hint == VirtAddr(0) && wanted.length % size == 0;
  if (wanted.backing != Backing::Disk) return false;
  const uint64_t first = align_up(VirtAddr(wanted.offset), *core.huge()).value();
  return wanted.offset + wanted.length >= first + size;
}

// Of the pool: the place is a multiple of the huge page (Linux: vm_unmapped_area with an
// alignment).
std::optional<VirtAddr> place_of_pool(const Core& core, AddressSpace& mm, const Unplaced& wanted) {
  const PageShift huge = *core.huge();
  const VirtAddr hint = align_up(wanted.hint, huge);
  if (hint != VirtAddr(0) && has_room(core, mm, hint, wanted.length)) return hint;
  const uint64_t slack = huge.bytes() - core.page().bytes();
  const auto gap = find_gap(core, mm, wanted.length + slack);
  if (!gap) return std::nullopt;
  return gap->from_below ? align_up(gap->start, huge) : align_down(gap->start + slack, huge);
}

// A whole huge page more than needed is looked for, so that there is room wherever it ends (Linux:
// __thp_get_unmapped_area).
std::optional<VirtAddr> place_like_huge(const Core& core, AddressSpace& mm,
                                        const Unplaced& wanted) {
  const PageShift huge = *core.huge();
  const auto gap = hint_or_gap(core, mm, wanted.hint, wanted.length + huge.bytes());
  if (!gap) return std::nullopt;
  if (gap->start == wanted.hint) return gap->start;
  const uint64_t off = (wanted.offset - gap->start.value()) & huge.offset_mask();
  if (off == 0 && !core.platform.layout.mmap_upward) return gap->start + huge.bytes();
  return gap->start + off;
}

}  // namespace

Backing backing_of(const Core& core, const Vma& vma) {
  if (vma.has(kVmHugeTlb)) return Backing::Pool;
  if (vma.is_anonymous()) return Backing::Anonymous;
  return core.cache.file(vma.file).kind == FileKind::Regular ? Backing::Disk
                                                             : Backing::SharedMemory;
}

std::optional<VirtAddr> unmapped_area(const Core& core, AddressSpace& mm, const Unplaced& wanted) {
  if (wanted.backing == Backing::Pool) return place_of_pool(core, mm, wanted);
  Unplaced w = wanted;
  if (w.hint != VirtAddr(0))
    w.hint = std::max(align_down(w.hint, core.page()),
                      align_up(core.platform.layout.lowest, core.page()));
  if (could_be_huge(core, w))
    if (const auto found = place_like_huge(core, mm, w)) return found;
  const auto gap = hint_or_gap(core, mm, w.hint, w.length);
  if (!gap) return std::nullopt;
  return gap->start;
}

}  // namespace mmusim::kernel
