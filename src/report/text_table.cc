#include "report/text_table.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "report/wrap.h"

namespace mmusim::report {
namespace {

constexpr size_t kBetween = 2;  // blanks between columns

// Enough digits to tell small numbers apart, not so many as to hide the large ones.
std::string short_number(double value) {
  if (value == 0) return "0";
  if (value < 0.001) return "<0.001";
  if (value < 10) return fmt::format("{:.3f}", value);
  if (value < 100) return fmt::format("{:.2f}", value);
  return fmt::format("{:.1f}", value);
}

double quotient(uint64_t a, uint64_t b) {
  return static_cast<double>(a) / static_cast<double>(b);
}

}  // namespace

TextTable::TextTable(std::vector<std::string> heading, size_t first_width, size_t names)
    : first_width_(first_width), names_(names) {
  rows_.push_back(std::move(heading));
}

void TextTable::row(std::vector<std::string> cells) {
  MMUSIM_ASSERT(cells.size() == rows_.front().size());
  for (std::string& cell : cells)
    cell = printable(cell);
  rows_.push_back(std::move(cells));
}

std::string TextTable::text() const {
  std::vector<size_t> widths(rows_.front().size());
  widths.front() = first_width_;
  for (const auto& cells : rows_) {
    for (size_t i = 0; i < cells.size(); ++i)
      widths[i] = std::max(widths[i], cells[i].size());
  }
  std::string result;
  std::vector<size_t> columns;
  size_t width = 0;
  const auto add = [&](size_t i) {
    width += widths[i] + (columns.empty() ? 0 : kBetween);
    columns.push_back(i);
  };
  const auto begin = [&] {
    columns.clear();
    width = 0;
    for (size_t i = 0; i < names_; ++i)
      add(i);
  };
  begin();
  for (size_t i = names_; i < widths.size(); ++i) {
    if (columns.size() > names_ && width + kBetween + widths[i] > kLineWidth) {
      result += part(columns, widths) + "\n";
      begin();
    }
    add(i);
  }
  return result + part(columns, widths);
}

std::string TextTable::part(const std::vector<size_t>& columns,
                            const std::vector<size_t>& widths) const {
  std::string result;
  for (const auto& cells : rows_) {
    std::string line;
    for (const size_t i : columns)
      line += i == 0 ? fmt::format("{:<{}}", cells[0], widths[0])
                     : fmt::format("{:{}}{:>{}}", "", kBetween, cells[i], widths[i]);
    const size_t width = line.size();
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + "\n";
    if (&cells == &rows_.front()) result += std::string(width, '-') + "\n";
  }
  return result;
}

std::string percent(uint64_t part, uint64_t whole) {
  if (whole == 0) return "-";
  const double value = 100 * quotient(part, whole);
  return short_number(value) + " %";
}

std::string per_thousand(uint64_t count, uint64_t base) {
  return base == 0 ? "-" : short_number(1000 * quotient(count, base));
}

std::string per_one(uint64_t count, uint64_t base) {
  return base == 0 ? "-" : short_number(quotient(count, base));
}

std::string readable_bytes(uint64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  auto value = static_cast<double>(bytes);
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  return fmt::format("{:.{}f} {}", value, value < 10 ? 2 : 1, kUnits.at(unit));
}

}  // namespace mmusim::report
