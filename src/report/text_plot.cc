#include "report/text_plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <fmt/format.h>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "base/units.h"
#include "report/document_figures.h"
#include "report/read_results.h"
#include "report/run_figures.h"
#include "report/run_names.h"
#include "report/text_writer.h"
#include "report/wrap.h"

namespace mmusim::report {
namespace {

constexpr size_t kLine = kLineWidth;

std::string number_text(const Axis& axis, double value) {
  if (axis.bytes) return text_of(Value(Bytes{static_cast<uint64_t>(std::llround(value))}));
  if (value >= 999.5) return format_count(static_cast<uint64_t>(std::llround(value)));
  return fmt::format("{:.3g}", value);
}

size_t characters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

// The signs and what they are of, as many on a line as there is room for.
std::string key_of(const Table& table, const std::vector<std::string>& signs) {
  std::string text;
  size_t width = kLine;
  for (size_t i = 1; i < table.columns.size(); ++i) {
    const std::string one = fmt::format("{} {}", signs[i - 1], printable(table.columns[i].title));
    if (width + characters(one) + 3 > kLine) {
      text += (text.empty() ? "  " : "\n  ") + one;
      width = 2 + characters(one);
    } else {
      text += "   " + one;
      width += 3 + characters(one);
    }
  }
  return text + "\n";
}

// --- bars

std::string bars_text(const Figure& figure) {
  static const std::vector<std::string> kSigns = {"█", "░", "▓", "▒", "#", "-",
                                                  "=", ":", "+", ".", "%", "o"};
  const Table& table = figure.table;
  std::vector<double> totals;
  size_t label_width = 0;
  size_t number_width = 0;
  for (const Row& row : table.rows) {
    double total = 0;
    for (size_t i = 1; i < row.cells.size(); ++i)
      total += number_of(row.cells[i]).value_or(0);
    totals.push_back(total);
    label_width = std::max(label_width, characters(printable(text_of(row.cells[0]))));
    number_width = std::max(number_width, number_text(figure.x, total).size());
  }
  const double most = totals.empty() ? 0 : *std::max_element(totals.begin(), totals.end());
  constexpr size_t kFewest = 20;  // columns for bars, whatever else there is
  const size_t taken = label_width + number_width + 3;
  const auto room = static_cast<double>(taken + kFewest > kLine ? kFewest : kLine - taken);
  std::string text;
  for (size_t line = 0; line < table.rows.size(); ++line) {
    const std::string label = printable(text_of(table.rows[line].cells[0]));
    text += label + std::string(label_width - characters(label) + 2, ' ');
    double sum = 0;
    int64_t drawn = 0;
    for (size_t i = 1; i < table.columns.size(); ++i) {
      sum += number_of(table.rows[line].cells[i]).value_or(0);
      // Where a part ends is rounded, so that no sum of parts is longer than the whole.
      for (const auto end = most == 0 ? 0 : std::llround(sum / most * room); drawn < end; ++drawn)
        text += kSigns[(i - 1) % kSigns.size()];
    }
    text += fmt::format(" {}\n", number_text(figure.x, totals[line]));
  }
  return text + key_of(table, kSigns);
}

// --- lines

// From a number to a place on an axis.
class Scale {
 public:
  Scale(const Axis& axis, double least, double most, size_t places)
      : logarithmic_(axis.logarithmic),
        from_(at(least)),
        over_(at(most) - at(least)),
        places_(places) {}

  [[nodiscard]] size_t place(double value) const {
    if (over_ == 0) return 0;
    return static_cast<size_t>(
        std::lround((at(value) - from_) / over_ * static_cast<double>(places_ - 1)));
  }
  // The number of a place.
  [[nodiscard]] double value(size_t place) const {
    const double on = from_ + over_ * static_cast<double>(place) / static_cast<double>(places_ - 1);
    return logarithmic_ ? std::exp2(on) : on;
  }

 private:
  [[nodiscard]] double at(double value) const { return logarithmic_ ? std::log2(value) : value; }

