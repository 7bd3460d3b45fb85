#include "report/html_writer.h"

#include <algorithm>
#include <fmt/format.h>
#include <variant>

#include "base/printable.h"
#include "base/units.h"
#include "report/data_writers.h"
#include "report/text_writer.h"

namespace mmusim::report {
namespace {

bool is_shown(const Column& column) {
  return column.readers != Column::For::Programs;
}

bool is_text(const Value& value) {
  return std::holds_alternative<std::string>(value) || std::holds_alternative<Lines>(value);
}

std::string attribute(std::string_view name, std::string_view value) {
  return value.empty() ? "" : fmt::format(" {}=\"{}\"", name, html_escaped(value));
}

// What groups of columns are called, above them; "" where there are no groups.
std::string group_line(const Table& table) {
  std::string line;
  bool any = false;
  for (size_t i = 0; i < table.columns.size();) {
    const std::string& group = table.columns[i].group;
    size_t span = 0;
    size_t end = i;
    for (; end < table.columns.size() && table.columns[end].group == group; ++end)
      span += is_shown(table.columns[end]) ? 1 : 0;
    any = any || !group.empty();
    if (span != 0)
      line += group.empty() ? fmt::format("<td colspan=\"{}\"></td>", span)
                            : fmt::format("<th colspan=\"{}\" scope=\"colgroup\">{}</th>", span,
                                          html_escaped(group));
    i = end;
  }
  return any ? "<tr class=\"groups\">" + line + "</tr>\n" : "";
}

std::string heading_cell(const Column& column, bool text) {
  const std::string& title = column.title.empty() ? column.key : column.title;
  std::string cell = fmt::format("<th scope=\"col\"{}{}{}>{}", attribute("data-key", column.key),
                                 attribute("title", column.meaning), text ? " class=\"text\"" : "",
                                 html_escaped(title));
  if (!column.unit.empty() && column.unit != title)
    cell += fmt::format(" <small>{}</small>", html_escaped(column.unit));
  return cell + "</th>";
}

// Whether a column is text: its cells begin at the left then.
bool holds_text(const Table& table, size_t column) {
  for (const Row& row : table.rows)
    if (is_text(row.cells[column])) return true;
  return table.columns[column].align == Column::Align::Left;
}

std::string cell_of(const Value& value, const Column& column, bool text) {
  const std::string shown = text_of(value);
  const std::string plain = plain_text_of(value);
  const char* const tag = column.names ? "th" : "td";
  return fmt::format(
      "<{}{}{}{}>{}</{}>", tag, column.names ? " scope=\"row\"" : "", text ? " class=\"text\"" : "",
      shown == plain ? "" : attribute("data-value", plain), html_escaped(shown), tag);
}

std::string rows_of(const Table& table) {
  std::vector<bool> text;
  for (size_t i = 0; i < table.columns.size(); ++i)
    text.push_back(holds_text(table, i));
  std::string html = "<thead>\n" + group_line(table) + "<tr>";
  for (size_t i = 0; i < table.columns.size(); ++i)
    if (is_shown(table.columns[i])) html += heading_cell(table.columns[i], text[i]);
  html += "</tr>\n</thead>\n<tbody>\n";
  for (const Row& row : table.rows) {
    html += row.strong ? "<tr class=\"strong\">" : "<tr>";
    for (size_t i = 0; i < row.cells.size(); ++i)
      if (is_shown(table.columns[i])) html += cell_of(row.cells[i], table.columns[i], text[i]);
    html += "</tr>\n";
  }
  return html + "</tbody>\n";
}

std::string notes_of(const Table& table) {
  std::string html;
  if (table.left_out != 0)
    html += fmt::format("<p class=\"note\">{} further rows are left out.</p>\n",
                        format_count(table.left_out));
  for (const std::string& note : table.notes)
    html += fmt::format("<p class=\"note\">{}</p>\n", html_escaped(note));
  return html;
}

std::string table_with_caption(const Table& table) {
  // The box scrolls where the table is wider than the page; with tabindex also by keyboard.
  return fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\">\n"
      "<table{1}><caption>{0}</caption>\n{2}</table>\n</div>\n",
      html_escaped(table.title), attribute("id", table.id), rows_of(table));
}

std::string axis_of(const char* name, const Axis& axis) {
  return attribute(fmt::format("data-{}-title", name), axis.title) +
         (axis.logarithmic ? fmt::format(" data-{}-log=\"1\"", name) : "") +
         (axis.bytes ? fmt::format(" data-{}-bytes=\"1\"", name) : "");
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string html;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::string html_of(const Facts& facts) {
  if (facts.list.empty()) return "";
  std::string html = fmt::format("<dl{}>\n", attribute("id", facts.id));
  for (const Fact& fact : facts.list)
    html += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", html_escaped(fact.label),
                        html_escaped(fact.text));
  return html + "</dl>\n";
}

std::string html_of(const Table& table) {
  // More columns than there is room for on paper, unless it lies on its side.
  constexpr auto kWide = 10;
  const bool wide = std::count_if(table.columns.begin(), table.columns.end(), is_shown) > kWide;
  return fmt::format("<div class=\"table{}\">\n{}{}</div>\n", wide ? " wide" : "",
                     table_with_caption(table), notes_of(table));
}

std::string html_of(const Figure& figure) {
  const Table& table = figure.table;
  std::string html = fmt::format("<figure data-kind=\"{}\"{}{}{}>\n<figcaption><h3>{}</h3>",
                                 figure.kind == Figure::Kind::Bars ? "bars" : "lines",
                                 attribute("data-name", table.id), axis_of("x", figure.x),
                                 axis_of("y", figure.y), html_escaped(table.title));
  if (!figure.caption.empty()) html += fmt::format("<p>{}</p>", html_escaped(figure.caption));
  html += "</figcaption>\n<div class=\"plot\"></div>\n<details><summary>Data</summary>\n";
  return html + table_with_caption(table) + "</details>\n" + notes_of(table) + "</figure>\n";
}

}  // namespace mmusim::report
