#include "report/figure.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "report/data_writers.h"

namespace mmusim::report {
namespace {

bool says_something(const Value& value) {
  const std::string text = plain_text_of(value);
  return !text.empty() && text != "0";
}

bool is_there(const Value& value) {
  return !std::holds_alternative<std::monostate>(value);
}

}  // namespace

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
