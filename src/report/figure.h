// A figure: a table, and how it is drawn. Everything it shows is in the table, which stands behind
// it on a page and is what its data are saved as; on a terminal text_plot.h draws it.
//
// Plain values; not shared between threads.
#ifndef MMUSIM_REPORT_FIGURE_H_
#define MMUSIM_REPORT_FIGURE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "report/table.h"

namespace mmusim::report {

struct Axis {
  std::string title = {};  // with the unit
  bool logarithmic = false;
  bool bytes = false;
};

struct Figure {
  enum class Kind : uint8_t {
    Bars,   // a bar for each row, each of the other columns a part of it, one behind another
    Lines,  // the first column is where, each of the other columns a line past empty cells
  };

  Table table = {};  // its id and title are the figure's
  Kind kind = Kind::Bars;
  Axis x = {};  // of bars: of what they measure
  Axis y = {};  // of lines only
  std::string caption = {};
};

// What a cell measures; nothing where it has no number.
std::optional<double> number_of(const Value& value);

// Without the columns in which nothing but 0 stands, and without rows that are empty.
Figure without_nothing(Figure figure);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_FIGURE_H_
