#include "base/printable.h"

#include <gtest/gtest.h>
#include <string>

namespace mmusim {
namespace printable_test {

using namespace std::string_literals;

TEST(Printable, LeavesTextAlone) {
  for (const std::string& text : {"sh pipeline.sh"s, "C:\\temp \"x\""s, "größer – 语 𝄞"s, ""s}) {
    EXPECT_EQ(printable(text), text);
    EXPECT_TRUE(is_printable(text));
  }
}

TEST(Printable, EscapesWhatMovesTheTerminal) {
  EXPECT_EQ(printable("\x1b[31mred\x07"), "\\x1b[31mred\\x07");
  EXPECT_EQ(printable("two\nlines\tand\rthree\x7f"), "two\\nlines\\tand\\x0dthree\\x7f");
  EXPECT_EQ(printable("nul\0l"s), "nul\\x00l");
  EXPECT_EQ(printable("csi \xc2\x9b"), "csi \\xc2\\x9b");  // C1 in UTF-8
  EXPECT_EQ(printable("right to left \xe2\x80\xae"), "right to left \\xe2\\x80\\xae");
  EXPECT_EQ(printable_lines("a\n\tb\x1b\n"), "a\n\tb\\x1b\n");
  EXPECT_FALSE(is_printable("\x9b"));
}

// Each byte of what is no UTF-8 by itself, and the text behind it is read again.
TEST(Printable, EscapesWhatIsNoUtf8) {
  EXPECT_EQ(printable("\x9b"
                      "A"),
            "\\x9bA");                                               // C1 as one byte
  EXPECT_EQ(printable("\xc3"), "\\xc3");                             // cut off
  EXPECT_EQ(printable("\xc3\x1b"), "\\xc3\\x1b");                    // the second byte is none
  EXPECT_EQ(printable("\xc0\x9b"), "\\xc0\\x9b");                    // overlong
  EXPECT_EQ(printable("\xe0\x80\x9b"), "\\xe0\\x80\\x9b");           // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
}

}  // namespace printable_test
}  // namespace mmusim
