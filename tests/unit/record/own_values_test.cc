#include "record/own_values.h"

#include <gtest/gtest.h>

namespace mmusim::record {
namespace own_values_test {

// Bits of one's own, and what <asm-generic/mman.h> has for them.
TEST(OwnValues, OfAlphasMmap) {
  EXPECT_EQ(alpha_mmap_flags(0x2 | 0x10), 0x22U);                    // private, anonymous
  EXPECT_EQ(alpha_mmap_flags(0x1 | 0x100), 0x11U);                   // shared, fixed
  EXPECT_EQ(alpha_mmap_flags(0x10000), 0x4000U);                     // no reserve
  EXPECT_EQ(alpha_mmap_flags(0x100000), 0x40000U);                   // hugetlb
  EXPECT_EQ(alpha_mmap_flags(0x200000 | 0x2), 0x100002U);            // fixed, no replace
  EXPECT_EQ(alpha_mmap_flags(0x1000 | 0x2), 0x102U);                 // grows down
  EXPECT_EQ(alpha_mmap_flags(0x8000 | 0x20000), 0x2000U | 0x8000U);  // locked, populate
}

TEST(OwnValues, OfPowersAndSparcsMmap) {
  EXPECT_EQ(power_mmap_flags(0x22 | 0x40 | 0x80), 0x22U | 0x4000U | 0x2000U);
  EXPECT_EQ(power_mmap_flags(0x122), 0x122U);
  EXPECT_EQ(sparc_mmap_flags(0x22 | 0x40 | 0x100), 0x22U | 0x4000U | 0x2000U);
  EXPECT_EQ(sparc_mmap_flags(0x222), 0x122U);  // grows down
  EXPECT_EQ(sparc_mmap_flags(0x82), 0x2U);     // inherit is nothing
  EXPECT_EQ(sparc_mmap_flags(0x100010), 0x100010U);
}

TEST(OwnValues, OfOtherCalls) {
  EXPECT_EQ(alpha_advice(6), 4U);  // dontneed
  EXPECT_EQ(alpha_advice(8), 8U);
  EXPECT_EQ(alpha_sync_flags(1 | 2), 5U);               // async, sync
  EXPECT_EQ(alpha_sync_flags(4), 2U);                   // invalidate
  EXPECT_EQ(high_lock_all_flags(0x2000 | 0x8000), 5U);  // current, on fault
}

TEST(OwnValues, OfErrors) {
  EXPECT_EQ(alpha_error(12), 12U);  // no memory
  EXPECT_EQ(alpha_error(35), 11U);  // again
  EXPECT_EQ(alpha_error(11), 35U);  // deadlock
  EXPECT_EQ(alpha_error(78), 38U);  // no such call
  EXPECT_EQ(alpha_error(112), 75U);
  EXPECT_EQ(sparc_error(11), 11U);  // again
  EXPECT_EQ(sparc_error(78), 35U);
  EXPECT_EQ(sparc_error(90), 38U);
  EXPECT_EQ(sparc_error(45), 95U);  // not supported
}

}  // namespace own_values_test
}  // namespace mmusim::record
