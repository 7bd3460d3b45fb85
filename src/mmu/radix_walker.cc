#include "mmu/radix_walker.h"

#include <cstddef>
#include <cstring>
#include <fmt/format.h>
#include <optional>

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
      caches_(cached, format) {
  MMUSIM_ASSERT(format.count > 0 && format.count <= kMostRadixLevels);
  MMUSIM_ASSERT(format.levels[0].reserved_in_table == ~pt::Entry{0});
  for (unsigned level = 0; level < format.count; ++level)
    places_[level] = place_of(level);
}

RadixWalker::Place RadixWalker::place_of(unsigned level) const {
  const RadixLevel& at = format_.levels[level];
  const unsigned log2_bytes = log2_floor(format_.entry_bytes);
  Place place{.shift = at.shift - log2_bytes,
              .mask = ((uint64_t{1} << at.index_bits) - 1) << log2_bytes};
  const pt::Entry must_be_0 = format_.reserved | at.reserved_in_table;
  const pt::Entry usual = format_.present | at.table_value | format_.table_accessed;
  if (at.is_leaf(usual) || (usual & must_be_0) != 0) return place;
  place.usual_mask = usual | must_be_0 | at.table_mask;
  place.usual = usual;
  return place;
}

// The entry at `address`, which is aligned to its size; nothing outside table memory.
inline std::optional<pt::Entry> RadixWalker::read(PhysAddr address) const {
  const uint64_t* const word = frames_->find_words(PhysAddr(address.value() & ~uint64_t{7}));
  if (word == nullptr) return std::nullopt;
  if (format_.entry_bytes == sizeof(uint64_t)) return *word;
  uint32_t entry = 0;
  std::memcpy(&entry, reinterpret_cast<const std::byte*>(word) + (address.value() & 7),
              sizeof entry);
  return entry;
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

const std::byte* RadixWalker::leaf_table(PhysAddr root, VirtAddr va) const {
  PhysAddr table = root;
  for (unsigned level = format_.count - 1; level > 0; --level) {
    const RadixLevel& at = format_.levels[level];
    const std::optional<pt::Entry> entry = read(table + places_[level].of(va));
    if (!entry || !format_.is_present(*entry) || at.is_leaf(*entry)) return nullptr;
    table = format_.table(*entry);
  }
  return reinterpret_cast<const std::byte*>(frames_->find_words(table));
}

void RadixWalker::remark_known(const WalkStart& start) {
  path_->remark(fmt::format("{} know the {}: the walk begins below it", format_.caches,
                            format_.levels[start.level + 1].kind->name));
}

WalkResult RadixWalker::go_on(const WalkStart& start, VirtAddr va, tlb::Space space,
                              AccessKind kind, Privilege who) {
  Rights rights = start.rights;
  PhysAddr table = start.table;
  for (unsigned level = start.level;; --level) {
    const Place& place = places_[level];
    const PhysAddr address = table + place.of(va);
    const std::optional<pt::Entry> read = this->read(address);
    if (!read) return {.fault = FaultReason::Malformed, .leaf = {}};
    const pt::Entry entry = *read;
    ++counters_.loads[level];
    const RadixLevel& at = format_.levels[level];
    path_->touch(address, format_.entry_bytes, false, entry,
                 {.origin = mem::Origin::Walker,
                  .level = static_cast<uint8_t>(level),
                  .dependent = level != start.level,
                  .what = at.kind});

    bool leaf = false;
    if ((entry & place.usual_mask) != place.usual) {
      if (!format_.is_present(entry)) return {.fault = FaultReason::NotPresent, .leaf = {}};
      leaf = at.is_leaf(entry);
      if ((entry & (format_.reserved | (leaf ? at.reserved_in_leaf : at.reserved_in_table))) != 0)
        return {.fault = FaultReason::Malformed, .leaf = {}};
      if (const pt::Entry unset = ~entry & format_.table_accessed; !leaf && unset != 0) {
        ++counters_.accessed_set[level];
        write(address, level, entry | unset);
      }
    }
    if (!leaf) {
      rights = Rights(rights.bits() & table_rights_.of(entry).bits());
      table = format_.table(entry);
      passed_[level] = {level - 1, table, rights};
      continue;
    }

    const RadixFormat::Judged judged =
        format_.judge(entry, leaf_rights_.of(entry), rights, kind, who);
    if (!judged.allowed) return {.fault = FaultReason::Protection, .leaf = {}};
    if (judged.sets_accessed) ++counters_.accessed_set[level];
    if (judged.sets_dirty) ++counters_.dirty_set;
    if (judged.after != entry) write(address, level, judged.after);
    for (unsigned above = start.level; above > level; --above)
      caches_.fill(va, space, above, passed_[above].table, passed_[above].rights);
    const unsigned beside = format_.contiguous == nullptr ? 0 : format_.contiguous(entry, level);
    return format_.result(entry, PageShift(at.shift + beside), judged);
  }
}

}  // namespace mmusim::mmu
