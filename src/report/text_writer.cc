#include "report/text_writer.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "base/units.h"
#include "report/wrap.h"

namespace mmusim::report {
namespace {

constexpr size_t kBetween = 2;     // blanks between columns
constexpr size_t kDeeper = 2;      // ... before what is part of another
constexpr size_t kLeastText = 24;  // columns that a text to be wrapped needs
constexpr size_t kMark = 3;        // the second column of an outline
constexpr size_t kBelow = 6;       // where what stands beside its text goes on below, further in
constexpr size_t kNumber = 4;      // of a numbered fact

// Enough digits to tell small numbers apart, not so many as to hide the large ones.
std::string short_number(double value) {
  if (value == 0) return "0";
  if (value < 0.001) return "<0.001";
  if (value < 10) return fmt::format("{:.3f}", value);
  if (value < 100) return fmt::format("{:.2f}", value);
  return fmt::format("{:.1f}", value);
}

// For reading, not exact.
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

std::string ratio_text(const Ratio& ratio) {
  if (ratio.whole == 0) return "-";
  const double value = *ratio.value();
  switch (ratio.as) {
    case Ratio::As::Share:
      return short_number(100 * value) + " %";
    case Ratio::As::Times:
      return fmt::format("{:.2f}", value);
    case Ratio::As::PerOne:
    case Ratio::As::PerThousand:
      break;
  }
  return short_number(value);
}

struct CellText {
  bool thousands;

  std::string operator()(std::monostate /*nothing*/) const { return ""; }
  std::string operator()(Unknown /*value*/) const { return "-"; }
  std::string operator()(bool value) const { return value ? "yes" : "no"; }
  std::string operator()(uint64_t value) const {
    return thousands ? format_count(value) : fmt::format("{}", value);
  }
  std::string operator()(int64_t value) const {
    return value < 0 ? "-" + (*this)(uint64_t{0} - static_cast<uint64_t>(value))
                     : (*this)(static_cast<uint64_t>(value));
  }
  std::string operator()(double value) const { return fmt::format("{:.4g}", value); }
  std::string operator()(Bytes value) const { return readable_bytes(value.count); }
  std::string operator()(Change value) const { return fmt::format("{:+}", value.by); }
  std::string operator()(const Ratio& value) const { return ratio_text(value); }
  std::string operator()(const std::string& value) const { return printable(value); }
  std::string operator()(const Lines& value) const { return printable(in_one_line(value)); }
};

}  // namespace

std::string text_of(const Value& value) {
  return std::visit(CellText{/*thousands=*/true}, value);
}

namespace {

// A column without a title has its unit behind each value.
std::string cell_text(const Value& value, const Column& column, bool thousands) {
  std::string text = std::visit(CellText{thousands}, value);
  if (!text.empty() && column.title.empty() && !column.unit.empty()) text += " " + column.unit;
  return text;
}

// Of a text without control characters on a terminal: bytes that go on with a character have none.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string padded(const std::string& text, size_t width, Column::Align align) {
  const std::string blanks(width - std::min(width, width_of(text)), ' ');
  return align == Column::Align::Left ? text + blanks : blanks + text;
}

// Lines of cells, the first the heading. The first `names` columns stand in each part.
struct Grid {
  std::vector<Column::Align> aligns;
  std::vector<std::vector<std::string>> lines;
  size_t names = 1;
  std::vector<size_t> widths = {};

