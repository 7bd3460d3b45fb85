// Tables and facts as text for people, in lines of 80 columns.
//
// A table too wide for a line is cut between columns into several below each other, each with the
// columns that name the rows; a last column of text is wrapped. Groups of columns are parts of
// their own, headed by the group's name. Control characters are escaped (base/printable.h).
#ifndef MMUSIM_REPORT_TEXT_WRITER_H_
#define MMUSIM_REPORT_TEXT_WRITER_H_

#include <cstddef>
#include <map>
#include <string>

#include "report/table.h"

namespace mmusim::report {

// Of the first column, where the tables of one document are to line up.
inline constexpr size_t kLabelWidth = 34;

// Of one table, or one list of facts.
struct TextStyle {
  enum class As : uint8_t {
    Columns,
    Down,  // each column a line, each row a column: for few things with many numbers
    List,  // a line a row: the first column, and what the others say of it
    // What happened, a line a row: two columns in the margin, then what it was; the last column, if
    // it has anything to say, beside that from column `width` on.
    Outline,
  };
  As as = As::Columns;
  // The least width of the first column, so that several tables line up; of facts, where the texts
  // begin; of a list, where a row goes on below.
  size_t width = 0;
  size_t most = SIZE_MAX;  // rows
  size_t indent = 0;       // of facts: blanks before their labels
};

struct TextLayout {
  bool apart = true;                             // an empty line between blocks
  bool thousands = true;                         // 1,234
  std::map<std::string, TextStyle> styles = {};  // by id
};

// A cell as people are told it, with separators and units of bytes.
std::string text_of(const Value& value);

// Blocks with nothing in them are left out. Without trailing blanks; with a line end, if anything.
std::string text_of(const Document& document, const TextLayout& layout);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_TEXT_WRITER_H_
