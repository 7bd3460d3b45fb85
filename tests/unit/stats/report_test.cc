#include "stats/report.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace mmusim::stats {
namespace report_test {

TEST(Report, KeepsCountersInOrderAndFindsThem) {
  Report report;
  report.add("tlb.l1d.misses", 3, "accesses", "Look-ups that found nothing.", "tlb.l1d.lookups");
  report.add("tlb.l1d.lookups", 10, "accesses", "Look-ups.");
  ASSERT_EQ(report.counters().size(), 2u);
  EXPECT_EQ(report.counters()[0].name, "tlb.l1d.misses");
  EXPECT_EQ(report.value("tlb.l1d.lookups"), 10u);
  ASSERT_NE(report.find("tlb.l1d.misses"), nullptr);
  EXPECT_EQ(report.find("tlb.l1d.misses")->denominator, "tlb.l1d.lookups");
  EXPECT_EQ(report.find("tlb.l1d"), nullptr);
}

TEST(Report, OneNameOneCounter) {
  Report report;
  report.add("a", 1, "events", "");
  EXPECT_THROW(report.add("a", 2, "events", ""), InternalError);
  EXPECT_THROW(static_cast<void>(report.value("b")), InternalError);
}

}  // namespace report_test
}  // namespace mmusim::stats
