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
    const std::optional<pt::Entry> entry = read(table + at.index(va) * format_.entry_bytes);
    if (!entry || !format_.is_present(*entry) || at.is_leaf(*entry)) return nullptr;
    table = format_.table(*entry);
  }
  return reinterpret_cast<const std::byte*>(frames_->find_words(table));
}

void RadixWalker::tell_read(PhysAddr address, unsigned level, pt::Entry entry, bool dependent) {
  path_->touch(address, format_.entry_bytes, false, entry,
               {.origin = mem::Origin::Walker,
                .level = static_cast<uint8_t>(level),
                .dependent = dependent,
                .what = format_.levels[level].kind});
}

WalkStart RadixWalker::begin(PhysAddr root, VirtAddr va, tlb::Space space) {
  const std::optional<WalkStart> cached = caches_.find(va, space);
  const WalkStart start = cached.value_or(WalkStart{.level = format_.count - 1, .table = root});
  ++counters_.started[start.level];
  if (path_->narrated() && cached)
    path_->remark(fmt::format("{} know the {}: the walk begins below it", format_.caches,
                              format_.levels[start.level + 1].kind->name));
  return start;
}

WalkResult RadixWalker::go_on(const WalkStart& start, VirtAddr va, tlb::Space space,
                              AccessKind kind, Privilege who) {
  Rights rights = start.rights;
  PhysAddr table = start.table;
  for (unsigned level = start.level;; --level) {
    const RadixLevel& at = format_.levels[level];
    const PhysAddr address = table + at.index(va) * format_.entry_bytes;
    const std::optional<pt::Entry> read = this->read(address);
    if (!read) return {.fault = FaultReason::Malformed, .leaf = {}};
    const pt::Entry entry = *read;
    ++counters_.loads[level];
    if (path_->plain()) [[likely]]
      path_->count(mem::Origin::Walker, level, /*write=*/false);
    else
      tell_read(address, level, entry, level != start.level);

    if (!format_.is_present(entry)) return {.fault = FaultReason::NotPresent, .leaf = {}};
    const bool leaf = at.is_leaf(entry);
    if ((entry & (format_.reserved | (leaf ? at.reserved_in_leaf : at.reserved_in_table))) != 0)
      return {.fault = FaultReason::Malformed, .leaf = {}};

    if (!leaf) {
      if (const pt::Entry unset = ~entry & format_.table_accessed; unset != 0) {
        ++counters_.accessed_set[level];
        write(address, level, entry | unset);
      }
      rights = Rights(rights.bits() & table_rights_.of(entry).bits());
      table = format_.table(entry);
      passed_[level] = {level - 1, table, rights};
      continue;
    }

    const unsigned beside = format_.contiguous == nullptr ? 0 : format_.contiguous(entry, level);
    const RadixFormat::Judged judged = format_.judge(
        entry, leaf_rights_.of(entry), PageShift(at.shift + beside), rights, kind, who);
    if (judged.result.fault != FaultReason::None) return judged.result;
    if (judged.sets_accessed) ++counters_.accessed_set[level];
    if (judged.sets_dirty) ++counters_.dirty_set;
    if (judged.after != entry) write(address, level, judged.after);
    for (unsigned above = start.level; above > level; --above)
      caches_.fill(va, space, above, passed_[above].table, passed_[above].rights);
    return judged.result;
  }
}

}  // namespace mmusim::mmu
