// References a machine refused although the program had a right to them: results of such a run are
// not those of the program, and say so.
#ifndef MMUSIM_CLI_REFUSALS_H_
#define MMUSIM_CLI_REFUSALS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "stats/report.h"

namespace mmusim::cli {

class Refusals {
 public:
  // What counts. A script says itself how many huge pages there are, and may want to be refused.
  enum class Of : uint8_t { Trace, Script };
  explicit Refusals(Of of) : of_(of) {}

  // Those it looks at.
  static std::vector<std::string> counters();
  // Looks at a run's counters: some are a warning on stderr. `name`: of the run.
  void look(const std::string& name, const stats::Report& report);
  // Once all results are written. Errors: Error, if there were any and the runs were `checked`.
  void answer(bool checked) const;

 private:
  Of of_;
  std::string first_;  // run with any
  uint64_t count_ = 0;
};

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_REFUSALS_H_
