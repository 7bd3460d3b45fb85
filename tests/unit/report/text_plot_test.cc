// Figures in characters, against what one draws by hand.
#include "report/text_plot.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>

namespace mmusim::report {
namespace text_plot_test {

size_t count(const std::string& text, const std::string& sign) {
  size_t found = 0;
  for (size_t at = text.find(sign); at != std::string::npos; at = text.find(sign, at + 1))
    ++found;
  return found;
}

// The longest bar takes what the line has: 80 less a name of 3, two blanks, a blank and "40".
TEST(TextPlot, PartsOfBarsAreAsLongAsTheyCount) {
  Figure figure{.x = {.title = "things"}};
  figure.table = {
      .title = "Bars",
      .columns = {{.key = "run"}, {.key = "a", .title = "A"}, {.key = "b", .title = "B"}}};
  figure.table.row({std::string("one"), uint64_t{10}, uint64_t{30}});
  figure.table.row({std::string("two"), uint64_t{20}, uint64_t{0}});
  const std::string text = text_of(figure);
  constexpr size_t kRoom = 80 - 3 - 2 - 2 - 1;
  const std::string first = text.substr(text.find("one"), text.find("two") - text.find("one"));
  EXPECT_EQ(count(first, "█"), kRoom / 4);
  EXPECT_EQ(count(first, "█") + count(first, "░"), kRoom);
  EXPECT_TRUE(first.ends_with(" 40\n")) << first;
  EXPECT_EQ(count(text.substr(text.find("two")), "█"), kRoom / 2 + 1);  // and once in the key
  EXPECT_NE(text.find("  █ A   ░ B\n"), std::string::npos);
}

// Each factor of two is as far as the next; what is 0 has no place on such an axis.
TEST(TextPlot, LinesStandWhereTheirNumbersAre) {
  Figure figure{.kind = Figure::Kind::Lines, .x = {.title = "x", .logarithmic = true}};
  figure.table = {
      .columns = {{.key = "x"}, {.key = "a", .title = "A"}, {.key = "b", .title = "B"}}};
  figure.table.row({uint64_t{0}, uint64_t{9}, uint64_t{9}});
  figure.table.row({uint64_t{2}, uint64_t{8}, uint64_t{4}});
  figure.table.row({uint64_t{4}, uint64_t{8}, {}});
  figure.table.row({uint64_t{8}, uint64_t{8}, uint64_t{8}});
  const std::string text = text_of(figure);
  const size_t begin = text.find("8 ┤");
  const std::string top = text.substr(begin, text.find('\n', begin) - begin);
  const std::string drawn = top.substr(top.find('a'));
  EXPECT_EQ(drawn.find('a', 1), 33U);  // (66 - 1) / 2, rounded
  EXPECT_EQ(drawn.find('*'), 65U);     // both
  EXPECT_EQ(count(text, "b"), 2U);     // the point at 2, and the key
  EXPECT_NE(text.find("0 ┤"), std::string::npos);
}

}  // namespace text_plot_test
}  // namespace mmusim::report
