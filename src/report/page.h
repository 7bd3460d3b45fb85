// One page of HTML that says what was run and what came of it: whole in itself, for offline
// reading, print and talks. What it draws with (page/, and the library of plots) is inlined.
#ifndef MMUSIM_REPORT_PAGE_H_
#define MMUSIM_REPORT_PAGE_H_

#include <string>

namespace mmusim::report {

struct ReadResults;  // read_results.h

// REQUIRES: not results.empty(). Errors: Error naming the file whose document is not as mmusim
// writes it.
std::string page_of(ReadResults results);

// Of one document, as a command writes it with --json. Errors: likewise.
std::string page_of_json(const std::string& document);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_PAGE_H_
