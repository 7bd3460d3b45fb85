#include "report/data_writers.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <utility>

#include "stats/json.h"

namespace mmusim::report {
namespace {

using stats::Json;

struct CellJson {
  Json operator()(std::monostate /*nothing*/) const { return nullptr; }
  Json operator()(Unknown /*value*/) const { return nullptr; }
  Json operator()(Bytes value) const { return value.count; }
  Json operator()(Change value) const { return value.by; }
  Json operator()(const Ratio& value) const {
    const auto number = value.value();
    return number ? Json(*number) : Json(nullptr);
  }
  Json operator()(const Lines& value) const { return lines_of(value); }
  template <class Plain>
  Json operator()(const Plain& value) const {
    return value;
  }
};

struct PlainCell {
  std::string operator()(std::monostate /*nothing*/) const { return ""; }
  std::string operator()(Unknown /*value*/) const { return ""; }
  std::string operator()(Bytes value) const { return fmt::format("{}", value.count); }
  std::string operator()(Change value) const { return fmt::format("{}", value.by); }
  std::string operator()(const Ratio& value) const {
    const auto number = value.value();
    return number ? fmt::format("{}", *number) : "";
  }
  std::string operator()(const std::string& value) const { return value; }
  std::string operator()(const Lines& value) const { return in_one_line(value); }
  template <class Plain>
  std::string operator()(const Plain& value) const {
    return fmt::format("{}", value);
  }
};

// `all`: with null where a column does not concern the row.
Json rows_of(const Table& table, bool all) {
  Json rows = Json::array();
  for (const Row& row : table.rows) {
    Json entry = Json::object();
    for (size_t i = 0; i < row.cells.size(); ++i) {
      const bool concerns = !std::holds_alternative<std::monostate>(row.cells[i]);
      if (table.columns[i].readers != Column::For::People && (all || concerns))
        entry[table.columns[i].key] = std::visit(CellJson{}, row.cells[i]);
    }
    rows.push_back(std::move(entry));
  }
  return rows;
}

Json table_json(const Table& table) {
  Json result = {{"id", table.id}, {"title", table.title}};
  Json& columns = result["columns"] = Json::array();
  for (const Column& column : table.columns)
    if (column.readers != Column::For::People)
      columns.push_back({{"key", column.key},
                         {"title", column.title},
                         {"unit", column.unit},
                         {"meaning", column.meaning},
                         {"group", column.group}});
  result["rows"] = rows_of(table, /*all=*/true);
  result["left_out"] = table.left_out;
  result["notes"] = table.notes;
  return result;
}

std::string document_json(const Document& document, Json head) {
  head["document"] = document.kind;
  head["source"] = document.source;
  Json facts = Json::object();
  Json tables = Json::array();
  for (const auto& block : document.blocks) {
    if (const auto* const table = std::get_if<Table>(&block)) tables.push_back(table_json(*table));
    if (const auto* const list = std::get_if<Facts>(&block))
      for (const Fact& fact : list->list)
        facts[list->id][fact.key] = fact.text;
  }
  head["facts"] = std::move(facts);
  head["tables"] = std::move(tables);
  return stats::document_text(head);
}

}  // namespace

std::string json_of(const Document& document) {
  return document_json(document, {{"schema", stats::kResultsSchema}});
}

std::string json_of(const Document& document, const stats::Provenance& provenance,
                    const config::Config& config) {
  return document_json(document, stats::document_head(provenance, config));
}

Json rows_json(const Table& table) {
  return rows_of(table, /*all=*/false);
}

std::string plain_text_of(const Value& value) {
  return std::visit(PlainCell{}, value);
}

std::string csv_of(const Table& table) {
  std::string text;
  const auto line = [&](auto field) {
    std::string separator;
    for (size_t i = 0; i < table.columns.size(); ++i) {
      if (table.columns[i].readers == Column::For::People) continue;
      text += separator + field(i);
      separator = ",";
    }
    text += "\n";
  };
  line([&](size_t i) { return stats::csv_field(table.columns[i].key); });
  for (const Row& row : table.rows)
    line([&](size_t i) { return stats::csv_field(plain_text_of(row.cells[i])); });
  return text;
}

}  // namespace mmusim::report
