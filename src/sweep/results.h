// What a sweep found, as a table: a row a point, columns for what varies and for its counters.
#ifndef MMUSIM_SWEEP_RESULTS_H_
#define MMUSIM_SWEEP_RESULTS_H_

#include <string>
#include <vector>

#include "report/table.h"
#include "sweep/sweep.h"

namespace mmusim::sweep {

// Tidy, for programs; people are shown what varies and some rates. `counters`: names, a column
// each.
report::Table results_table(const std::vector<Point>& points, const std::vector<Outcome>& outcomes,
                            const std::vector<std::string>& counters);

// Those the table has whatever was asked for: what people are shown is made of them.
std::vector<std::string> counters_shown();

}  // namespace mmusim::sweep

#endif  // MMUSIM_SWEEP_RESULTS_H_
