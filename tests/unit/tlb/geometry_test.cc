#include "tlb/geometry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "base/error.h"

namespace mmusim::tlb {
namespace geometry_test {

const std::vector<PageShift> kKnown{PageShift(12), PageShift(21)};
constexpr ArrayDecl kArray{.key = "tlb.x", .what = "test array", .defaults = {64, 4, "4K"}};

Geometry read(const std::string& text) {
  config::Schema schema;
  declare_geometry(schema, kArray);
  config::Config config(schema);
  config.load_text("[tlb.x]\n" + text, "x.cfg");
  return read_geometry(config, kArray, kKnown);
}

std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const UsageError& error) {
    EXPECT_EQ(error.exit_status(), Error::kUsage);
    return error.what();
  }
  return "accepted";
}

TEST(Geometry, Reads) {
  const Geometry g = read(
      "entries = 1536\nways = 12\npages = 2M, 4K\nreplacement = plru\nseed = 9\nindex = xor\n");
  EXPECT_EQ(g.entries, 1536u);
  EXPECT_EQ(g.ways, 12u);
  EXPECT_EQ(g.sets(), 128u);
  EXPECT_EQ(g.pages, kKnown);
  EXPECT_EQ(g.replacement, Replacement::Plru);
  EXPECT_EQ(g.seed, 9u);
  EXPECT_EQ(g.index, Index::Xor);
  EXPECT_EQ(read("").index, Index::Low);
  EXPECT_EQ(read("replacement = used\n").replacement, Replacement::Used);
  EXPECT_TRUE(g.holds(PageShift(21)));
  EXPECT_FALSE(g.holds(PageShift(30)));
}

TEST(Geometry, AsManyWaysAsEntriesIsFullyAssociativeAndNoEntriesIsNone) {
  const Geometry full = read("entries = 12\nways = 12\n");
  EXPECT_EQ(full.ways, 12u);
  EXPECT_EQ(full.sets(), 1u);
  EXPECT_FALSE(read("entries = 0\nways = 3\n").exists());
}

TEST(Geometry, RefusesTheImpossibleAndNamesKeyLineAndRule) {
  using ::testing::AllOf;
  using ::testing::HasSubstr;
  EXPECT_THAT(refusal("entries = 8\nways = 16\n"),
              AllOf(HasSubstr("x.cfg:3"), HasSubstr("tlb.x.ways"), HasSubstr("16 ways")));
  EXPECT_THAT(refusal("entries = 8\nways = 0\n"),
              AllOf(HasSubstr("x.cfg:3"), HasSubstr("tlb.x.ways")));
  EXPECT_THAT(refusal("entries = 10\nways = 4\n"), HasSubstr("not a multiple of 4 ways"));
  EXPECT_THAT(refusal("entries = 2048\nways = 12\n"), HasSubstr("not a multiple"));
  EXPECT_THAT(refusal("entries = 24\nways = 4\n"),
              AllOf(HasSubstr("6 sets"), HasSubstr("not a power of two")));
  EXPECT_THAT(refusal("pages = 4K,1G\n"),
              AllOf(HasSubstr("x.cfg:2"), HasSubstr("'1G'"), HasSubstr("4K, 2M")));
  EXPECT_THAT(refusal("pages = 4K,4K\n"), HasSubstr("twice"));
  EXPECT_THAT(refusal("pages = 4K,\n"), HasSubstr("''"));
  EXPECT_THAT(refusal("pages = big\n"), HasSubstr("'big'"));
  EXPECT_THAT(refusal("replacement = clock\n"), HasSubstr("replacement"));
  EXPECT_THAT(refusal("index = hash\n"), HasSubstr("index"));
  EXPECT_THAT(refusal("entries = 99999999\n"), HasSubstr("entries"));
}

}  // namespace geometry_test
}  // namespace mmusim::tlb
