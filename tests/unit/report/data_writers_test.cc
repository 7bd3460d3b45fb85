// JSON and CSV of made-up tables.
#include "report/data_writers.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace mmusim::report {
namespace data_writers_test {

using Json = nlohmann::json;

Table example() {
  Table table{.id = "runs",
              .title = "Run",
              .columns = {{.key = "run", .names = true},
                          {.key = "misses",
                           .title = "first I",
                           .unit = "misses per 1000 instructions",
                           .meaning = "Fetches that missed.",
                           .group = "TLB misses"},
                          {.key = "relative", .title = "relative", .readers = Column::For::People},
                          {.key = "work", .readers = Column::For::Programs}},
              .left_out = 3,
              .notes = {"a note"}};
  table.row({std::string("tiny, \"the\" machine\nx"), Ratio{3, 2000, Ratio::As::PerThousand},
             std::string("only for people"), Bytes{4096}});
  table.row({std::string("\033\xff\u00e4"), Ratio{1, 0}, Unknown{}, Value()});
  return table;
}

TEST(DataWriters, CsvQuotesWhatMustBe) {
  EXPECT_EQ(csv_of(example()),
            "run,misses,work\n"
            "\"tiny, \"\"the\"\" machine\nx\",1.5,4096\n"
            "\033\xff\u00e4,,\n");
  EXPECT_EQ(csv_of({.id = "none", .columns = {{.key = "a,b"}}}), "\"a,b\"\n");
}

TEST(DataWriters, CsvHasPlainNumbers) {
  Table table{.columns = {}};
  table.rows.resize(1);
  for (const Value& value : std::vector<Value>{true, uint64_t{1'234'567}, int64_t{-7}, Change{3},
                                               Ratio{0, 0}, Ratio{1, 3, Ratio::As::Share}}) {
    table.columns.push_back({.key = "k" + std::to_string(table.columns.size())});
    table.rows.front().cells.push_back(value);
  }
  EXPECT_EQ(csv_of(table), "k0,k1,k2,k3,k4,k5\ntrue,1234567,-7,3,0,0.3333333333333333\n");
}

TEST(DataWriters, RowsAloneLeaveOutWhatDoesNotConcernThem) {
  Table table = example();
  table.columns.push_back({.key = "steps"});
  table.rows[0].cells.emplace_back(Lines{"map a\nunmap b"});
  table.rows[1].cells.emplace_back(Lines{});
  const Json rows = rows_json(table);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["steps"], Json::array({"map a", "unmap b"}));
  EXPECT_EQ(rows[0]["work"], 4096);
  EXPECT_FALSE(rows[0].contains("relative"));
  EXPECT_EQ(rows[1]["steps"], Json::array());
  EXPECT_EQ(rows[1]["misses"], nullptr);  // it has no value
  EXPECT_FALSE(rows[1].contains("work"));
  EXPECT_NE(csv_of(table).find(",map a; unmap b\n"), std::string::npos);
}

TEST(DataWriters, JsonHasColumnsWithUnitsAndRowsByKey) {
  Facts facts{.id = "heading"};
  facts.add("machine", "machine", "tiny");
  const Json document =
      Json::parse(json_of({.kind = "test", .blocks = {facts, example()}, .source = "x.mmt"}));
  EXPECT_EQ(document["schema"], 1);
  EXPECT_EQ(document["document"], "test");
  EXPECT_EQ(document["source"], "x.mmt");
  EXPECT_EQ(document["facts"]["heading"]["machine"], "tiny");
  ASSERT_EQ(document["tables"].size(), 1u);
  const Json& table = document["tables"][0];
  EXPECT_EQ(table["id"], "runs");
  EXPECT_EQ(table["left_out"], 3);
  EXPECT_EQ(table["notes"], Json::array({"a note"}));
  ASSERT_EQ(table["columns"].size(), 3u);
  EXPECT_EQ(table["columns"][1], Json({{"key", "misses"},
                                       {"title", "first I"},
                                       {"unit", "misses per 1000 instructions"},
                                       {"meaning", "Fetches that missed."},
                                       {"group", "TLB misses"}}));
  ASSERT_EQ(table["rows"].size(), 2u);
  EXPECT_EQ(table["rows"][0]["run"], "tiny, \"the\" machine\nx");
  EXPECT_EQ(table["rows"][0]["misses"], 1.5);
  EXPECT_EQ(table["rows"][0]["work"], 4096);
  EXPECT_FALSE(table["rows"][0].contains("relative"));
  EXPECT_EQ(table["rows"][1]["run"], "\033\ufffd\u00e4");
  EXPECT_TRUE(table["rows"][1]["misses"].is_null());
  EXPECT_TRUE(table["rows"][1]["work"].is_null());
}

TEST(DataWriters, JsonOfAnEmptyTable) {
  const Json document = Json::parse(json_of({.kind = "test", .blocks = {Table{.id = "none"}}}));
  EXPECT_EQ(document["tables"][0]["rows"], Json::array());
  EXPECT_EQ(document["tables"][0]["columns"], Json::array());
  EXPECT_EQ(document["facts"], Json::object());
}

}  // namespace data_writers_test
}  // namespace mmusim::report
