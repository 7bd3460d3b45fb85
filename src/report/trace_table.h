// Where a trace comes from and how much it holds.
#ifndef MMUSIM_REPORT_TRACE_TABLE_H_
#define MMUSIM_REPORT_TRACE_TABLE_H_

#include <string>

#include "report/table.h"
#include "trace/info.h"

namespace mmusim::report {

// Where there is a survey, with its tables and two plots over time.
std::string trace_text(const std::string& path, const trace::Info& info);
// A table of one row with all numbers and, where the records were read, one of events by kind; of a
// survey: `sizes`, `footprint`, `processes` and `intervals`.
Document trace_document(const std::string& path, const trace::Info& info);
// One of these tables: "trace", "events", ... REQUIRES: trace_document() has it.
std::string trace_csv(const std::string& path, const trace::Info& info,
                      const std::string& table = "trace");

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_TRACE_TABLE_H_
