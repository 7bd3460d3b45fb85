#include "report/wrap.h"

#include <gtest/gtest.h>

namespace mmusim::report {
namespace wrap_test {

TEST(Wrap, FillsParagraphs) {
  EXPECT_EQ(wrapped("one two three four", 9), "one two\nthree\nfour");
  EXPECT_EQ(wrapped("one\ntwo three\n", 9), "one two\nthree");
  EXPECT_EQ(wrapped("one two\n\nthree", 80), "one two\n\nthree");
  EXPECT_EQ(wrapped("exactly 9", 9), "exactly 9");
  EXPECT_EQ(wrapped("a averylongword b", 5), "a\naverylongword\nb");
  EXPECT_EQ(wrapped("", 5), "");
}

TEST(Wrap, LeavesIndentedLinesAlone) {
  EXPECT_EQ(wrapped("a list of\nthings:\n  x   one\n  y   two\nand on", 80),
            "a list of things:\n  x   one\n  y   two\nand on");
}

TEST(Wrap, FillsItems) {
  EXPECT_EQ(wrapped("They say:\n  - one two\n    three\n  - four\nfive", 12),
            "They say:\n  - one two\n    three\n  - four\nfive");
  EXPECT_EQ(wrapped("  - one two three", 12), "  - one two\n    three");
  EXPECT_EQ(wrapped("  - one\n    two\n", 40), "  - one two");
  EXPECT_EQ(wrapped("so:\n    a  b\n    c", 40), "so:\n    a  b\n    c");
}

}  // namespace wrap_test
}  // namespace mmusim::report
