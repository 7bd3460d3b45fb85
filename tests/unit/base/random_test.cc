#include "base/random.h"

#include <array>
#include <gtest/gtest.h>

namespace mmusim {
namespace random_test {

// The first outputs for seed 1234567, as published with the generator's reference program.
TEST(Random, IsSplitMix64) {
  Random random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);
  EXPECT_EQ(random.next(), 3203168211198807973u);
  EXPECT_EQ(random.next(), 9817491932198370423u);
}

TEST(Random, BelowStaysBelowAndReachesEverything) {
  Random random(1);
  std::array<unsigned, 6> seen{};
  for (int i = 0; i < 6000; ++i)
    ++seen.at(random.below(6));
  for (const unsigned count : seen) {
    EXPECT_GT(count, 850u);
    EXPECT_LT(count, 1150u);
  }
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(random.below(1), 0u);
  EXPECT_LT(random.below(uint64_t{1} << 63), uint64_t{1} << 63);
}

}  // namespace random_test
}  // namespace mmusim
