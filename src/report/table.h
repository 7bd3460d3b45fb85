// Results as data: tables whose columns have names, units and meanings and whose cells are typed,
// and short facts beside them. How that looks is its writers' business: text_writer.h for people,
// data_writers.h for programs.
//
// Plain values; not shared between threads.
#ifndef MMUSIM_REPORT_TABLE_H_
#define MMUSIM_REPORT_TABLE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace mmusim::report {

// Told people in the unit that suits: "1.50 KiB".
struct Bytes {
  uint64_t count = 0;
};

// How much more than something else: told with its sign.
struct Change {
  int64_t by = 0;
};

// One count over another.
struct Ratio {
  enum class As : uint8_t {
    Share,        // of one; people are told percent
    PerOne,       // with digits to suit
    PerThousand,  // likewise
    Times,        // a factor, or a mean: two digits behind the point
  };
  uint64_t part = 0;
  uint64_t whole = 0;
  As as = As::PerOne;

  // Per thousand or per one, as the name says. Nothing where it has no value: something over 0. 0
  // over 0 is 0.
  [[nodiscard]] std::optional<double> value() const;
};

// What nobody counted.
struct Unknown {};

// Several texts, in order, with line ends between them: told in one line, with semicolons.
struct Lines {
  std::string text = {};
};

std::vector<std::string> lines_of(const Lines& lines);
std::string in_one_line(const Lines& lines);

// Nothing at all (monostate) where a column does not concern the row.
// A double is a number out of a document that has no more of it.
using Value = std::variant<std::monostate, Unknown, bool, uint64_t, int64_t, double, Bytes, Change,
                           Ratio, std::string, Lines>;

struct Column {
  enum class Align : uint8_t { Left, Right };
  // People: what programs find in other columns. Programs: what people are told elsewhere.
  enum class For : uint8_t { All, People, Programs };

  std::string key = {};    // its name for programs, unique in the table
  std::string title = {};  // for people; where a table's first has none, the table's stands there
  std::string unit = {};
  std::string meaning = {};
  std::string group = {};  // columns side by side of one group belong together
  Align align = Align::Right;
  bool names = false;  // says what a row is, and stands first
  For readers = For::All;
  unsigned depth = 0;   // part of the column before it that is less deep
  bool strong = false;  // to be seen: the sum of the others
};

struct Row {
  std::vector<Value> cells = {};  // one for each column
  unsigned depth = 0;             // part of the row before it that is less deep
  bool strong = false;            // to be seen: the sum of the others, a difference
};

struct Table {
  std::string id = {};  // unique in a document
  std::string title = {};
  std::vector<Column> columns = {};
  std::vector<Row> rows = {};
  uint64_t left_out = 0;                // rows there would be besides
  std::vector<std::string> notes = {};  // what its columns mean, sentence by sentence

  // REQUIRES: as many cells as columns.
  void row(std::vector<Value> cells, unsigned depth = 0, bool strong = false);
};

struct Fact {
  std::string key = {};
  std::string label = {};  // for people; may be "", where it goes on from the one before
  std::string text = {};
  unsigned depth = 0;
  bool shortened = false;  // its beginning says enough to people
  bool unbroken = false;   // stays in one line, however long: a command
  unsigned number = 0;     // of a list that belongs to the fact before it, from 1 on; 0: it is none
};

struct Facts {
  std::string id = {};
  std::string title = {};
  std::vector<Fact> list = {};

  // Leaves out what has no text.
  void add(std::string key, std::string label, std::string text);
};

struct Document {
  std::string kind = {};  // "comparison"
  std::vector<std::variant<Facts, Table>> blocks = {};
  std::string source = {};  // the file it is about
};

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_TABLE_H_
