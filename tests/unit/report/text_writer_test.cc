#include "report/text_writer.h"

#include <gtest/gtest.h>

namespace mmusim::report {
namespace text_writer_test {

Column named(const char* key) {
  return {.key = key, .title = key, .align = Column::Align::Left, .names = true};
}
Column number(const char* key) {
  return {.key = key, .title = key};
}
std::string text_of(Table table, const TextStyle& style = {}, bool thousands = true) {
  table.id = "t";
  return report::text_of({"test", {std::move(table)}},
                         {.thousands = thousands, .styles = {{"t", style}}});
}
// A value as it stands in a column.
std::string cell(Value value) {
  Table table{.columns = {named("a"), number("b")}};
  table.row({std::string("x"), std::move(value)});
  const std::string text = text_of(std::move(table));
  const std::string line = text.substr(text.rfind("\nx") + 2);
  const size_t begin = line.find_first_not_of(' ');
  return line.substr(begin, line.size() - 1 - begin);
}

TEST(TextWriter, AlignsColumns) {
  Table table{.title = "TLB",
              .columns = {{.key = "name", .align = Column::Align::Left, .names = true},
                          number("lookups"),
                          number("rate")}};
  EXPECT_EQ(text_of(table), "");  // nothing in it
  table.row({std::string("l1d"), uint64_t{1'234'567}, Ratio{12, 1000, Ratio::As::Share}});
  table.row({std::string("a longer name"), uint64_t{5}, Value()}, 1);
  EXPECT_EQ(text_of(table),
            "TLB                lookups     rate\n"
            "-----------------------------------\n"
            "l1d              1,234,567  1.200 %\n"
            "  a longer name          5\n");
  EXPECT_EQ(text_of(table, {.width = 17}, /*thousands=*/false),
            "TLB                lookups     rate\n"
            "-----------------------------------\n"
            "l1d                1234567  1.200 %\n"
            "  a longer name          5\n");
}

// Columns 0 to 5 and 7 to 9 are the margin; what happened begins at 11, what is beside it at 22,
// and goes on at 17.
TEST(TextWriter, AnOutlineHasAMarginAndWhatStandsBesideTheText) {
  Table table{.columns = {{.key = "c", .title = "cycles"},
                          {.key = "m"},
                          {.key = "w", .align = Column::Align::Left},
                          {.key = "f", .align = Column::Align::Left}}};
  const TextStyle style{.as = TextStyle::As::Outline, .width = 21};
  table.row({int64_t{1234}, std::string("9."), std::string("walk"), Value()});
  table.row({Value(), std::string("+"), std::string("read x"), std::string("0x1 = 2")});
  table.row({Value(), std::string(), std::string("a remark"), Value()});
  EXPECT_EQ(text_of(table, style),
            "cycles\n"
            "  1234  9. walk\n"
            "         + read x     0x1 = 2\n"
            "           a remark\n");
  const std::string sixty(60, 'w');
  table.rows.clear();
  table.row({Value(), std::string("100."), std::string("read x"), "0x1 " + sixty});
  table.row({Value(), std::string("1."), "up " + sixty + " above", Value()});
  EXPECT_EQ(text_of(table, style),
            "cycles\n"
            "       100. read x    0x1\n                  " +
                sixty + "\n" + "         1. up " + sixty + "\n            above\n");
}

TEST(TextWriter, FactsAreIndentedNumberedOrStayInOneLine) {
  Facts facts{.id = "f", .title = "1. it"};
  facts.add("done", "done", "this:");
  facts.list.push_back({.key = "done.1", .text = std::string(60, 'a') + " and so on", .number = 1});
  facts.list.push_back({.key = "done.10", .text = "b", .number = 10});
  facts.list.push_back({.key = "again",
                        .label = "again",
                        .text = std::string(50, 'c') + " " + std::string(50, 'd'),
                        .unbroken = true});
  EXPECT_EQ(report::text_of({"test", {facts}}, {.styles = {{"f", {.width = 13, .indent = 3}}}}),
            "1. it\n"
            "   done      this:\n"
            "              1. " +
                std::string(60, 'a') +
                "\n                 and so on\n"
                "             10. b\n"
                "   again     " +
                std::string(50, 'c') + " " + std::string(50, 'd') + "\n");
}

TEST(TextWriter, TooWideForALineIsCutBetweenColumns) {
  const std::string wide(35, 'w');
  Table table{.columns = {named("name"),
                          {.key = "of", .title = "of", .names = true},
                          number(wide.c_str()),
                          number("b"),
                          number(wide.c_str()),
                          number("d")}};
  table.row(
      {std::string("x"), std::string("y"), uint64_t{1}, uint64_t{2}, uint64_t{3}, uint64_t{4}});
  EXPECT_EQ(text_of(table),
            "name  of  wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww  b\n"
            "------------------------------------------------\n"
            "x      y                                    1  2\n"
            "\n"
            "name  of  wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww  d\n"
            "------------------------------------------------\n"
            "x      y                                    3  4\n");
}

TEST(TextWriter, GroupsArePartsOfTheirOwn) {
  Table table{.title = "Run",
              .columns = {{.key = "run", .align = Column::Align::Left, .names = true},
                          {.key = "work", .readers = Column::For::Programs},
                          {.key = "i", .title = "I", .group = "Misses"},
                          {.key = "d", .title = "D", .group = "Misses"},
                          {.key = "m", .title = "tables", .group = "Memory"}}};
  table.row({std::string("a"), uint64_t{99}, uint64_t{1}, uint64_t{2}, Bytes{1536}});
  EXPECT_EQ(text_of(table),
            "Misses  I  D\n"
            "------------\n"
            "a       1  2\n"
            "\n"
            "Memory    tables\n"
            "----------------\n"
            "a       1.50 KiB\n");
}

TEST(TextWriter, DownEachColumnIsALine) {
  Table table{.title = "Page table",
              .columns = {{.key = "kind", .align = Column::Align::Left, .names = true},
                          number("pages"),
                          {.key = "l", .title = "leaves", .depth = 1}}};
  table.row({std::string("mlpt"), uint64_t{4}, uint64_t{3}});
  table.row({std::string("gpt"), uint64_t{4}, Value()});
  EXPECT_EQ(text_of(table, {.as = TextStyle::As::Down, .width = 12}),
            "Page table    mlpt  gpt\n"
            "-----------------------\n"
            "pages            4    4\n"
            "  leaves         3\n");
}

TEST(TextWriter, AListSaysARowInALine) {
  Table table{.title = "results",
              .columns = {{.key = "at", .title = "DIFFERENCE"},
                          number("simulated"),
                          {.key = "meaning"},
                          {.key = "errno", .readers = Column::For::Programs}},
              .left_out = 2};
  for (unsigned i = 1; i <= 3; ++i)
    table.row({"s:" + std::to_string(i), std::string("done"), std::string("well"), int64_t{-1}});
  EXPECT_EQ(text_of(table, {.as = TextStyle::As::List, .width = 4, .most = 1}),
            "DIFFERENCE s:1: simulated done, well\n"
            "... and 4 more results\n");
}

// A last column of text goes on below itself.
TEST(TextWriter, WrapsALastColumnOfText) {
  Table table{
      .columns = {named("name"), {.key = "t", .title = "text", .align = Column::Align::Left}}};
  std::string words;
  for (int i = 0; i < 20; ++i)
    words += "word" + std::to_string(i) + " ";
  table.row({std::string("x"), words});
  EXPECT_EQ(text_of(table),
            "name  text\n" + std::string(80, '-') +
                "\n"
                "x     word0 word1 word2 word3 word4 word5 word6 word7 word8 word9 word10 word11\n"
                "      word12 word13 word14 word15 word16 word17 word18 word19\n");
}

// What a unit is for, where no title stands over the numbers, and notes.
TEST(TextWriter, UnitsAndNotes) {
  Table table{.title = "Kernel",
              .columns = {{.key = "what", .align = Column::Align::Left, .names = true},
                          {.key = "rate", .unit = "per 1000 instr"}},
              .notes = {"A note that is put below."}};
  table.row({std::string("faults"), Ratio{1, 2000, Ratio::As::PerThousand}});
  table.row({std::string("flushes"), Value()});
  EXPECT_EQ(text_of(table),
            "Kernel\n"
            "-----------------------------\n"
            "faults   0.500 per 1000 instr\n"
            "flushes\n"
            "A note that is put below.\n");
}

TEST(TextWriter, ControlCharactersAreEscapedAndOthersCountOnce) {
  Table table{.columns = {named("n"), number("b")}};
  table.row({std::string("\033[2J\n"), uint64_t{1}});
  table.row({std::string("\u00e4\u00f6\u00fc"), uint64_t{22}});
  EXPECT_EQ(text_of(table),
            "n           b\n"
            "-------------\n"
            "\\x1b[2J\\n   1\n"
            "\u00e4\u00f6\u00fc        22\n");
}

TEST(TextWriter, Values) {
  EXPECT_EQ(cell(Value()), "");
  EXPECT_EQ(cell(Unknown{}), "-");
  EXPECT_EQ(cell(true), "yes");
  EXPECT_EQ(cell(int64_t{-1234}), "-1,234");
  EXPECT_EQ(cell(INT64_MIN), "-9,223,372,036,854,775,808");
  EXPECT_EQ(cell(Change{3}), "+3");
  EXPECT_EQ(cell(Ratio{1, 0, Ratio::As::Share}), "-");
  EXPECT_EQ(cell(Ratio{0, 0, Ratio::As::Times}), "-");
  EXPECT_EQ(cell(Ratio{0, 5, Ratio::As::Share}), "0 %");
  EXPECT_EQ(cell(Ratio{1, 3, Ratio::As::Share}), "33.33 %");
  EXPECT_EQ(cell(Ratio{1, 100'000'000, Ratio::As::Share}), "<0.001 %");
  EXPECT_EQ(cell(Ratio{5, 5, Ratio::As::Share}), "100.0 %");
  EXPECT_EQ(cell(Ratio{3, 2000, Ratio::As::PerThousand}), "1.500");
  EXPECT_EQ(cell(Ratio{9, 4}), "2.250");
  EXPECT_EQ(cell(Ratio{9, 4, Ratio::As::Times}), "2.25");
  EXPECT_EQ(cell(Bytes{0}), "0 B");
  EXPECT_EQ(cell(Bytes{1023}), "1023 B");
  EXPECT_EQ(cell(Bytes{1536}), "1.50 KiB");
  EXPECT_EQ(cell(Bytes{uint64_t{20} << 20}), "20.0 MiB");
  EXPECT_EQ(cell(Bytes{~uint64_t{0}}), "16777216.0 TiB");
}

TEST(TextWriter, FactsStandBesideTheirLabels) {
  Facts facts{.id = "f", .title = "Title"};
  facts.add("a", "label", "text");
  facts.add("b", "left out", "");
  facts.list.push_back(
      {.key = "c", .label = "long", .text = std::string(99, 'x'), .depth = 1, .shortened = true});
  const Facts none{.id = "none", .title = "Nothing"};
  EXPECT_EQ(report::text_of({"test", {none, facts, none}}, {.styles = {{"f", {.width = 8}}}}),
            "Title\n"
            "label   text\n"
            "  long  " +
                std::string(69, 'x') + "...\n");
}

}  // namespace text_writer_test
}  // namespace mmusim::report
