#include "pt/mlpt/shape.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/bits.h"
#include "base/error.h"
#include "base/units.h"
#include "mem/frames.h"

namespace mmusim::pt::mlpt {
namespace {

constexpr const char* kKey = "pt.mlpt.levels";
constexpr const char* kHint = "for example 12:9:leaf,21:9:leaf,30:9:leaf,39:9";

// The text up to the next `separator`, which is taken off `rest` with it.
std::string_view cut(std::string_view& rest, char separator) {
  const size_t at = rest.find(separator);
  const std::string_view piece = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 1);
  return piece;
}

unsigned bits(std::string_view text, std::string_view level) {
  const std::optional<uint64_t> value = parse_size(text);
  if (!value || *value > 64)
    throw UsageError(
        kKey, fmt::format("\"{}\" in level \"{}\" is not a number of bits", text, level), kHint);
  return static_cast<unsigned>(*value);
}

}  // namespace

RadixGeometry parse_levels(std::string_view text) {
  RadixGeometry geometry;
  if (!text.empty() && text.back() == ',')
    throw UsageError(kKey, "a level is missing after the last comma", kHint);
  while (!text.empty()) {
    const std::string_view whole = cut(text, ',');
    std::string_view rest = whole;
    RadixLevel level;
    level.shift = bits(cut(rest, ':'), whole);
    level.index_bits = bits(cut(rest, ':'), whole);
    constexpr std::string_view kRegion = "region";
    if (rest.substr(0, kRegion.size()) == kRegion) {
      level.region_bits = bits(rest.substr(kRegion.size()), whole);
    } else if (rest == "signed") {
      level.region_bits = 1;
      level.sign_extended = true;
    } else if (rest == "leaf") {
      level.leaf_allowed = true;
    } else if (!rest.empty()) {
      throw UsageError(kKey, fmt::format("\"{}\" in level \"{}\" is not \"leaf\"", rest, whole),
                       kHint);
    }
    geometry.push_back(level);
  }
  return geometry;
}

Shape::Shape(RadixGeometry geometry, PageShift page, const std::string& where, unsigned entry_bytes)
    : geometry_(std::move(geometry)) {
  if (geometry_.size() < kLeastLevels || geometry_.size() > kMostLevels)
    throw UsageError(where, fmt::format("a multi-level page table has {} to {} levels, not {}",
                                        kLeastLevels, kMostLevels, geometry_.size()));
  if (!geometry_[0].leaf_allowed)
    throw UsageError(where, "the lowest level must allow leaves", "write \":leaf\" behind it");
  const unsigned entry_log2 = log2_floor(entry_bytes);
  unsigned shift = page.log2();
  for (const RadixLevel& level : geometry_) {
    if (level.shift != shift)
      throw UsageError(
          where, fmt::format("a level's entries must cover 2^{} bytes to join on to {}, not "
                             "2^{}",
                             shift, levels_.empty() ? "the page" : "the level below", level.shift));
    const unsigned most = page.log2() + mem::FrameMemory::kMaxOrder - entry_log2;
    if (level.index_bits < 1 || level.index_bits > most)
      throw UsageError(where, fmt::format("a table's index must have 1 to {} bits, not {}", most,
                                          level.index_bits));
    if (level.region_bits != 0 && &level != &geometry_.back())
      throw UsageError(where, "only the highest level can be indexed by regions");
    if (level.region_bits >= level.index_bits && level.region_bits != 0)
      throw UsageError(where, fmt::format("{} of {} index bits cannot be the region's: one must be "
                                          "left",
                                          level.region_bits, level.index_bits));
    const unsigned entries_log2 = level.index_bits + entry_log2;
    if (level.table_log2 != 0 && level.table_log2 < entries_log2)
      throw UsageError(where, fmt::format("2^{} entries do not fit a table of 2^{} bytes",
                                          level.index_bits, level.table_log2));
    shift += level.index_bits;
    if (shift > 64) throw UsageError(where, "the levels cover more than 64 address bits");
    levels_.push_back({.shift = level.shift,
                       .span = shift,
                       .entries = uint64_t{1} << level.index_bits,
                       .table_bytes = level.table_log2 != 0
                                          ? uint64_t{1} << level.table_log2
                                          : std::max(page.bytes(), uint64_t{1} << entries_log2),
                       .leaf_allowed = level.leaf_allowed});
  }
  flat_last_ = ~uint64_t{0} >> (64 - shift);
  region_bits_ = shift == 64 ? 0 : geometry_.back().region_bits;  // no hole: plain addresses
  offset_mask_ = flat_last_ >> region_bits_;
  sign_extended_ = region_bits_ != 0 && geometry_.back().sign_extended;
}

VirtRange Shape::beyond(VirtAddr va) const {
  if (region_bits_ == 0) return {last() + 1, VirtAddr(~uint64_t{0})};
  if (sign_extended_) return {VirtAddr(offset_mask_ + 1), VirtAddr(~offset_mask_)};
  const uint64_t begin = region_of(va) << (64 - region_bits_);
  const uint64_t next = begin + (uint64_t{1} << (64 - region_bits_));  // 0 behind the last region
  return {VirtAddr(begin + offset_mask_ + 1), VirtAddr(next == 0 ? ~uint64_t{0} : next)};
}

uint64_t Shape::flat_from(VirtAddr va) const {
  if (maps(va)) return flat_of(va);
  if (sign_extended_) return offset_mask_ + 1;
  return region_bits_ == 0 ? va.value() : (region_of(va) + 1) << offset_bits();
}

uint64_t Shape::flat_up_to(VirtAddr va) const {
  if (maps(va)) return flat_of(va);
  if (sign_extended_) return offset_mask_;
  return region_bits_ == 0 ? flat_last_ : (region_of(va) << offset_bits()) | offset_mask_;
}

int Shape::leaf_level(PageShift size) const {
  for (unsigned i = 0; i < levels_.size(); ++i)
    if (levels_[i].shift == size.log2() && levels_[i].leaf_allowed) return static_cast<int>(i);
  return -1;
}

PageShift Shape::leaf_size_below(unsigned i) const {
  MMUSIM_ASSERT(i > 0);
  do
    --i;
  while (!levels_[i].leaf_allowed);
  return size(i);
}

}  // namespace mmusim::pt::mlpt
