// How pages are reused, as tables and as text with bars.
#ifndef MMUSIM_REPORT_REUSE_TABLE_H_
#define MMUSIM_REPORT_REUSE_TABLE_H_

#include <string>

#include "report/table.h"
#include "trace/stats.h"

namespace mmusim::report {

// One row a page size, side and range of distances.
Table distance_table(const trace::Stats& stats);
// That, and one row a page size, side and number of entries.
Document reuse_document(const std::string& path, const trace::Stats& stats);
// For people, with bars of block characters.
std::string reuse_text(const std::string& path, const trace::Stats& stats);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_REUSE_TABLE_H_
