#include "mem/cache.h"

#include <algorithm>

#include "base/bits.h"
#include "base/error.h"

namespace mmusim::mem {

CacheHierarchy::CacheHierarchy(const std::array<CacheGeometry, kCacheLevels>& levels,
                               uint64_t line) {
  if (!is_power_of_two(line) || line < 32)
    throw UsageError("cache.line",
                     fmt::format("{} bytes is not a power of two of at least 32", line));
  line_log2_ = log2_floor(line);
  first_level_ = kCacheLevels;
  for (unsigned i = 0; i < kCacheLevels; ++i) {
    const CacheGeometry& geometry = levels[i];
    if (geometry.bytes == 0) continue;
    const std::string key = fmt::format("cache.l{}", i + 1);
    if (geometry.ways == 0) throw UsageError(key + ".ways", "a cache needs at least one way");
    const uint64_t lines = geometry.bytes >> line_log2_;
    if (lines << line_log2_ != geometry.bytes || lines == 0 || lines % geometry.ways != 0 ||
        !is_power_of_two(lines / geometry.ways))
      throw UsageError(key + ".bytes",
                       fmt::format("{} bytes in {} ways of {}-byte lines do not make a power of "
                                   "two of sets",
                                   geometry.bytes, geometry.ways, line),
                       "choose bytes = sets x ways x line with a power of two of sets");
    levels_[i].ways = geometry.ways;
    levels_[i].set_mask = lines / geometry.ways - 1;
    levels_[i].lines.assign(lines, 0);
    first_level_ = std::min(first_level_, i);
  }
  if (first_level_ == kCacheLevels)
    throw UsageError("cache.enabled", "no cache level has a size",
                     "give cache.l1.bytes, or switch cache.enabled off");
}

// Whether the line was there; afterwards it is, as the most recently used of its set.
bool CacheHierarchy::touch(Level& level, uint64_t line) {
  uint64_t* set = level.lines.data() + (line & level.set_mask) * level.ways;
  const uint64_t tag = line + 1;
  if (set[0] == tag) return true;
  uint64_t moved = set[0];
  for (uint64_t way = 1; way < level.ways; ++way) {
    const uint64_t here = set[way];
    set[way] = moved;
    if (here == tag) {
      set[0] = tag;
      return true;
    }
    moved = here;
  }
  set[0] = tag;
  return false;
}

unsigned CacheHierarchy::look_up(PhysAddr address, Origin origin) {
  const uint64_t line = address.value() >> line_log2_;
  unsigned served = kCacheLevels;
  for (unsigned i = first_level_; i < kCacheLevels; ++i) {
    if (levels_[i].ways == 0) continue;
    if (touch(levels_[i], line)) {
      served = i;
      break;
    }
  }
  ++hits_[static_cast<unsigned>(origin)][served];
  return served;
}

}  // namespace mmusim::mem
