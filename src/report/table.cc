#include "report/table.h"

#include <utility>

#include "base/error.h"

namespace mmusim::report {

std::optional<double> Ratio::value() const {
  if (whole == 0) return part == 0 ? std::optional(0.0) : std::nullopt;
  const double scale = as == As::PerThousand ? 1000 : 1;
  return static_cast<double>(part) * scale / static_cast<double>(whole);
}

void Table::row(std::vector<Value> cells, unsigned depth, bool strong) {
  MMUSIM_ASSERT(cells.size() == columns.size());
  rows.push_back({std::move(cells), depth, strong});
}

void Facts::add(std::string key, std::string label, std::string text) {
  if (!text.empty())
    list.push_back({.key = std::move(key), .label = std::move(label), .text = std::move(text)});
}

}  // namespace mmusim::report
