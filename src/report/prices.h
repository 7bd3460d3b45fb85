// What a run's events cost, and who says so: the prices (cost.*) that its cycles were made with.
//
// A price is the machine's own if its file sets it, and then the file's comment behind it says
// where it is from: a source, or "assumed". Else it is the default of all machines.
#ifndef MMUSIM_REPORT_PRICES_H_
#define MMUSIM_REPORT_PRICES_H_

#include <string>
#include <vector>

#include "report/comparison_table.h"

namespace mmusim::report {

struct Price {
  std::string key;  // cost.trap
  uint64_t cycles = 0;
  std::string from;    // "default", or where it was set: "power8.cfg:70", "--cost.trap"
  std::string remark;  // the comment behind it; may be ""
  [[nodiscard]] bool is_default() const { return from == "default"; }
};

// In the order of their keys' declaration: those that count for this run. With caches a table
// reference has other prices than without, and with one CPU nobody is told of flushes.
std::vector<Price> prices_of(const ComparedRun& run);

// A list for people, each machine once.
Facts prices_of(const Comparison& comparison);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_PRICES_H_
