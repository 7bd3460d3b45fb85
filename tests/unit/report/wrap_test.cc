#include "report/wrap.h"

#include <gtest/gtest.h>

namespace mmusim::report {
namespace {

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

}  // namespace
}  // namespace mmusim::report