  [[nodiscard]] bool is_text(size_t column) const {
    return column >= names && aligns[column] == Column::Align::Left;
  }
};

std::string part_text(const Grid& grid, const std::vector<size_t>& columns) {
  std::string result;
  for (const auto& cells : grid.lines) {
    std::string line;
    for (const size_t i : columns) {
      if (i != columns.front()) line += std::string(kBetween, ' ');
      if (i == columns.back() && grid.is_text(i)) {
        const size_t before = width_of(line);
        const std::string lines = beside("", cells[i], before);
        if (!cells[i].empty()) line += lines.substr(before, lines.size() - before - 1);
      } else {
        line += padded(cells[i], grid.widths[i], grid.aligns[i]);
      }
    }
    const size_t width = line.size();
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + "\n";
    if (&cells == &grid.lines.front()) {
      size_t all = kBetween * (columns.size() - 1);
      for (const size_t i : columns)
        all += grid.widths[i];
      result += std::string(grid.is_text(columns.back()) ? std::min(all, kLineWidth) : width, '-');
      result += "\n";
    }
  }
  return result;
}

std::string grid_text(Grid grid, size_t least_width) {
  grid.widths.assign(grid.aligns.size(), 0);
  grid.widths.front() = least_width;
  for (const auto& cells : grid.lines)
    for (size_t i = 0; i < cells.size(); ++i)
      grid.widths[i] = std::max(grid.widths[i], width_of(cells[i]));
  std::string result;
  std::vector<size_t> columns;
  size_t width = 0;
  const auto add = [&](size_t i) {
    width += grid.widths[i] + (columns.empty() ? 0 : kBetween);
    columns.push_back(i);
  };
  const auto begin = [&] {
    columns.clear();
    width = 0;
    for (size_t i = 0; i < grid.names; ++i)
      add(i);
  };
  begin();
  for (size_t i = grid.names; i < grid.widths.size(); ++i) {
    const bool last = i + 1 == grid.widths.size();
    const size_t needed =
        last && grid.is_text(i) ? std::min(grid.widths[i], kLeastText) : grid.widths[i];
    if (columns.size() > grid.names && width + kBetween + needed > kLineWidth) {
      result += part_text(grid, columns) + "\n";
      begin();
    }
    add(i);
  }
  return result + part_text(grid, columns);
}

std::string indented(const std::string& text, unsigned depth) {
  return std::string(kDeeper * depth, ' ') + text;
}

std::vector<size_t> shown_columns(const Table& table) {
  std::vector<size_t> shown;
  for (size_t i = 0; i < table.columns.size(); ++i)
    if (table.columns[i].readers != Column::For::Programs) shown.push_back(i);
  return shown;
}

std::string columns_text(const Table& table, const std::vector<size_t>& columns,
                         const std::string& title, const TextStyle& style, bool thousands) {
  Grid grid;
  grid.names = 0;
  std::vector<std::string> heading;
  for (const size_t i : columns) {
    const Column& column = table.columns[i];
    grid.names += column.names ? 1 : 0;
    grid.aligns.push_back(column.align);
    heading.push_back(heading.empty() && column.title.empty() ? title : column.title);
  }
  grid.lines.push_back(std::move(heading));
  for (const Row& row : table.rows) {
    std::vector<std::string> cells;
    for (const size_t i : columns) {
      const std::string text = cell_text(row.cells[i], table.columns[i], thousands);
      cells.push_back(cells.empty() ? indented(text, row.depth) : text);
    }
    grid.lines.push_back(std::move(cells));
  }
  return grid_text(std::move(grid), style.width);
}

// A part for each group, if there are any.
std::string groups_text(const Table& table, const TextStyle& style, bool thousands) {
  std::vector<size_t> names;
  std::vector<size_t> part;
  std::string text;
  const auto end_part = [&] {
    if (part.empty()) return;
    std::vector<size_t> columns = names;
    columns.insert(columns.end(), part.begin(), part.end());
    const std::string& group = table.columns[part.front()].group;
    text += text.empty() ? "" : "\n";
    text += columns_text(table, columns, group.empty() ? table.title : group, style, thousands);
    part.clear();
  };
  for (const size_t i : shown_columns(table)) {
    if (table.columns[i].names) {
      names.push_back(i);
      continue;
    }
    if (!part.empty() && table.columns[i].group != table.columns[part.front()].group) end_part();
    part.push_back(i);
  }
  end_part();
  return text;
}

std::string down_text(const Table& table, const TextStyle& style, bool thousands) {
  Grid grid;
  const std::vector<size_t> shown = shown_columns(table);
  for (const size_t i : shown) {
    const Column& column = table.columns[i];
    std::vector<std::string> line{indented(
        i == shown.front() && column.title.empty() ? table.title : column.title, column.depth)};
    for (const Row& row : table.rows)
      line.push_back(cell_text(row.cells[i], column, thousands));
    grid.lines.push_back(std::move(line));
  }
  grid.aligns.assign(table.rows.size() + 1, Column::Align::Right);
  grid.aligns.front() = Column::Align::Left;
  return grid_text(std::move(grid), style.width);
}

std::string list_text(const Table& table, const TextStyle& style, bool thousands) {
  const std::vector<size_t> shown = shown_columns(table);
  const auto said = [&](const Row& row, size_t i) {
    const std::string& title = table.columns[i].title;
    const std::string text = cell_text(row.cells[i], table.columns[i], thousands);
    return title.empty() ? text : title + " " + text;
  };
  std::string text;
  for (size_t n = 0; n < std::min(style.most, table.rows.size()); ++n) {
    std::vector<std::string> rest;
    for (size_t i = 1; i < shown.size(); ++i)
      rest.push_back(said(table.rows[n], shown[i]));
    text += beside(said(table.rows[n], shown.front()) + ":",
                   fmt::format("{}", fmt::join(rest, ", ")), style.width);
  }
  return text;
}

std::string outline_text(const Table& table, const TextStyle& style) {
  const std::vector<size_t> shown = shown_columns(table);
  MMUSIM_ASSERT(shown.size() == 4);
  const auto cell = [&](const Row& row, size_t i) {
    return cell_text(row.cells[shown[i]], table.columns[shown[i]], /*thousands=*/false);
  };
  const std::string& title = table.columns[shown.front()].title;
  std::array<size_t, 2> widths{title.size(), kMark};
  for (const Row& row : table.rows)
    for (size_t i = 0; i < widths.size(); ++i)
      widths[i] = std::max(widths[i], width_of(cell(row, i)));
  const size_t begin = widths[0] + widths[1] + 2;
  std::string text = padded(title, widths[0], Column::Align::Right) + "\n";
  for (const Row& row : table.rows) {
    const std::string margin = padded(cell(row, 0), widths[0], Column::Align::Right) + " " +
                               padded(cell(row, 1), widths[1], Column::Align::Right);
    if (const std::string last = cell(row, 3); last.empty())
      text += beside(margin, cell(row, 2), begin);
    else
      text += beside(padded(margin + " " + cell(row, 2), style.width, Column::Align::Left), last,
                     begin + kBelow);
  }
  return text;
}

std::string table_text(const Table& table, const TextStyle& style, bool thousands) {
  if (table.rows.empty()) return "";
  std::string text;
  switch (style.as) {
    case TextStyle::As::Columns:
      text = groups_text(table, style, thousands);
      break;
    case TextStyle::As::Down:
      text = down_text(table, style, thousands);
      break;
    case TextStyle::As::List:
      text = list_text(table, style, thousands);
      break;
    case TextStyle::As::Outline:
      text = outline_text(table, style);
      break;
  }
  const uint64_t more =
      table.rows.size() - std::min(style.most, table.rows.size()) + table.left_out;
  if (more != 0) text += fmt::format("... and {} more {}\n", more, table.title);
  for (const std::string& note : table.notes)
    text += beside("", printable(note), 0);
  return text;
}

std::string facts_text(const Facts& facts, const TextStyle& style) {
  std::string text = facts.title.empty() || facts.list.empty() ? "" : facts.title + "\n";
  for (const Fact& fact : facts.list) {
    std::string said = printable(fact.text);
    const size_t most = kLineWidth - style.width;
    if (fact.shortened && said.size() > most) said = said.substr(0, most - 3) + "...";
    if (fact.number != 0) {
      const std::string number = fmt::format("{:{}}{:>2}.", "", style.width, fact.number);
      text += beside(number, said, style.width + kNumber);
      continue;
    }
    const std::string label =
        std::string(style.indent, ' ') + indented(printable(fact.label), fact.depth);
    text += fact.unbroken ? padded(label, style.width, Column::Align::Left) + said + "\n"
                          : beside(label, said, style.width);
  }
  return text;
}

}  // namespace

std::string text_of(const Document& document, const TextLayout& layout) {
  std::string text;
  for (const auto& block : document.blocks) {
    const auto style_of = [&](const std::string& id) {
      const auto found = layout.styles.find(id);
      return found == layout.styles.end() ? TextStyle{} : found->second;
    };
    std::string next;
    if (const Table* const table = std::get_if<Table>(&block))
      next = table_text(*table, style_of(table->id), layout.thousands);
    else
      next = facts_text(std::get<Facts>(block), style_of(std::get<Facts>(block).id));
    if (!next.empty() && !text.empty() && layout.apart) text += "\n";
    text += next;
  }
  return text;
}

}  // namespace mmusim::report
