#include "base/units.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace mmusim {
namespace units_test {

TEST(Units, ReadsSizesAsPeopleWriteThem) {
  EXPECT_EQ(parse_size("0"), 0u);
  EXPECT_EQ(parse_size("1000"), 1000u);
  EXPECT_EQ(parse_size("64K"), 65536u);
  EXPECT_EQ(parse_size("64KiB"), 65536u);
  EXPECT_EQ(parse_size("64kB"), 65536u);
  EXPECT_EQ(parse_size("2M"), 2097152u);
  EXPECT_EQ(parse_size("1G"), 1073741824u);
  EXPECT_EQ(parse_size("3T"), 3298534883328u);
  EXPECT_EQ(parse_size("0x1000"), 4096u);
  EXPECT_EQ(parse_size("0x10K"), 16384u);
  EXPECT_EQ(parse_size("64B"), 64u);
  EXPECT_EQ(parse_size("4kb"), 4096u);
  EXPECT_EQ(parse_size("4Kib"), 4096u);
  EXPECT_EQ(parse_size("7b"), 7u);
}

TEST(Units, CountsInPowersOf1000) {
  EXPECT_EQ(parse_count("1234"), 1234u);
  EXPECT_EQ(parse_count("1M"), 1000000u);
  EXPECT_EQ(parse_count("64k"), 64000u);
  EXPECT_EQ(parse_count("3T"), 3000000000000u);
  EXPECT_EQ(parse_count("18446744073709551615"), ~uint64_t{0});
  EXPECT_EQ(parse_count("18446744T"), 18446744000000000000u);
  for (const char* text : {"", "M", "1MB", "1B", "1MiB", "1.5M", "-1", "18446745T"})
    EXPECT_FALSE(parse_count(text)) << "'" << text << "'";
}

TEST(Units, RefusesWhatIsNoSize) {
  for (const char* text : {"", "K", "-1", "+1", " 1", "1 ", "1.5G", "1KK", "1Ki", "12Q", "0x",
                           "0x-1", "1e6", "1,000"}) {
    EXPECT_FALSE(parse_size(text)) << "'" << text << "'";
  }
}

TEST(Units, RefusesWhatDoesNotFitIn64Bits) {
  EXPECT_EQ(parse_size("18446744073709551615"), ~uint64_t{0});
  EXPECT_FALSE(parse_size("18446744073709551616"));
  EXPECT_EQ(parse_size("16777215T"), uint64_t{16777215} << 40);
  EXPECT_FALSE(parse_size("16777216T"));
}

TEST(Units, WritesTheShortestTextThatReadsBack) {
  EXPECT_EQ(format_size(0), "0");
  EXPECT_EQ(format_size(65536), "64K");
  EXPECT_EQ(format_size(1000), "1000");
  EXPECT_EQ(format_size(uint64_t{1} << 40), "1T");
  EXPECT_EQ(format_size(1536), "1536");
  EXPECT_EQ(format_size(3 << 19), "1536K");
  Random random(42);
  for (int i = 0; i < 10000; ++i) {
    const uint64_t value = random.next() >> random.below(64) << random.below(64);
    ASSERT_EQ(parse_size(format_size(value)), value);
  }
}

TEST(Units, SeparatesThousands) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_count(~uint64_t{0}), "18,446,744,073,709,551,615");
}

TEST(Units, CountsThings) {
  EXPECT_EQ(format_counted(0, "chunk"), "0 chunks");
  EXPECT_EQ(format_counted(1, "chunk"), "1 chunk");
  EXPECT_EQ(format_counted(2000, "chunk"), "2,000 chunks");
  EXPECT_EQ(format_counted(1, "leaf", "leaves"), "1 leaf");
  EXPECT_EQ(format_counted(0, "leaf", "leaves"), "0 leaves");
}

TEST(Units, WritesRights) {
  EXPECT_EQ(format_rights(Rights()), "---");
  EXPECT_EQ(format_rights(Rights(Rights::kRead | Rights::kExec | Rights::kUser)), "r-x");
  EXPECT_EQ(format_rights(Rights(Rights::kWrite)), "-w-");
}

}  // namespace units_test
}  // namespace mmusim
