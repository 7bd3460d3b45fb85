// The geometry of a multi-level page table, checked and with what follows from it worked out. One
// per factory, shared by its tables. Immutable.
#ifndef MMUSIM_PT_MLPT_SHAPE_H_
#define MMUSIM_PT_MLPT_SHAPE_H_

#include <bit>
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
// commas; the highest may be "shift:bits:regionN", N being its region_bits, or "shift:bits:signed".
// Errors: UsageError naming the key.
RadixGeometry parse_levels(std::string_view text);

class Shape {
 public:
  struct Level {
    unsigned shift = 0;  // log2 of the bytes one entry covers
    unsigned span = 0;   // log2 of the bytes one table covers
    uint64_t entries = 0;
    uint64_t table_bytes = 0;  // at least a page, unless the geometry says how many
    bool leaf_allowed = false;
  };

  // Errors: UsageError with `where`, for a geometry that cannot be.
  Shape(RadixGeometry geometry, PageShift page, const std::string& where,
        unsigned entry_bytes = sizeof(Entry));

  [[nodiscard]] const RadixGeometry& geometry() const { return geometry_; }
  [[nodiscard]] const Level& level(unsigned i) const { return levels_[i]; }
  [[nodiscard]] unsigned top() const { return static_cast<unsigned>(levels_.size()) - 1; }
  // REQUIRES: maps(va).
  [[nodiscard]] uint64_t index(VirtAddr va, unsigned i) const {
    const uint64_t flat = region_bits_ != 0 && i == top() ? flat_of(va) : va.value();
    return flat >> levels_[i].shift & (levels_[i].entries - 1);
  }
  // The highest address the table can map.
  [[nodiscard]] VirtAddr last() const { return address_of(flat_last_); }
  // Whether the table has a place for the address.
  [[nodiscard]] bool maps(VirtAddr va) const {
    if (region_bits_ == 0) return va.value() <= flat_last_;
    return (offset_in_region(va) ^ extension(region_of(va))) <= offset_mask_;
  }
  // A range around `va` for which it has none. REQUIRES: !maps(va).
  [[nodiscard]] VirtRange beyond(VirtAddr va) const;

  // Where addresses come in regions, the table lies over them as if nothing were in between: over
  // *flat* addresses, region number and offset joined, in the same order. Elsewhere flat addresses
  // are the addresses.
  [[nodiscard]] uint64_t flat_last() const { return flat_last_; }
  // REQUIRES: maps(va).
  [[nodiscard]] uint64_t flat_of(VirtAddr va) const {
    if (region_bits_ == 0) return va.value();
    return (va.value() & offset_mask_) | region_of(va) << offset_bits();
  }
  [[nodiscard]] VirtAddr address_of(uint64_t flat) const {
    if (region_bits_ == 0) return VirtAddr(flat);
    const uint64_t region = flat >> offset_bits();
    return VirtAddr((flat & offset_mask_) | extension(region) | region << (64 - region_bits_));
  }
  // Of any address: the flat address of the next one, from itself on, that has a place (past
  // flat_last(): there is none); and of the last one up to itself.
  [[nodiscard]] uint64_t flat_from(VirtAddr va) const;
  [[nodiscard]] uint64_t flat_up_to(VirtAddr va) const;

  // The level whose leaves have this size; -1: there is none.
  [[nodiscard]] int leaf_level(PageShift size) const;
  // The largest leaf size below level i's. REQUIRES: i > 0.
  [[nodiscard]] PageShift leaf_size_below(unsigned i) const;
  [[nodiscard]] PageShift size(unsigned i) const { return PageShift(levels_[i].shift); }

 private:
  [[nodiscard]] unsigned offset_bits() const {
    return static_cast<unsigned>(std::popcount(offset_mask_));
  }
  [[nodiscard]] uint64_t region_of(VirtAddr va) const { return va.value() >> (64 - region_bits_); }
  [[nodiscard]] uint64_t offset_in_region(VirtAddr va) const {
    return va.value() << region_bits_ >> region_bits_;
  }

  // What the bits between region number and offset are.
  [[nodiscard]] uint64_t extension(uint64_t region) const {
    return sign_extended_ && region != 0 ? ~uint64_t{0} >> region_bits_ & ~offset_mask_ : 0;
  }

  RadixGeometry geometry_;
  std::vector<Level> levels_;
  bool sign_extended_ = false;
  uint64_t flat_last_ = 0;
  unsigned region_bits_ = 0;
  uint64_t offset_mask_ = 0;  // of a place in a region; where there are none, of any address
};

}  // namespace mmusim::pt::mlpt

#endif  // MMUSIM_PT_MLPT_SHAPE_H_
