#include "report/database_writer.h"

#include <cstdint>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <sqlite3.h>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "stats/json.h"

namespace mmusim::report {
namespace {

struct Close {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  void operator()(unsigned char* bytes) const { sqlite3_free(bytes); }
};

// A name in SQL.
std::string sql_name(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"') text += c;
    text += c;
  }
  return text + '"';
}

class Database {
 public:
  Database() {
    sqlite3* made = nullptr;
    const int status = sqlite3_open(":memory:", &made);
    database_.reset(made);
    require(status == SQLITE_OK);
  }

  void run(const std::string& sql) {
    require(sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  }

  // Creates a table, and puts in rows by `row(i, cell)`, which calls cell(value) for each column.
  template <class Row>
  void table(const std::string& name, const std::vector<std::string>& columns, size_t rows,
             Row row) {
    std::vector<std::string> names;
    names.reserve(columns.size());
    for (const std::string& column : columns)
      names.push_back(sql_name(column));
    run(fmt::format("CREATE TABLE {} ({})", sql_name(name), fmt::join(names, ", ")));
    const std::string insert =
        fmt::format("INSERT INTO {} VALUES ({})", sql_name(name),
                    fmt::join(std::vector<const char*>(columns.size(), "?"), ", "));
    sqlite3_stmt* made = nullptr;
    const int status = sqlite3_prepare_v2(database_.get(), insert.c_str(), -1, &made, nullptr);
    statement_.reset(made);
    require(status == SQLITE_OK);
    for (size_t i = 0; i < rows; ++i) {
      place_ = 0;
      row(i, [this](const Value& value) { bind(value); });
      require(sqlite3_step(statement_.get()) == SQLITE_DONE);
      sqlite3_reset(statement_.get());
      sqlite3_clear_bindings(statement_.get());
    }
    statement_.reset();
  }

  std::string bytes() {
    sqlite3_int64 size = 0;
    const std::unique_ptr<unsigned char, Close> bytes(
        sqlite3_serialize(database_.get(), "main", &size, 0));
    require(bytes != nullptr);
    return {bytes.get(), bytes.get() + size};
  }

 private:
  void require(bool good) const {
    if (!good) throw Error("SQLite", sqlite3_errmsg(database_.get()));
  }

  void bind(const Value& value) {
    ++place_;
    std::visit([this](const auto& v) { one(v); }, value);
  }
  void one(std::monostate /*nothing*/) {}
  void one(Unknown /*value*/) {}
  void one(bool value) { integer(value ? 1 : 0); }
  void one(uint64_t value) {
    if (value <= INT64_MAX) return integer(static_cast<int64_t>(value));
    text(fmt::format("{}", value));  // SQLite's integers end there
  }
  void one(int64_t value) { integer(value); }
  void one(Bytes value) { one(value.count); }
  void one(Change value) { integer(value.by); }
  void one(double value) {
    require(sqlite3_bind_double(statement_.get(), place_, value) == SQLITE_OK);
  }
  void one(const Ratio& value) {
    if (const auto number = value.value()) one(*number);
  }
  void one(const Lines& value) { one(in_one_line(value)); }
  void one(const std::string& value) {
    text(stats::parse_json(stats::compact_text(value)).get<std::string>());
  }
  void integer(int64_t value) {
    require(sqlite3_bind_int64(statement_.get(), place_, value) == SQLITE_OK);
  }
  void text(const std::string& value) {
    require(sqlite3_bind_text64(statement_.get(), place_, value.data(), value.size(),
                                SQLITE_TRANSIENT,  // NOLINT: a macro of SQLite's with an old cast
                                SQLITE_UTF8) == SQLITE_OK);
  }

  std::unique_ptr<sqlite3, Close> database_;
  std::unique_ptr<sqlite3_stmt, Close> statement_;  // before the database goes
  int place_ = 0;
};

std::vector<size_t> for_programs(const Table& table) {
  std::vector<size_t> columns;
  for (size_t i = 0; i < table.columns.size(); ++i)
    if (table.columns[i].readers != Column::For::People) columns.push_back(i);
  return columns;
}

}  // namespace

std::string database_of(std::span<const Table> tables) {
  Database database;
  database.run("BEGIN");
  struct Meaning {
    const Table* table;
    const Column* column;
  };
  std::vector<Meaning> meanings;
  for (const Table& table : tables) {
    const std::vector<size_t> columns = for_programs(table);
    std::vector<std::string> names;
    for (const size_t i : columns) {
      names.push_back(table.columns[i].key);
      meanings.push_back({&table, &table.columns[i]});
    }
    database.table(table.id, names, table.rows.size(), [&](size_t row, auto cell) {
      for (const size_t i : columns)
        cell(table.rows[row].cells[i]);
    });
  }
  database.table("columns", {"in_table", "name", "unit", "meaning"}, meanings.size(),
                 [&](size_t i, auto cell) {
                   cell(meanings[i].table->id);
                   cell(meanings[i].column->key);
                   cell(meanings[i].column->unit);
                   cell(meanings[i].column->meaning);
                 });
  database.run("COMMIT");
  return database.bytes();
}

}  // namespace mmusim::report
