// Bit fields of hardware words: a field is named once, by its lowest bit and width, and then read
// and written.
#ifndef MMUSIM_BASE_BITS_H_
#define MMUSIM_BASE_BITS_H_

#include <bit>
#include <cstdint>

namespace mmusim {

// Bits Low .. Low+Width-1 of a 64-bit word, bit 0 being the least significant.
template <unsigned Low, unsigned Width = 1>
struct BitField {
  static_assert(Width >= 1 && Low + Width <= 64);
  static constexpr unsigned kLow = Low;
  static constexpr unsigned kWidth = Width;
  static constexpr uint64_t kUnshifted = Width == 64 ? ~uint64_t{0} : (uint64_t{1} << Width) - 1;
  static constexpr uint64_t kMask = kUnshifted << Low;
  static constexpr uint64_t get(uint64_t word) { return (word >> Low) & kUnshifted; }
  static constexpr uint64_t set(uint64_t word, uint64_t value) {
    return (word & ~kMask) | ((value & kUnshifted) << Low);
  }
};

constexpr bool is_power_of_two(uint64_t value) {
  return std::has_single_bit(value);
}

// Floor of the base-2 logarithm. REQUIRES: value > 0.
constexpr unsigned log2_floor(uint64_t value) {
  return 63u - static_cast<unsigned>(std::countl_zero(value));
}

}  // namespace mmusim

#endif  // MMUSIM_BASE_BITS_H_
