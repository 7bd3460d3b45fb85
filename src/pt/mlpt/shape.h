// The geometry of a multi-level page table, checked and with what follows from it worked out. One
// per factory, shared by its tables. Immutable.
#ifndef MMUSIM_PT_MLPT_SHAPE_H_
#define MMUSIM_PT_MLPT_SHAPE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "pt/page_table.h"

namespace mmusim::pt::mlpt {

inline constexpr unsigned kLeastLevels = 2;
inline constexpr unsigned kMostLevels = 5;

// What pt.mlpt.levels says: "shift:bits[:leaf]" per level from the leaf level up, separated by
// commas. Errors: UsageError naming the key.
RadixGeometry parse_levels(std::string_view text);

class Shape {
 public:
  struct Level {
    unsigned shift = 0;  // log2 of the bytes one entry covers
    unsigned span = 0;   // log2 of the bytes one table covers
    uint64_t entries = 0;
    uint64_t table_bytes = 0;  // at least a page
    bool leaf_allowed = false;
  };

  // Errors: UsageError with `where`, for a geometry that cannot be.
  Shape(RadixGeometry geometry, PageShift page, const std::string& where);

  [[nodiscard]] const RadixGeometry& geometry() const { return geometry_; }
  [[nodiscard]] const Level& level(unsigned i) const { return levels_[i]; }
  [[nodiscard]] unsigned top() const { return static_cast<unsigned>(levels_.size()) - 1; }
  [[nodiscard]] uint64_t index(VirtAddr va, unsigned i) const {
    return va.value() >> levels_[i].shift & (levels_[i].entries - 1);
  }
  // The highest address the table can map.
  [[nodiscard]] VirtAddr last() const { return last_; }
  // The level whose leaves have this size; -1: there is none.
  [[nodiscard]] int leaf_level(PageShift size) const;
  // The largest leaf size below level i's. REQUIRES: i > 0.
  [[nodiscard]] PageShift leaf_size_below(unsigned i) const;
  [[nodiscard]] PageShift size(unsigned i) const { return PageShift(levels_[i].shift); }

 private:
  RadixGeometry geometry_;
  std::vector<Level> levels_;
  VirtAddr last_;
};

}  // namespace mmusim::pt::mlpt

#endif  // MMUSIM_PT_MLPT_SHAPE_H_
