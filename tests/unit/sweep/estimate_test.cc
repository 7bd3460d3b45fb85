#include "sweep/estimate.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "sim/simulation.h"

namespace mmusim::sweep {
namespace estimate_test {

class EstimateTest : public testing::Test {
 protected:
  EstimateTest() { sim::declare(schema_); }
  // Of the shipped trace, on machines with first-level TLBs of so many entries.
  std::vector<Point> points(const std::vector<std::string>& entries,
                            const std::string& limit) const {
    std::vector<Point> points;
    for (const std::string& some : entries) {
      config::Config config(schema_);
      config.set("tlb.l1d.entries", some, "test");
      config.set("run.limit", limit, "test");
      points.push_back({.varied = {},
                        .name = some,
                        .config = config,
                        .trace = MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt",
                        .id = some});
    }
    return points;
  }

  config::Schema schema_;
};

TEST_F(EstimateTest, WhatEndsInAMomentIsRunToItsEnd) {
  const Estimate told = estimate(points({"64", "32"}, "1000000"), {0, 1}, 1, 1000);
  EXPECT_EQ(told.share, 1);
  ASSERT_TRUE(told.seconds);
  EXPECT_GT(*told.seconds, 0);
  EXPECT_GT(told.bytes, 0u);
}

TEST_F(EstimateTest, OfTheRestOnlyAPartIsRun) {
  const Estimate told = estimate(points({"64", "32"}, "0"), {0, 1}, 2, 0);
  EXPECT_GT(told.share, 0);
  EXPECT_LT(told.share, 1);
  ASSERT_TRUE(told.seconds);
  EXPECT_GT(*told.seconds, 0);
}

// The limit leaves less to do, of which more is done at the first look.
TEST_F(EstimateTest, ALimitIsPartOfIt) {
  const Estimate all = estimate(points({"64"}, "0"), {0}, 1, 0);
  const Estimate limited = estimate(points({"64"}, "5000000"), {0}, 1, 0);
  EXPECT_GT(limited.share, all.share);
}

TEST_F(EstimateTest, WhatCannotBeRunTellsNothing) {
  std::vector<Point> none = points({"64"}, "0");
  none[0].trace = "/nowhere.mmt";
  EXPECT_FALSE(estimate(none, {0}, 1).seconds);
  EXPECT_EQ(estimate(none, {}, 1).seconds, 0);
}

}  // namespace estimate_test
}  // namespace mmusim::sweep
