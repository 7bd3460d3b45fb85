// A hierarchy of up to three data caches in front of simulated memory, looked up by physical
// address.
//
// Each level is set-associative with true LRU and allocates on reads and writes alike. A reference
// asks L1, then L2, then L3; where it misses, the line is filled in, so that after any reference
// the line is the most recently used one of its set in every level asked. Levels below the one that
// hit are neither asked nor updated, and an eviction in one level has no effect on the others
// (neither inclusive nor exclusive). Write-backs are not modelled: they delay no translation. All
// CPUs of a machine share the one hierarchy. Only counts: no data. Not thread-safe.
#ifndef MMUSIM_MEM_CACHE_H_
#define MMUSIM_MEM_CACHE_H_

#include <array>
#include <cstdint>
#include <vector>

#include "base/types.h"
#include "config/schema.h"
#include "mem/sink.h"

namespace mmusim::mem {

inline constexpr unsigned kCacheLevels = 3;

struct CacheGeometry {
  uint64_t bytes = 0;  // 0: there is no such level
  uint64_t ways = 1;
};

class CacheHierarchy {
 public:
  // Errors: UsageError, naming the key, unless the line is a power of two, ways divide the lines,
  // the sets are a power of two, and at least one level exists.
  CacheHierarchy(const std::array<CacheGeometry, kCacheLevels>& levels, uint64_t line);

  // The level the line was found in: 0..2, or kCacheLevels for memory.
  unsigned look_up(PhysAddr address, Origin origin);
  // `count` references that follow one to the same line: they hit in the first level there is.
  void repeat(uint64_t count, Origin origin) {
    hits_[static_cast<unsigned>(origin)][first_level_] += count;
  }

  [[nodiscard]] uint64_t line_bytes() const { return uint64_t{1} << line_log2_; }
  // References of `origin` served by `level` (kCacheLevels: by memory).
  [[nodiscard]] uint64_t hits(Origin origin, unsigned level) const {
    return hits_[static_cast<unsigned>(origin)][level];
  }
  [[nodiscard]] bool has_level(unsigned level) const { return levels_[level].ways != 0; }

 private:
  struct Level {
    uint64_t ways = 0;  // 0: absent
    uint64_t set_mask = 0;
    std::vector<uint64_t> lines;  // per set: line number + 1, most recently used first; 0 is empty
  };
  static bool touch(Level& level, uint64_t line);

  std::array<Level, kCacheLevels> levels_;
  unsigned line_log2_;
  unsigned first_level_ = 0;
  std::array<std::array<uint64_t, kCacheLevels + 1>, kOrigins> hits_{};
};

}  // namespace mmusim::mem

#endif  // MMUSIM_MEM_CACHE_H_
