#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <type_traits>

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

void fail() {
  const int one = 1;
  MMUSIM_ASSERT(one == 2);
}

TEST(Assertion, NamesTheExpressionAndThePlace) {
  try {
    fail();
    FAIL();
  } catch (const InternalError& failure) {
    EXPECT_THAT(failure.what(),
                testing::MatchesRegex("internal error: one == 2 at .*error_test.*:[0-9]+; please "
                                      "report this"));
  }
}

TEST(Assertion, KeptByADestructorLeavesNoResult) {
  struct Whole {
    bool broken = true;
    ~Whole() {
      take_apart([this] { MMUSIM_ASSERT(!broken); });
    }
  };
  EXPECT_EQ(to_its_end([] {
              const Whole whole{.broken = false};
              return 5;
            }),
            5);
  EXPECT_THROW(to_its_end([] {
                 const Whole whole;
                 return 5;
               }),
               InternalError);
  EXPECT_THROW(to_its_end([] { const Whole whole; }), InternalError);
  to_its_end([] {});  // nothing of theirs is left
}

TEST(Assertion, IsNoErrorOfTheUser) {
  EXPECT_FALSE((std::is_base_of_v<Error, InternalError>));
}

struct Fragile {
  bool broken = true;
  ~Fragile() {
    take_apart([this] { MMUSIM_ASSERT(!broken); });
  }
};

TEST(Assertion, OfADestructorIsAFailureOfItsRun) {
  EXPECT_EQ(failure_of([] { const Fragile whole{.broken = false}; }), "");
  EXPECT_THAT(failure_of([] { const Fragile broken; }), testing::HasSubstr("!broken"));
  EXPECT_EQ(failure_of([] {}), "") << "of the run before";
}

TEST(Assertion, WhatFollowsFromAFailureIsNotWhatIsSaid) {
  const std::string failure = failure_of([] {
    const Fragile one;
    const Fragile other;
    fail();
  });
  EXPECT_THAT(failure, testing::HasSubstr("one == 2"));
  EXPECT_EQ(kept_failure(), "");
}

TEST(Assertion, ErrorsOfTheUserPassThroughARun) {
  EXPECT_THROW(failure_of([] { throw UsageError("a", "b"); }), UsageError);
}

TEST(Assertion, EachThreadKeepsItsOwn) {
  std::string other;
  std::thread thread([&] { other = failure_of([] { const Fragile broken; }); });
  thread.join();
  EXPECT_THAT(other, testing::HasSubstr("!broken"));
  EXPECT_EQ(kept_failure(), "");
}

}  // namespace error_test
}  // namespace mmusim
