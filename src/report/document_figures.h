// Figures and tables of documents that are no runs: curves, footprints, and whatever else is made
// of tables (trace info, trace stats, ...).
#ifndef MMUSIM_REPORT_DOCUMENT_FIGURES_H_
#define MMUSIM_REPORT_DOCUMENT_FIGURES_H_

#include <vector>

#include "report/figure.h"
#include "report/read_results.h"

namespace mmusim::report {

// Errors (all): nlohmann's exceptions, or Error, where a document is not as its command writes it.

bool is_curves(const ReadDocument& document);
// Misses against entries, a line for each number of ways; for each side and page size.
std::vector<Figure> curve_figures(const ReadDocument& document);

// Of all footprints of one document: the memory of each page table, by what is in use of it, and
// the words its look-ups read.
std::vector<Figure> footprint_figures(const ReadDocument& document);
Table footprint_rows(const ReadDocument& document);

// The tables of a document as they are, and its facts.
std::vector<Table> tables_of(const ReadDocument& document);
// ... of a profile as a person wants them: what was asked for first, in percent, and of all that is
// counted what a page has room for and is not 0 throughout.
bool is_profile(const ReadDocument& document);
std::vector<Table> profile_tables(const ReadDocument& document);
std::vector<Facts> facts_of(const ReadDocument& document);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_DOCUMENT_FIGURES_H_
