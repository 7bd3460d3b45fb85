// Figures of runs: what translation costs on each, and how it changes with what varies.
#ifndef MMUSIM_REPORT_RUN_FIGURES_H_
#define MMUSIM_REPORT_RUN_FIGURES_H_

#include <string>
#include <vector>

#include "report/figure.h"
#include "report/read_results.h"

namespace mmusim::report {

// Cycles of translation, TLB misses and memory of page tables: a bar for each run, all per 1000
// units of its work. Of more runs than a figure holds, the rest is left out, and said to be.
std::vector<Figure> bar_figures(const std::vector<ReadRun>& runs);

// For each varied key with numbers, at three or more of them: misses and cycles against it, a line
// for all else that differs; for each trace.
std::vector<Figure> sweep_figures(const std::vector<ReadRun>& runs);

// Of runs with intervals: how misses, faults, cycles and memory go on over the run.
std::vector<Figure> time_figures(const std::vector<ReadRun>& runs);

// A row for each run: what varies, and all rates.
Table rates_table(const std::vector<ReadRun>& runs);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_RUN_FIGURES_H_
