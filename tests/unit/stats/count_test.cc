#include "stats/count.h"

#include <array>
#include <gtest/gtest.h>
#include <type_traits>

namespace mmusim::stats {
namespace count_test {

struct Looks {
  Count lookups{"a.lookups", "lookups", "Looks."};
  Count hidden;
  Count hits{"a.hits", "lookups", "... that found something.", "a.lookups"};
};
struct More {
  std::array<Count, 2> causes{{{"b.first", "events", "One."}, {"b.second", "events", "Two."}}};
};
struct All : Looks, More {};

TEST(Count, IsReportedAsDeclaredInThatOrder) {
  All all;
  ++all.lookups;
  all.lookups += 4;
  all.hits = 2;
  all.hidden = 9;
  ++all.causes[1];
  Report out;
  report(all, out);
  const auto& counters = out.counters();
  ASSERT_EQ(counters.size(), 4u);  // what has no name is not told
  EXPECT_EQ(counters[0].name, "a.lookups");
  EXPECT_EQ(counters[0].value, 5u);
  EXPECT_EQ(counters[1].name, "a.hits");
  EXPECT_EQ(counters[1].unit, "lookups");
  EXPECT_EQ(counters[1].meaning, "... that found something.");
  EXPECT_EQ(counters[1].denominator, "a.lookups");
  EXPECT_EQ(counters[2].value, 0u);
  EXPECT_EQ(counters[3].name, "b.second");
  EXPECT_EQ(counters[3].value, 1u);
}

TEST(Count, SumsHaveEveryPartAndTheirOwnNames) {
  All sum;
  All one;
  one.lookups = 3;
  one.hidden = 5;
  one.causes[0] = 7;
  add(sum, one);
  add(sum, one);
  EXPECT_EQ(sum.lookups, 6u);
  EXPECT_EQ(sum.hidden, 10u);
  EXPECT_EQ(sum.hits, 0u);
  EXPECT_EQ(sum.causes[0], 14u);
  EXPECT_STREQ(sum.causes[0].name, "b.first");
  EXPECT_EQ(one.lookups, 3u);
}

// `most = now` would go on under the name of `now`.
static_assert(!std::is_assignable_v<Count&, const Count&>);
static_assert(std::is_assignable_v<Count&, uint64_t>);
// A number that says nothing of itself cannot slip in.
struct Mixed {
  Count count;
  uint64_t number = 0;
};
static_assert(!MadeOfCounts<Mixed> && MadeOfCounts<All>);

}  // namespace count_test
}  // namespace mmusim::stats
