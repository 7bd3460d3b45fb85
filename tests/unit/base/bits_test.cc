#include "base/bits.h"

#include <gtest/gtest.h>

namespace mmusim {
namespace bits_test {

TEST(BitField, ReadsAndWritesOnlyItsOwnBits) {
  using Frame = BitField<12, 40>;
  EXPECT_EQ(Frame::kMask, 0x000ffffffffff000u);
  EXPECT_EQ(Frame::get(0x8000123456789025u), 0x123456789u);
  EXPECT_EQ(Frame::set(0xffffffffffffffffu, 0), 0xfff0000000000fffu);
  // A value too wide for the field must not leak into its neighbours.
  EXPECT_EQ(Frame::set(0, ~uint64_t{0}), Frame::kMask);
}

TEST(BitField, CoversAWholeWordAndItsLastBit) {
  EXPECT_EQ((BitField<0, 64>::kMask), ~uint64_t{0});
  EXPECT_EQ((BitField<0, 64>::set(5, 7)), 7u);
  EXPECT_EQ(BitField<63>::set(0, 1), uint64_t{1} << 63);
  EXPECT_EQ(BitField<63>::get(uint64_t{1} << 63), 1u);
}

TEST(Bits, PowersOfTwoAndLogarithms) {
  EXPECT_FALSE(is_power_of_two(0));
  EXPECT_TRUE(is_power_of_two(1));
  EXPECT_FALSE(is_power_of_two(6));
  EXPECT_TRUE(is_power_of_two(uint64_t{1} << 63));
  EXPECT_EQ(log2_floor(1), 0u);
  EXPECT_EQ(log2_floor(4095), 11u);
  EXPECT_EQ(log2_floor(4096), 12u);
  EXPECT_EQ(log2_floor(~uint64_t{0}), 63u);
}

}  // namespace bits_test
}  // namespace mmusim
