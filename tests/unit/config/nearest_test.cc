#include "config/nearest.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace mmusim::config {
namespace nearest_test {

TEST(Nearest, CountsEdits) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("sitting", "kitten"), 3u);
  EXPECT_EQ(edit_distance("ways", "wasy"), 1u);  // a swap is one slip
  EXPECT_EQ(edit_distance("ca", "abc"), 3u);
}

TEST(Nearest, PicksTheFirstOfTheClosest) {
  const std::vector<std::string> words{"replay", "run", "list", "trace"};
  EXPECT_EQ(nearest("reply", words), "replay");
  EXPECT_EQ(nearest("lits", words), "list");
  EXPECT_EQ(nearest("", words), "run");
  EXPECT_EQ(nearest("x", {}), "");
}

TEST(Nearest, SuggestsOnlyWhatCouldBeASlip) {
  const std::vector<std::string> words{"replay", "run", "list", "trace"};
  EXPECT_EQ(suggestion("rplay", words), "did you mean 'replay'?");
  EXPECT_EQ(suggestion("quantum", words), "");
  EXPECT_EQ(suggestion("x", {}), "");
}

TEST(Nearest, LongWordsCostLittle) {
  const std::string hostile(50'000'000, 'a');
  EXPECT_EQ(suggestion(hostile, std::vector<std::string>{"replay"}), "");
}

}  // namespace nearest_test
}  // namespace mmusim::config
