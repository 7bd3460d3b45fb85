#include "report/table.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace mmusim::report {

std::vector<std::string> lines_of(const Lines& lines) {
  std::vector<std::string> all;
  size_t begin = 0;
  while (begin < lines.text.size()) {
    const size_t end = std::min(lines.text.find('\n', begin), lines.text.size());
    all.push_back(lines.text.substr(begin, end - begin));
    begin = end + 1;
  }
  return all;
}

std::string in_one_line(const Lines& lines) {
  std::string text;
  for (const std::string& line : lines_of(lines))
    text += (text.empty() ? "" : "; ") + line;
  return text;
}

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