  bool logarithmic_;
  double from_;
  double over_;
  size_t places_;
};

struct Point {
  double x;
  double y;
  size_t line;
};

std::string lines_text(const Figure& figure) {
  constexpr size_t kHeight = 14;
  constexpr size_t kLabels = 12;
  constexpr size_t kWidth = kLine - kLabels - 2;
  static const std::vector<std::string> kSigns = {"a", "b", "c", "d", "e", "f",
                                                  "g", "h", "i", "j", "k", "l"};
  std::vector<Point> points;
  for (const Row& row : figure.table.rows) {
    const auto x = number_of(row.cells[0]);
    for (size_t i = 1; i < row.cells.size(); ++i) {
      const auto y = number_of(row.cells[i]);
      if (!x || !y || (figure.x.logarithmic && *x <= 0) || (figure.y.logarithmic && *y <= 0))
        continue;
      points.push_back({*x, *y, i - 1});
    }
  }
  if (points.empty()) return "  nothing to draw\n";
  const auto by_x = [](const Point& a, const Point& b) { return a.x < b.x; };
  const auto by_y = [](const Point& a, const Point& b) { return a.y < b.y; };
  const auto [left, right] = std::minmax_element(points.begin(), points.end(), by_x);
  const auto [low, high] = std::minmax_element(points.begin(), points.end(), by_y);
  const Scale across(figure.x, left->x, right->x, kWidth);
  const Scale up(figure.y, figure.y.logarithmic ? low->y : 0, high->y, kHeight);
  std::array<std::string, kHeight> grid;
  grid.fill(std::string(kWidth, ' '));
  for (const Point& point : points) {
    char& sign = grid.at(up.place(point.y))[across.place(point.x)];
    const char own = kSigns[point.line % kSigns.size()][0];
    sign = sign == ' ' || sign == own ? own : '*';
  }
  std::string text;
  for (size_t line = kHeight; line-- > 0;) {
    const bool labelled = line == 0 || line == 4 || line == 9 || line + 1 == kHeight;
    const std::string label = labelled ? number_text(figure.y, up.value(line)) : "";
    text += fmt::format("{:>{}} {}", label, kLabels, labelled ? "┤" : "│") + grid.at(line);
    text.erase(text.find_last_not_of(' ') + 1);
    text += "\n";
  }
  const std::string begin = number_text(figure.x, left->x);
  const std::string end = number_text(figure.x, right->x);
  text += std::string(kLabels + 1, ' ') + "└";
  for (size_t i = 0; i < kWidth; ++i)
    text += "─";
  text += fmt::format("\n{}{}{:>{}}\n", std::string(kLabels + 2, ' '), begin, end,
                      kWidth - std::min(kWidth, begin.size()));
  text += fmt::format("{:^{}}\n", figure.x.title + (figure.x.logarithmic ? " (logarithmic)" : ""),
                      kLine);
  text.erase(text.find_last_not_of(" \n") + 1);
  return text + "\n" + key_of(figure.table, kSigns) +
         (figure.table.columns.size() > 2 ? "  * several\n" : "");
}

}  // namespace

std::string text_of(const Figure& figure) {
  const bool bars = figure.kind == Figure::Kind::Bars;
  const std::string& unit = bars ? figure.x.title : figure.y.title;
  std::string text = fmt::format("\n{}\n", printable(figure.table.title));
  if (!figure.caption.empty()) text += wrapped(printable(figure.caption), kLine) + "\n";
  text += fmt::format("{}{}\n", unit, !bars && figure.y.logarithmic ? " (logarithmic)" : "");
  return text + (bars ? bars_text(figure) : lines_text(figure));
}

std::string plots_of(ReadResults results) {
  name_runs(results.runs);
  std::vector<Figure> figures = sweep_figures(results.runs);
  if (figures.empty()) figures = bar_figures(results.runs);
  const auto add = [&](std::vector<Figure> more) {
    std::move(more.begin(), more.end(), std::back_inserter(figures));
  };
  add(time_figures(results.runs));
  for (const ReadDocument& document : results.documents)
    if (is_curves(document)) add(curve_figures(document));
  std::string text;
  for (const Figure& figure : figures)
    text += text_of(figure);
  return text;
}

std::string plots_of_json(const std::string& document) {
  ReadResults results;
  read_results(document, "results", results);
  return plots_of(std::move(results));
}

}  // namespace mmusim::report
