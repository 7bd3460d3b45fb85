#include "report/text_table.h"

#include <gtest/gtest.h>

namespace mmusim::report {
namespace text_table_test {

TEST(TextTable, AlignsColumns) {
  TextTable table({"TLB", "lookups", "rate"});
  EXPECT_TRUE(table.empty());
  table.row({"l1d", "1,234,567", "1.20 %"});
  table.row({"a longer name", "5", ""});
  EXPECT_FALSE(table.empty());
  EXPECT_EQ(table.text(),
            "TLB              lookups    rate\n"
            "--------------------------------\n"
            "l1d            1,234,567  1.20 %\n"
            "a longer name          5\n");
}

TEST(TextTable, FirstColumnCanBeWider) {
  TextTable table({"a", "b"}, 5);
  table.row({"x", "1"});
  EXPECT_EQ(table.text(), "a      b\n--------\nx      1\n");
}

TEST(TextTable, TooWideForALineIsCutBetweenColumns) {
  const std::string wide(35, 'w');
  TextTable table({"name", "of", wide, "b", wide, "d"}, 0, 2);
  table.row({"x", "y", "1", "2", "3", "4"});
  EXPECT_EQ(table.text(),
            "name  of  wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww  b\n"
            "------------------------------------------------\n"
            "x      y                                    1  2\n"
            "\n"
            "name  of  wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww  d\n"
            "------------------------------------------------\n"
            "x      y                                    3  4\n");
}

TEST(TextTable, Numbers) {
  EXPECT_EQ(percent(1, 0), "-");
  EXPECT_EQ(percent(0, 5), "0 %");
  EXPECT_EQ(percent(1, 3), "33.33 %");
  EXPECT_EQ(percent(1, 100'000'000), "<0.001 %");
  EXPECT_EQ(percent(5, 5), "100.0 %");
  EXPECT_EQ(per_thousand(3, 2000), "1.500");
  EXPECT_EQ(per_one(9, 4), "2.250");
  EXPECT_EQ(per_one(1, 0), "-");
  EXPECT_EQ(readable_bytes(0), "0 B");
  EXPECT_EQ(readable_bytes(1023), "1023 B");
  EXPECT_EQ(readable_bytes(1536), "1.50 KiB");
  EXPECT_EQ(readable_bytes(uint64_t{20} << 20), "20.0 MiB");
  EXPECT_EQ(readable_bytes(~uint64_t{0}), "16777216.0 TiB");
}

}  // namespace text_table_test
}  // namespace mmusim::report
