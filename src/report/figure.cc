#include "report/figure.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace mmusim::report {
namespace {

struct Number {
  std::optional<double> operator()(std::monostate /*nothing*/) const { return std::nullopt; }
  std::optional<double> operator()(Unknown /*value*/) const { return std::nullopt; }
  std::optional<double> operator()(const std::string& /*text*/) const { return std::nullopt; }
  std::optional<double> operator()(const Lines& /*text*/) const { return std::nullopt; }
  std::optional<double> operator()(Bytes value) const { return static_cast<double>(value.count); }
  std::optional<double> operator()(Change value) const { return static_cast<double>(value.by); }
  std::optional<double> operator()(const Ratio& value) const { return value.value(); }
  template <class Plain>
  std::optional<double> operator()(Plain value) const {
    return static_cast<double>(value);
  }
};

bool says_something(const Value& value) {
  return number_of(value).value_or(0) != 0;
}

bool is_there(const Value& value) {
  return !std::holds_alternative<std::monostate>(value);
}

}  // namespace

std::optional<double> number_of(const Value& value) {
  return std::visit(Number{}, value);
}

Figure without_nothing(Figure figure) {
  Table& table = figure.table;
  for (size_t column = table.columns.size(); column-- > 1;) {
    if (std::any_of(table.rows.begin(), table.rows.end(),
                    [&](const Row& row) { return says_something(row.cells[column]); }))
      continue;
    const auto place = static_cast<std::ptrdiff_t>(column);
    table.columns.erase(table.columns.begin() + place);
    for (Row& row : table.rows)
      row.cells.erase(row.cells.begin() + place);
  }
  std::erase_if(table.rows, [](const Row& row) {
    return std::none_of(row.cells.begin() + 1, row.cells.end(), is_there);
  });
  return figure;
}

}  // namespace mmusim::report
