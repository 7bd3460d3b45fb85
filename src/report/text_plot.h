// Figures in characters, for a terminal of 80 columns. UTF-8, without colours; what a page shows
// (page.h) in small.
#ifndef MMUSIM_REPORT_TEXT_PLOT_H_
#define MMUSIM_REPORT_TEXT_PLOT_H_

#include <string>

#include "report/figure.h"

namespace mmusim::report {

struct ReadResults;  // read_results.h

// With its title and a key of the signs, an empty line before it.
std::string text_of(const Figure& figure);

// All figures of results: of runs in which something varies, against that; else their bars.
// Errors: as page_of().
std::string plots_of(ReadResults results);
// Of one document, as a command writes it with --json.
std::string plots_of_json(const std::string& document);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_TEXT_PLOT_H_
