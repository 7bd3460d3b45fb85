#include "mmu/numbers.h"

#include <gtest/gtest.h>
#include <vector>

namespace mmusim::mmu {
namespace numbers_test {

constexpr uint32_t kEnd = 8;

Numbers all_given() {
  Numbers numbers(kEnd);
  for (uint32_t number = 1; number < kEnd; ++number) {
    EXPECT_EQ(numbers.free_from(1), number);
    numbers.give(number, MmId(100 + number));
  }
  return numbers;
}

TEST(Numbers, AreGivenFromOneUntilThereAreNone) {
  const Numbers numbers = all_given();
  EXPECT_EQ(numbers.free_from(1), std::nullopt);
  EXPECT_EQ(numbers.owner(0), kNobody);
  EXPECT_EQ(numbers.owner(1), MmId(101));
  EXPECT_EQ(numbers.owner(kEnd - 1), MmId(107));
  EXPECT_EQ(numbers.owner(kEnd), kNobody);
}

TEST(Numbers, GivenBackAreFreeAtOnceAndFoundFromWhereOneLooks) {
  Numbers numbers = all_given();
  numbers.release(6);
  numbers.release(3);
  EXPECT_EQ(numbers.owner(3), kNobody);
  EXPECT_EQ(numbers.free_from(1), 3u);
  EXPECT_EQ(numbers.free_from(4), 6u);
  EXPECT_EQ(numbers.free_from(7), std::nullopt);
  numbers.give(3, MmId(9));
  EXPECT_EQ(numbers.free_from(1), 6u);
  numbers.give(6, MmId(9));
  EXPECT_EQ(numbers.free_from(1), std::nullopt);
}

// One behind those given out so far leaves free ones in between.
TEST(Numbers, MayBeGivenInAnyOrder) {
  Numbers numbers(kEnd);
  numbers.give(5, MmId(1));
  EXPECT_EQ(numbers.free_from(1), 1u);
  EXPECT_EQ(numbers.free_from(5), 6u);
  numbers.give(1, MmId(2));
  EXPECT_EQ(numbers.free_from(1), 2u);
}

TEST(Numbers, RetiredOnesAreNobodysAndNotFree) {
  Numbers numbers = all_given();
  numbers.retire(2);
  EXPECT_EQ(numbers.owner(2), kNobody);
  EXPECT_EQ(numbers.free_from(1), std::nullopt);
  numbers.free_retired();
  EXPECT_EQ(numbers.free_from(1), 2u);
  EXPECT_EQ(numbers.free_from(3), std::nullopt);
}

TEST(Numbers, AllButSomeAreFree) {
  Numbers numbers = all_given();
  numbers.keep_only(std::vector<uint32_t>{1, 4});
  EXPECT_EQ(numbers.owner(4), MmId(104));
  EXPECT_EQ(numbers.owner(5), kNobody);
  EXPECT_EQ(numbers.free_from(1), 2u);
  EXPECT_EQ(numbers.free_from(4), 5u);
}

}  // namespace numbers_test
}  // namespace mmusim::mmu
