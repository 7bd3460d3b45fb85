#include "report/workload_table.h"

#include <gtest/gtest.h>

namespace mmusim::report {
namespace workload_table_test {

using namespace sim::workload;

class Comparison : public ::testing::Test {
 protected:
  Comparison() {
    plan_ = unroll(
        parse("map a 4K\nmeasure \"one\" { touch a }\nmeasure \"two\" { unmap a }\n", "script"));
    mine_.measures = real_.measures = {{.minor_faults = 1}, {.areas = -1}};
  }
  Plan plan_;
  Outcome mine_;
  Outcome real_;
};

TEST_F(Comparison, OneLineSaysThatAllAgrees) {
  EXPECT_EQ(workload_verdict(plan_, mine_, real_, "Linux 6.18"),
            "2 measures and 3 results agree with Linux 6.18");
}

TEST_F(Comparison, DifferencesAreCountedAndShown) {
  real_.measures[0].minor_faults = 3;
  real_.add({2, Step::Kind::Touch, {2, 3}, 1});
  EXPECT_EQ(workload_verdict(plan_, mine_, real_, "Linux 6.18"),
            "2 of 2 measures and 3 results DIFFER from Linux 6.18");
  const std::string table = workload_comparison(plan_, mine_, real_);
  EXPECT_NE(table.find("one      main simulated      1"), std::string::npos) << table;
  EXPECT_NE(table.find("DIFFERENCE     -2"), std::string::npos) << table;
  EXPECT_NE(table.find("DIFFERENCE script:2:3: touch: simulated done, real 1 accesses refused"),
            std::string::npos)
      << table;
}

// What depends on the computer, not on its kernel.
TEST_F(Comparison, PeaksAndSwapAreShownOnly) {
  real_.measures[0].peak = 128;
  real_.measures[1].swap = 4;
  EXPECT_EQ(workload_differences(mine_, real_), 0u);
  const std::string table = workload_comparison(plan_, mine_, real_);
  EXPECT_NE(table.find("0 (real 128)"), std::string::npos) << table;
  EXPECT_NE(table.find("swap"), std::string::npos);
  real_.measures[1].major_faults = 1;
  EXPECT_EQ(workload_differences(mine_, real_), 1u);
}

TEST_F(Comparison, BytesOfAnotherKindOfPageTableAreShownOnly) {
  mine_.measures[0].tables = 8;
  real_.measures[0].tables = 12;
  EXPECT_EQ(workload_differences(mine_, real_), 1u);
  mine_.other_tables = true;
  EXPECT_EQ(workload_differences(mine_, real_), 0u);
  const std::string table = workload_comparison(plan_, mine_, real_);
  EXPECT_NE(table.find("8 (real 12)"), std::string::npos) << table;
  EXPECT_NE(table.find("not compared"), std::string::npos) << table;
  real_.measures[0].areas = 1;
  EXPECT_EQ(workload_differences(mine_, real_), 1u);
}

}  // namespace workload_table_test
}  // namespace mmusim::report
