#include "report/database_writer.h"

#include <cstdint>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <span>
#include <sqlite3.h>
#include <string>
#include <vector>

#include "base/error.h"

namespace mmusim::report {
namespace database_writer_test {

using testing::ElementsAre;

// What a query of the database gives, a text a row, with SQLite's own types.
std::vector<std::string> query(std::string bytes, const std::string& sql) {
  sqlite3* database = nullptr;
  EXPECT_EQ(sqlite3_open(":memory:", &database), SQLITE_OK);
  EXPECT_EQ(
      sqlite3_deserialize(database, "main", reinterpret_cast<unsigned char*>(bytes.data()),
                          static_cast<sqlite3_int64>(bytes.size()),
                          static_cast<sqlite3_int64>(bytes.size()), SQLITE_DESERIALIZE_READONLY),
      SQLITE_OK);
  std::vector<std::string> rows;
  const auto add = [](void* to, int cells, char** texts, char** /*names*/) {
    std::string row;
    for (int i = 0; i < cells; ++i)
      row += (i == 0 ? "" : "|") + std::string(texts[i] == nullptr ? "NULL" : texts[i]);
    static_cast<std::vector<std::string>*>(to)->push_back(row);
    return 0;
  };
  EXPECT_EQ(sqlite3_exec(database, sql.c_str(), add, &rows, nullptr), SQLITE_OK)
      << sqlite3_errmsg(database);
  sqlite3_close(database);
  return rows;
}

TEST(Database, ValuesAndMeanings) {
  Table table{.id = "runs",
              .columns = {{.key = "name", .unit = "", .meaning = "Who."},
                          {.key = "tlb.l2 \"x\"", .unit = "entries", .meaning = "How many."},
                          {.key = "seen", .readers = Column::For::People},
                          {.key = "rate"}}};
  table.row({std::string("a'b\xff"), uint64_t{7}, uint64_t{1}, Ratio{1, 4, Ratio::As::PerOne}});
  table.row({Value(), UINT64_MAX, uint64_t{1}, Ratio{1, 0, Ratio::As::PerOne}});
  table.row({true, Bytes{3}, uint64_t{1}, Change{-2}});
  const std::string bytes = database_of({&table, 1});
  EXPECT_THAT(query(bytes, "SELECT * FROM runs"),
              ElementsAre("a'b\xef\xbf\xbd|7|0.25", "NULL|18446744073709551615|NULL", "1|3|-2"));
  EXPECT_THAT(query(bytes, "SELECT typeof(\"tlb.l2 \"\"x\"\"\"), typeof(rate) FROM runs"),
              ElementsAre("integer|real", "text|null", "integer|integer"));
  EXPECT_THAT(query(bytes, "SELECT * FROM columns WHERE unit <> ''"),
              ElementsAre("runs|tlb.l2 \"x\"|entries|How many."));
  EXPECT_EQ(bytes, database_of({&table, 1}));
}

TEST(Database, TooManyColumnsIsAnError) {
  Table table{.id = "wide"};
  for (unsigned i = 0; i < 2001; ++i)
    table.columns.push_back({.key = "c" + std::to_string(i)});
  EXPECT_THROW(database_of({&table, 1}), Error);
}

}  // namespace database_writer_test
}  // namespace mmusim::report
