#include "base/error.h"

#include <gtest/gtest.h>

namespace mmusim {
namespace error_test {

TEST(Error, SaysWhereWhatAndWhatToDo) {
  EXPECT_STREQ(Error("a.mmt:12", "checksum is wrong", "record it again").what(),
               "a.mmt:12: checksum is wrong (record it again)");
  EXPECT_STREQ(Error("", "interrupted").what(), "interrupted");
}

TEST(Error, ExitStatusTellsUsageFromFailure) {
  EXPECT_EQ(Error("f", "w").exit_status(), 1);
  EXPECT_EQ(UsageError("f", "w").exit_status(), 2);
  EXPECT_EQ(Error("f", "w", "", 130).exit_status(), 130);
}

TEST(AssertionDeathTest, NamesTheExpressionAndAborts) {
  const int one = 1;
  EXPECT_DEATH(MMUSIM_ASSERT(one == 2), "internal error: one == 2 at .*error_test");
}

}  // namespace error_test
}  // namespace mmusim
