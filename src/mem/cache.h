// A hierarchy of up to three levels of caches in front of simulated memory, looked up by physical
// address: a first level of two caches, for data and for instructions, and two levels for both.
//
// Each cache is set-associative with true LRU and allocates on reads and writes alike. A reference
// asks the first level of its side (data L1 or instruction L1), then L2, then L3; where it misses,
// the line is filled in, so that after any reference the line is the most recently used one of its
// set in every cache asked. Caches below the one that hit are neither asked nor updated, and an
// eviction in one has no effect on the others (neither inclusive nor exclusive). Hardware walkers
// begin at a level of their own (cache.walker) and leave those above as they were. Lines may be
// longer from level to level; what spans several lines is served by the slowest of them.
// Write-backs are not modelled: they delay no translation. All CPUs of a machine share the one
// hierarchy. Only counts: no data. Not thread-safe.
#ifndef MMUSIM_MEM_CACHE_H_
#define MMUSIM_MEM_CACHE_H_

#include <array>
#include <cstdint>
#include <vector>

#include "base/types.h"
#include "config/forward.h"
#include "mem/sink.h"

namespace mmusim::mem {

// The caches, and memory behind them. Of two, the later is the slower; of the first level a
// reference asks one only.
enum class Place : uint8_t { L1, L1I, L2, L3, Memory };
inline constexpr unsigned kCaches = 4;
inline constexpr unsigned kPlaces = 5;
const char* name_of(Place place);  // "l1", "l1i", "l2", "l3", "memory"

struct CacheGeometry {
  uint64_t bytes = 0;  // 0: there is no such cache
  uint64_t ways = 1;
  uint64_t line = 0;  // 0: CacheOptions::line
};

// The keys cache.*.
struct CacheOptions {
  std::array<CacheGeometry, kCaches> caches = {{{uint64_t{32} << 10, 8},
                                                {uint64_t{32} << 10, 8},
                                                {uint64_t{1} << 20, 16},
                                                {uint64_t{16} << 20, 16}}};  // by Place
  Place walker = Place::L1;  // the first a hardware walker asks: L1, L2 or L3
  uint64_t line = 64;
  bool enabled = false;

  static const config::Keys<CacheOptions>& keys();
};

class CacheHierarchy {
 public:
  // Errors: UsageError, naming the key, unless lines are powers of two and get no shorter from
  // level to level, ways divide the lines, the sets are a power of two, and at least one cache of
  // those that data can ask exists.
  explicit CacheHierarchy(const CacheOptions& options);

  // Where the slowest of the lines was found.
  Place look_up(PhysAddr address, unsigned bytes, Touch touch);

  // `count` references that follow one to the same line: they hit in the first cache there is.
  void repeat(uint64_t count, Touch touch) {
    hits_[static_cast<unsigned>(touch.origin)][static_cast<unsigned>(way_of(touch).first)] += count;
  }

  // Of the first cache such a reference asks.
  [[nodiscard]] uint64_t line_bytes(Touch touch) const {
    return uint64_t{1} << way_of(touch).line_log2;
  }
  // References of `origin` served there.
  [[nodiscard]] uint64_t hits(Origin origin, Place place) const {
    return hits_[static_cast<unsigned>(origin)][static_cast<unsigned>(place)];
  }
  [[nodiscard]] bool has(Place place) const {
    return place == Place::Memory || caches_[static_cast<unsigned>(place)].ways != 0;
  }

 private:
  struct Cache {
    uint64_t ways = 0;  // 0: absent
    uint64_t set_mask = 0;
    unsigned line_log2 = 0;
    std::vector<uint64_t> lines;  // per set: line number + 1, most recently used first; 0 is empty
  };
  // The caches a kind of reference asks, in order.
  struct Way {
    std::array<uint8_t, 3> caches{};
    unsigned count = 0;
    Place first = Place::Memory;
    unsigned line_log2 = 0;  // of the first
  };

  void add(const char* name, const CacheGeometry& geometry, Cache& cache);
  [[nodiscard]] Way make_way(std::initializer_list<Place> places) const;
  [[nodiscard]] const Way& way_of(Touch touch) const {
    if (touch.is_fetch()) return fetch_;
    return touch.origin == Origin::Walker ? walk_ : data_;
  }
  static bool touch_line(Cache& cache, PhysAddr address);
  Place look_up_line(const Way& way, PhysAddr address);

  std::array<Cache, kCaches> caches_;
  Way data_;
  Way fetch_;
  Way walk_;
  std::array<std::array<uint64_t, kPlaces>, kOrigins> hits_{};
};

}  // namespace mmusim::mem

#endif  // MMUSIM_MEM_CACHE_H_
