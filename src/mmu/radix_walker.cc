#include "mmu/radix_walker.h"

#include <bit>
#include <cstddef>
#include <cstring>
#include <fmt/format.h>

#include "base/error.h"

namespace mmusim::mmu {

void RadixWalkCounters::add(const RadixWalkCounters& o) {
  for (unsigned level = 0; level < kMostRadixLevels; ++level) {
    started[level] += o.started[level];
    loads[level] += o.loads[level];
    accessed_set[level] += o.accessed_set[level];
  }
  dirty_set += o.dirty_set;
  updates += o.updates;
}

RadixWalker::RadixWalker(const RadixFormat& format, std::span<const uint32_t> cached,
                         mem::FrameMemory& frames, MissPath& path)
    : format_(format),
      leaf_rights_(format.leaf_rights),
      table_rights_(format.table_rights),
      frames_(&frames),
      path_(&path),
      said_mask_(~format.frame_mask | format.reserved),
      caches_(cached, format) {
  MMUSIM_ASSERT(format.count > 0 && format.count <= kMostRadixLevels);
  MMUSIM_ASSERT(format.levels[0].reserved_in_table == ~pt::Entry{0});
  for (unsigned level = 0; level < format.count; ++level)
    places_[level] = place_of(level);
}

RadixWalkCounters RadixWalker::counters() const {
  RadixWalkCounters all = counters_;
  for (const Place& place : places_) {
    all.started[place.level] += place.started;
    all.loads[place.level] += place.loads;
  }
  return all;
}

RadixWalker::Place RadixWalker::place_of(unsigned level) const {
  const RadixLevel& at = format_.levels[level];
  const unsigned log2_bytes = log2_floor(format_.entry_bytes);
  Place place{.level = level,
              .covers = at.shift,
              .shift = at.shift - log2_bytes,
              .mask = ((uint64_t{1} << at.index_bits) - 1) << log2_bytes,
              .table = {},
              .leaf = {},
              .alike = format_.contiguous == nullptr && at.shift == format_.page.log2(),
              .loads_of_all = &path_->count_of_loads(mem::Origin::Walker, level),
              .leads_to = {}};
  const pt::Entry pointer = format_.present | at.table_value | format_.table_accessed;
  const pt::Entry not_in_table = format_.reserved | at.reserved_in_table;
  if (!at.is_leaf(pointer) && (pointer & not_in_table) == 0)
    place.table = {.mask = pointer | not_in_table | at.table_mask, .value = pointer};
  // Where nothing is a pointer to a table; or one bit tells.
  const bool always = (at.table_value & ~at.table_mask) != 0;
  const pt::Entry told = always ? 0 : at.table_mask;
  const pt::Entry leaf = format_.present | format_.accessed | (told & ~at.table_value);
  const pt::Entry not_in_leaf = format_.reserved | at.reserved_in_leaf;
  if ((always || std::has_single_bit(told)) && (leaf & not_in_leaf) == 0 &&
      format_.dirty_by_right == 0)
    place.leaf = {.mask = leaf | not_in_leaf | told, .value = leaf};
  return place;
}

void RadixWalker::write(PhysAddr address, unsigned level, pt::Entry next) {
  auto* const word =
      reinterpret_cast<std::byte*>(frames_->words(PhysAddr(address.value() & ~uint64_t{7})));
  std::memcpy(word + (address.value() & 7), &next, format_.entry_bytes);  // lower half first
  ++counters_.updates;
  path_->touch(address, format_.entry_bytes, true, next,
               {.origin = mem::Origin::Walker,
                .level = static_cast<uint8_t>(level),
                .dependent = false,
                .what = format_.levels[level].kind});
}

void RadixWalker::tell_load(PhysAddr address, const Place& place, pt::Entry entry, bool dependent) {
  path_->touch(address, format_.entry_bytes, false, entry,
               {.origin = mem::Origin::Walker,
                .level = static_cast<uint8_t>(place.level),
                .dependent = dependent,
                .what = format_.levels[place.level].kind});
}

void RadixWalker::remark_known(unsigned level) {
  path_->remark(fmt::format("{} know the {}: the walk begins below it", format_.caches,
                            format_.levels[level + 1].kind->name));
}

const WalkResult& RadixWalker::walk(PhysAddr root, VirtAddr va, tlb::Space space, AccessKind kind,
                                    Privilege who) {
  return descend<true>(begin(root, va, space), va, kind, who);
}

const WalkResult& RadixWalker::go_on(const WalkStart& start, VirtAddr va, AccessKind kind,
                                     Privilege who) {
  return descend<true>(start, va, kind, who);
}

const WalkResult& RadixWalker::judge(PhysAddr address, const Place& place, pt::Entry entry,
                                     Rights above, AccessKind kind, Privilege who) {
  const RadixFormat::Judged judged = format_.judge(entry, leaf_rights_.of(entry), above, kind, who);
  if (!judged.allowed) return end({.fault = FaultReason::Protection, .leaf = {}});
  if (judged.sets_accessed) ++counters_.accessed_set[place.level];
  if (judged.sets_dirty) ++counters_.dirty_set;
  if (judged.after != entry) write(address, place.level, judged.after);
  return arrive(place, entry, judged.rights, judged.dirty);
}

}  // namespace mmusim::mmu
