#include "mem/cache.h"

#include <algorithm>
#include <initializer_list>
#include <string>

#include "base/bits.h"
#include "base/error.h"
#include "config/keys.h"

namespace mmusim::mem {

namespace {

constexpr uint64_t kLeastLine = 32;
constexpr uint64_t kMostLine = 4096;
constexpr uint64_t kLargestCache = uint64_t{1} << 32;

std::string key_of(unsigned cache) {
  return fmt::format("cache.{}", name_of(static_cast<Place>(cache)));
}

constexpr std::array<const char*, kCaches> kMeanings = {
    "the first-level data cache", "the first-level instruction cache", "the second-level cache",
    "the third-level cache"};

}  // namespace

const char* name_of(Place place) {
  constexpr std::array<const char*, kPlaces> kNames = {"l1", "l1i", "l2", "l3", "memory"};
  return kNames[static_cast<unsigned>(place)];
}

const config::Keys<CacheOptions>& CacheOptions::keys() {
  static const config::Keys<CacheOptions> kKeys = [] {
    config::Keys<CacheOptions> keys;
    keys.flag("cache.enabled", &CacheOptions::enabled,
              "Simulate data caches behind page-table references. Off: references are counted "
              "alone.");
    keys.size("cache.line", &CacheOptions::line,
              "Bytes of a cache line where a cache has none of its own.", kLeastLine, kMostLine);
    for (unsigned i = 0; i < kCaches; ++i) {
      const char* const what = kMeanings[i];
      keys.size(
          key_of(i) + ".bytes", [i](auto& o) -> auto& { return o.caches[i].bytes; },
          fmt::format("Size of {}; 0: none.", what), 0, kLargestCache);
      keys.number(
          key_of(i) + ".ways", [i](auto& o) -> auto& { return o.caches[i].ways; },
          fmt::format("Associativity of {}.", what), 1, 1024);
      keys.size(
          key_of(i) + ".line", [i](auto& o) -> auto& { return o.caches[i].line; },
          fmt::format("Bytes of a line of {}; 0: cache.line.", what), 0, kMostLine);
    }
    keys.choice("cache.walker", &CacheOptions::walker,
                {{"l1", Place::L1}, {"l2", Place::L2}, {"l3", Place::L3}},
                "The level a hardware page-table walker begins to look in.");
    return keys;
  }();
  return kKeys;
}

CacheHierarchy::CacheHierarchy(const CacheOptions& options) {
  for (unsigned i = 0; i < kCaches; ++i) {
    CacheGeometry cache = options.caches[i];
    if (cache.line == 0) cache.line = options.line;
    add(key_of(i).c_str(), cache, caches_[i]);
  }
  data_ = make_way({Place::L1, Place::L2, Place::L3});
  fetch_ = make_way({Place::L1I, Place::L2, Place::L3});
  walk_ = options.walker == Place::L3   ? make_way({Place::L3})
          : options.walker == Place::L2 ? make_way({Place::L2, Place::L3})
                                        : data_;
  if (data_.count == 0)
    throw UsageError("cache.enabled", "no cache for data has a size",
                     "give cache.l1.bytes, or switch cache.enabled off");
}

void CacheHierarchy::add(const char* name, const CacheGeometry& geometry, Cache& cache) {
  if (geometry.bytes == 0) return;
  if (!is_power_of_two(geometry.line) || geometry.line < kLeastLine)
    throw UsageError(
        fmt::format("{}.line", name),
        fmt::format("{} bytes is not a power of two of at least {}", geometry.line, kLeastLine),
        "set it, or cache.line");
  if (geometry.ways == 0)
    throw UsageError(fmt::format("{}.ways", name), "a cache needs at least one way");
  cache.line_log2 = log2_floor(geometry.line);
  const uint64_t lines = geometry.bytes >> cache.line_log2;
  if (lines << cache.line_log2 != geometry.bytes || lines == 0 || lines % geometry.ways != 0 ||
      !is_power_of_two(lines / geometry.ways))
    throw UsageError(fmt::format("{}.bytes", name),
                     fmt::format("{} bytes in {} ways of {}-byte lines do not make a power of two "
                                 "of sets",
                                 geometry.bytes, geometry.ways, geometry.line),
                     "choose bytes = sets x ways x line with a power of two of sets");
  cache.ways = geometry.ways;
  cache.set_mask = lines / geometry.ways - 1;
  cache.lines.assign(lines, 0);
}

CacheHierarchy::Way CacheHierarchy::make_way(std::initializer_list<Place> places) const {
  Way way;
  for (const Place place : places) {
    if (!has(place)) continue;
    const Cache& cache = caches_[static_cast<unsigned>(place)];
    if (way.count == 0) {
      way.first = place;
      way.line_log2 = cache.line_log2;
    } else if (cache.line_log2 < caches_[way.caches[way.count - 1]].line_log2) {
      throw UsageError(fmt::format("{}.line", key_of(static_cast<unsigned>(place))),
                       "the lines are shorter than those of the level before",
                       "give them at least as many bytes");
    }
    way.caches[way.count++] = static_cast<uint8_t>(place);
  }
  if (way.count == 0) way.line_log2 = log2_floor(kMostLine);  // all from memory
  return way;
}

// Whether the line was there; afterwards it is, as the most recently used of its set.
bool CacheHierarchy::touch_line(Cache& cache, PhysAddr address) {
  const uint64_t line = address.value() >> cache.line_log2;
  uint64_t* set = cache.lines.data() + (line & cache.set_mask) * cache.ways;
  const uint64_t tag = line + 1;
  if (set[0] == tag) return true;
  uint64_t moved = set[0];
  for (uint64_t way = 1; way < cache.ways; ++way) {
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

Place CacheHierarchy::look_up_line(const Way& way, PhysAddr address) {
  for (unsigned i = 0; i < way.count; ++i)
    if (touch_line(caches_[way.caches[i]], address)) return static_cast<Place>(way.caches[i]);
  return Place::Memory;
}

Place CacheHierarchy::look_up(PhysAddr address, unsigned bytes, Touch touch) {
  const Way& way = way_of(touch);
  const uint64_t line = uint64_t{1} << way.line_log2;
  const PhysAddr end = address + bytes;
  Place served = look_up_line(way, address);
  for (PhysAddr at((address.value() | (line - 1)) + 1); at < end; at += line)
    served = std::max(served, look_up_line(way, at));
  ++hits_[static_cast<unsigned>(touch.origin)][static_cast<unsigned>(served)];
  return served;
}

}  // namespace mmusim::mem
