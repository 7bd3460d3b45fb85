// Columns of text, aligned: the first to the left, the others to the right. A table that is wider
// than a line is cut between columns into several below each other, each with the first columns.
#ifndef MMUSIM_REPORT_TEXT_TABLE_H_
#define MMUSIM_REPORT_TEXT_TABLE_H_

#include <string>
#include <vector>

namespace mmusim::report {

// Of the first column, in the tables of one result, so that they line up.
inline constexpr size_t kLabelWidth = 34;

class TextTable {
 public:
  // The first row is the heading; a line goes below it. `first_width` is the least width of the
  // first column, so that several tables can line up; the first `names` columns say what a row is.
  explicit TextTable(std::vector<std::string> heading, size_t first_width = 0, size_t names = 1);
  // REQUIRES: as many cells as the heading.
  void row(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.size() == 1; }
  // With line ends; no trailing blanks.
  [[nodiscard]] std::string text() const;

 private:
  [[nodiscard]] std::string part(const std::vector<size_t>& columns,
                                 const std::vector<size_t>& widths) const;

  size_t first_width_;
  size_t names_;
  std::vector<std::vector<std::string>> rows_;
};

// 0.0123 -> "1.23 %"; "-" where the denominator is 0.
std::string percent(uint64_t part, uint64_t whole);

// `count` per 1000 of `base` or per one of it, with digits to suit; "-" where the base is 0.
std::string per_thousand(uint64_t count, uint64_t base);
std::string per_one(uint64_t count, uint64_t base);

// "1.5 MiB", "640 KiB": for reading, not exact.
std::string readable_bytes(uint64_t bytes);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_TEXT_TABLE_H_
