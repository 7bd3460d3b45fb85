#include "config/ini.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace mmusim::config {
namespace ini_test {

std::string error_of(std::string_view text) {
  try {
    parse_ini(text, "f");
  } catch (const UsageError& error) {
    return error.what();
  }
  return "(no error)";
}

std::string value_of(std::string_view line) {
  const auto settings = parse_ini(line, "f");
  return settings.size() == 1 ? settings[0].value : "(not one setting)";
}

TEST(Ini, SectionsAndFullNames) {
  const auto settings = parse_ini("a.b = 1\n[tlb.l2]\nways=4\n [ run ] # now\n\tcheck =\n", "f");
  ASSERT_EQ(settings.size(), 3u);
  EXPECT_EQ(settings[0].key, "a.b");
  EXPECT_EQ(settings[1].key, "tlb.l2.ways");
  EXPECT_EQ(settings[1].value, "4");
  EXPECT_EQ(settings[1].line, 3u);
  EXPECT_EQ(settings[2].key, "run.check");
  EXPECT_EQ(settings[2].value, "");
}

TEST(Ini, CommentsAndBlanks) {
  EXPECT_TRUE(parse_ini("", "f").empty());
  EXPECT_TRUE(parse_ini("# only\n\n   \n  # this\n", "f").empty());
  EXPECT_EQ(value_of("k = a b # c"), "a b");
  EXPECT_EQ(value_of("k = a#b"), "a#b");
  EXPECT_EQ(value_of("k = # none"), "");
  EXPECT_EQ(value_of("k = x = y"), "x = y");
  EXPECT_EQ(value_of("k = no newline at the end"), "no newline at the end");
  EXPECT_EQ(value_of("k = dos line\r\n"), "dos line");
  EXPECT_EQ(value_of("\xef\xbb\xbfk = 1"), "1");
}

TEST(Ini, QuotedValues) {
  EXPECT_EQ(value_of(R"(k = " a # b " # c)"), " a # b ");
  EXPECT_EQ(value_of(R"(k = "\"\\\n\t\r")"), "\"\\\n\t\r");
  EXPECT_EQ(value_of(R"(k = "")"), "");
  for (const char* line :
       {R"(k = ")", R"(k = "a)", R"(k = "a\")", R"(k = "a\x")", R"(k = "a" b)"}) {
    EXPECT_THAT(error_of(line), testing::HasSubstr("f:1: the quoted value")) << line;
  }
}

TEST(Ini, BadLinesNameTheirNumber) {
  EXPECT_THAT(error_of("a.b=1\n\nnonsense\n"), testing::StartsWith("f:3: neither"));
  EXPECT_THAT(error_of("= 4"), testing::StartsWith("f:1: neither"));
  EXPECT_THAT(error_of("two words = 4"), testing::StartsWith("f:1: neither"));
  for (const char* line : {"[", "[]", "[ ]", "[a", "[a]b", "[a b]", "[#]"}) {
    EXPECT_THAT(error_of(line), testing::StartsWith("f:1: not a section")) << line;
  }
  EXPECT_THAT(error_of(std::string_view("a.b = 1\na\0b = 2\n", 16)),
              testing::StartsWith("f:2: not a text file"));
}

TEST(Ini, AKeyGivenTwiceIsAnErrorHoweverItIsSpelt) {
  EXPECT_EQ(error_of("[a]\nb = 1\nb = 2\n"), "f:3: key 'a.b' is given twice (first in line 2)");
  EXPECT_EQ(error_of("a.b = 1\n[a]\nb = 2\n"), "f:3: key 'a.b' is given twice (first in line 1)");
}

}  // namespace ini_test
}  // namespace mmusim::config
