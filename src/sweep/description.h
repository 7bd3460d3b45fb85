// A sweep as a file describes it (.sweep; its format is in configs/README.md). Plain data.
#ifndef MMUSIM_SWEEP_DESCRIPTION_H_
#define MMUSIM_SWEEP_DESCRIPTION_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mmusim::sweep {

// What a file says, and its line: "FILE:LINE".
struct Said {
  std::string text;
  std::string where;
};

struct Description {
  std::vector<Said> traces;
  std::vector<Said> machines;
  std::vector<Said> page_tables;
  std::vector<Said> counters;
  // Keys that are the same for all points.
  std::vector<std::pair<std::string, Said>> set;
  // Keys with lists of values; those of one group go on together.
  using Group = std::vector<std::pair<std::string, Said>>;
  std::vector<Group> axes;
};

// Errors: UsageError naming `file` and line.
Description parse_description(std::string_view text, const std::string& file);
// Errors: as above; Error when it cannot be read.
Description load_description(const std::string& path);

}  // namespace mmusim::sweep

#endif  // MMUSIM_SWEEP_DESCRIPTION_H_
