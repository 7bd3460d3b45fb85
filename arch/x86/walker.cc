#include "arch/x86/walker.h"

#include <fmt/format.h>

#include "arch/x86/steps.h"

namespace mmusim::x86 {

namespace {

constexpr unsigned kEntryBytes = 8;

}  // namespace

void WalkCounters::add(const WalkCounters& o) {
  for (unsigned level = 0; level < kMostLevels; ++level) {
    started[level] += o.started[level];
    loads[level] += o.loads[level];
    accessed_set[level] += o.accessed_set[level];
  }
  dirty_set += o.dirty_set;
  updates += o.updates;
}

Walker::Walker(const Options& options, mem::FrameMemory& frames, mmu::MissPath& path)
    : frames_(&frames),
      path_(&path),
      levels_(options.levels),
      most_leaf_level_(options.gigabyte_pages ? 2 : 1),
      reserved_address_bits_(AddressBits::kMask & ~((uint64_t{1} << options.physical_bits) - 1)),
      caches_(options.walk_cache, options.levels) {}

bool Walker::well_formed(uint64_t entry, unsigned level, bool leaf) const {
  if ((entry & reserved_address_bits_) != 0) return false;
  if (!leaf || level == 0) return true;
  if (level > most_leaf_level_) return false;
  // Bit 12 of a large leaf is PAT; from 13 up to the frame's lowest bit must be zero.
  const uint64_t between = (uint64_t{1} << shift_of_level(level)) - (uint64_t{1} << 13);
  return (entry & between) == 0;
}

void Walker::set_bits(PhysAddr address, unsigned level, uint64_t entry, uint64_t bits) {
  *frames_->words(address) = entry | bits;
  ++counters_.updates;
  if ((bits & AccessedBit::kMask) != 0) ++counters_.accessed_set[level];
  if ((bits & DirtyBit::kMask) != 0) ++counters_.dirty_set;
  path_->touch(address, kEntryBytes, true, entry | bits,
               {.origin = mem::Origin::Walker,
                .level = static_cast<uint8_t>(level),
                .dependent = false,
                .what = entry_name(level)});
}

Walker::Result Walker::walk(PhysAddr root, VirtAddr va, Pcid pcid, AccessKind kind) {
  const WalkStart start = caches_.find(va, pcid).value_or(WalkStart{levels_ - 1, root, {}});
  ++counters_.started[start.level];
  if (path_->narrated() && start.level + 1 != levels_)
    path_->remark(fmt::format("paging-structure caches know the {}: the walk begins below it",
                              entry_name(start.level + 1)));
  WalkRights rights = start.rights;
  PhysAddr table = start.table;
  std::array<WalkStart, kMostLevels> passed;  // [level]: what its entry leads to

  for (unsigned level = start.level;; --level) {
    const uint64_t index =
        (va.value() >> shift_of_level(level)) & ((uint64_t{1} << kIndexBits) - 1);
    const PhysAddr address = table + index * kEntryBytes;
    const uint64_t* word = frames_->find_words(address);
    if (word == nullptr) return {.fault = mmu::FaultReason::Malformed, .leaf = {}};
    const uint64_t entry = *word;
    ++counters_.loads[level];
    path_->touch(address, kEntryBytes, false, entry,
                 {.origin = mem::Origin::Walker,
                  .level = static_cast<uint8_t>(level),
                  .dependent = level != start.level,
                  .what = entry_name(level)});

    if (PresentBit::get(entry) == 0) return {.fault = mmu::FaultReason::NotPresent, .leaf = {}};
    const bool leaf = level == 0 || PageSizeBit::get(entry) != 0;
    if (!well_formed(entry, level, leaf)) return {.fault = mmu::FaultReason::Malformed, .leaf = {}};
    rights.write = rights.write && WriteBit::get(entry) != 0;
    rights.user = rights.user && UserBit::get(entry) != 0;
    rights.no_execute = rights.no_execute || NoExecuteBit::get(entry) != 0;
    const uint64_t accessed = AccessedBit::get(entry) == 0 ? AccessedBit::kMask : 0;

    if (!leaf) {
      if (accessed != 0) set_bits(address, level, entry, accessed);
      table = PhysAddr(entry & AddressBits::kMask);
      passed[level] = {level - 1, table, rights};
      continue;
    }

    const PageShift size(shift_of_level(level));
    tlb::Leaf found{
        .pfn = Pfn(AddressBits::get(entry) & ~(size.offset_mask() >> 12)),
        .size = size,
        .rights = Rights(Rights::kRead | (rights.write ? unsigned{Rights::kWrite} : 0u) |
                         (rights.no_execute ? 0u : unsigned{Rights::kExec}) |
                         (rights.user ? unsigned{Rights::kUser} : 0u)),
        .dirty = DirtyBit::get(entry) != 0,
        .global = GlobalBit::get(entry) != 0};
    if (!user_may(found.rights, kind)) return {.fault = mmu::FaultReason::Protection, .leaf = {}};
    const uint64_t dirty = writes(kind) && !found.dirty ? DirtyBit::kMask : 0;
    if ((accessed | dirty) != 0) set_bits(address, level, entry, accessed | dirty);
    found.dirty = found.dirty || dirty != 0;
    for (unsigned above = start.level; above > level; --above)
      caches_.fill(va, pcid, above, passed[above].table, passed[above].rights);
    return {.fault = mmu::FaultReason::None, .leaf = found};
  }
}

}  // namespace mmusim::x86
