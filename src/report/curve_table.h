// Curves of a trace: misses against sets and ways, for people and for programs.
#ifndef MMUSIM_REPORT_CURVE_TABLE_H_
#define MMUSIM_REPORT_CURVE_TABLE_H_

#include <string>

#include "report/table.h"
#include "sim/curve/curve.h"

namespace mmusim::report {

inline constexpr uint64_t kMostCurveEntries = 4096;

// A row for each side, page size, number of sets and of ways up to kMostCurveEntries together.
Table curve_table(const sim::Curves& curves);
// That, and for people a table for each curve: misses per 1000 instructions by entries and ways.
Document curve_document(const std::string& trace, const std::string& machine,
                        const sim::Curves& curves);
std::string curve_text(const std::string& trace, const std::string& machine,
                       const sim::Curves& curves);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_CURVE_TABLE_H_
