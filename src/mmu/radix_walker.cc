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
      caches_(cached, format) {
  MMUSIM_ASSERT(format.count > 0 && format.count <= kMostRadixLevels);
  MMUSIM_ASSERT(format.levels[0].reserved_in_table == ~pt::Entry{0});
  for (unsigned level = 0; level < format.count; ++level)
    places_[level] = place_of(level);
}

RadixWalker::Place RadixWalker::place_of(unsigned level) const {
  const RadixLevel& at = format_.levels[level];
  const unsigned log2_bytes = log2_floor(format_.entry_bytes);
  Place place{.covers = at.shift,
              .shift = at.shift - log2_bytes,
              .mask = ((uint64_t{1} << at.index_bits) - 1) << log2_bytes,
              .table = {},
              .leaf = {}};
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

// The entry at `address`, which is aligned to its size, in `word`.
inline pt::Entry RadixWalker::entry_in(const uint64_t* word, PhysAddr address) const {
  if (format_.entry_bytes == sizeof(uint64_t)) [[likely]]
    return *word;
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

void RadixWalker::tell_load(PhysAddr address, unsigned level, pt::Entry entry, bool dependent) {
  path_->touch(address, format_.entry_bytes, false, entry,
               {.origin = mem::Origin::Walker,
                .level = static_cast<uint8_t>(level),
                .dependent = dependent,
                .what = format_.levels[level].kind});
}

const std::byte* RadixWalker::leaf_table(PhysAddr root, VirtAddr va) const {
  PhysAddr table = root;
  for (unsigned level = format_.count - 1; level > 0; --level) {
    const RadixLevel& at = format_.levels[level];
    const PhysAddr address = table + places_[level].of(va);
    const uint64_t* const word = word_at(address);
    if (word == nullptr) return nullptr;
    const pt::Entry entry = entry_in(word, address);
    if (!format_.is_present(entry) || at.is_leaf(entry)) return nullptr;
    table = format_.table(entry);
  }
  return reinterpret_cast<const std::byte*>(frames_->find_words(table));
}

void RadixWalker::remark_known(unsigned level) {
  path_->remark(fmt::format("{} know the {}: the walk begins below it", format_.caches,
                            format_.levels[level + 1].kind->name));
}

WalkResult RadixWalker::walk(PhysAddr root, VirtAddr va, tlb::Space space, AccessKind kind,
                             Privilege who) {
  return descend(begin(root, va, space), va, space, kind, who);
}

WalkResult RadixWalker::go_on(const WalkStart& start, VirtAddr va, tlb::Space space,
                              AccessKind kind, Privilege who) {
  return descend(start, va, space, kind, who);
}

[[gnu::always_inline]] inline WalkResult RadixWalker::descend(const WalkStart& start, VirtAddr va,
                                                              tlb::Space space, AccessKind kind,
                                                              Privilege who) {
  const unsigned first = start.level;
  Rights rights = start.rights;
  PhysAddr table = start.table;
  const Place* at_level = &places_[first];
  WalkStart* passed = &passed_[first];
  for (unsigned level = first;; --level) {
    const Place& place = *at_level--;
    const PhysAddr address = table + place.of(va);
    const uint64_t* const word = word_at(address);
    if (word == nullptr) [[unlikely]]
      return {.fault = FaultReason::Malformed, .leaf = {}};
    const pt::Entry entry = entry_in(word, address);
    ++counters_.loads[level];
    if (path_->watched()) [[unlikely]]
      tell_load(address, level, entry, level != first);
    else
      path_->count_load(mem::Origin::Walker, level);

    if (!place.table.is(entry)) {
      if (place.leaf.is(entry)) [[likely]] {
        const bool dirty = (entry & format_.dirty) == format_.dirty;
        const Rights all(rights.bits() & leaf_rights_.of(entry).bits());
        const bool allowed =
            all.allows(kind) && (who == Privilege::Kernel || all.has(Rights::kUser));
        if (allowed && (dirty || !writes(kind))) [[likely]]
          return arrive(place, level, first, va, space, entry, all, dirty);
      }
      const RadixLevel& at = format_.levels[level];
      if (!format_.is_present(entry)) return {.fault = FaultReason::NotPresent, .leaf = {}};
      const bool leaf = at.is_leaf(entry);
      if ((entry & (format_.reserved | (leaf ? at.reserved_in_leaf : at.reserved_in_table))) != 0)
        return {.fault = FaultReason::Malformed, .leaf = {}};
      if (leaf) return judge(address, level, first, va, space, entry, rights, kind, who);
      if (const pt::Entry unset = ~entry & format_.table_accessed; unset != 0) {
        ++counters_.accessed_set[level];
        write(address, level, entry | unset);
      }
    }
    rights = Rights(rights.bits() & table_rights_.of(entry).bits());
    table = format_.table(entry);
    *passed-- = {table, level - 1, rights};
  }
}

WalkResult RadixWalker::judge(PhysAddr address, unsigned level, unsigned first, VirtAddr va,
                              tlb::Space space, pt::Entry entry, Rights above, AccessKind kind,
                              Privilege who) {
  const RadixFormat::Judged judged = format_.judge(entry, leaf_rights_.of(entry), above, kind, who);
  if (!judged.allowed) return {.fault = FaultReason::Protection, .leaf = {}};
  if (judged.sets_accessed) ++counters_.accessed_set[level];
  if (judged.sets_dirty) ++counters_.dirty_set;
  if (judged.after != entry) write(address, level, judged.after);
  return arrive(places_[level], level, first, va, space, entry, judged.rights, judged.dirty);
}

[[gnu::always_inline]] inline WalkResult RadixWalker::arrive(const Place& place, unsigned level,
                                                             unsigned first, VirtAddr va,
                                                             tlb::Space space, pt::Entry entry,
                                                             Rights rights, bool dirty) {
  if (level != first) caches_.fill(va, space, first, level, passed_);
  const unsigned beside = format_.contiguous == nullptr ? 0 : format_.contiguous(entry, level);
  return format_.result(entry, PageShift(place.covers + beside), rights, dirty);
}

}  // namespace mmusim::mmu
