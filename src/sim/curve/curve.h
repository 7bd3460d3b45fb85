// What TLBs of every size would miss on a trace: exact counts of one pass.
//
// The trace goes through a machine's kernel and page tables, whose TLBs are replaced by one that is
// of every size at once (tlb/lru_family.h), holds nothing but the program's pages, all of one size,
// and is flushed when the kernel says so, and of what it says. It knows any number of address
// spaces.
//
// Or it stands behind a first level of one size, as a second level does: it is told of what that
// misses, and of the same flushes. What a first level misses does not hang on the second where they
// neither include nor exclude each other, so the counts are exact for second levels of every size.
#ifndef MMUSIM_SIM_CURVE_CURVE_H_
#define MMUSIM_SIM_CURVE_CURVE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"
#include "sim/replay_result.h"
#include "tlb/lru_family.h"

namespace mmusim::sim {

// A set-associative LRU TLB.
struct FirstLevel {
  unsigned sets = 0;  // a power of two
  unsigned ways = 0;
};

struct CurveOptions {
  std::vector<PageShift> pages;  // none: the machine's base page
  bool unified = false;  // also of both sides together, which without a first level takes longer
  // What stands before it: for fetches, and for data.
  std::optional<std::array<FirstLevel, 2>> behind = std::nullopt;

  // Whether a TLB that is looked up first serves both sides.
  [[nodiscard]] bool shared() const { return unified && !behind; }
};

// Pages may be as large as this, and not smaller than the machine's.
inline constexpr PageShift kLargestCurvePage{36};

enum class CurveSide : uint8_t { Fetches, Data, Unified };
const char* name_of(CurveSide side);

struct Curve {
  CurveSide side = CurveSide::Fetches;
  PageShift page;
  uint64_t lookups = 0;  // as a replay counts them: behind a first level, its misses
  tlb::LruMisses misses;
};

struct Curves : Replayed {
  std::vector<Curve> curves;  // by page size as asked for, then by side
  std::optional<std::array<FirstLevel, 2>> behind;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_CURVE_CURVE_H_
