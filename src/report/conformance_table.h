// What the conformance kit found of a page table: as a marker would write it below an assignment,
// as JSON and as CSV.
#ifndef MMUSIM_REPORT_CONFORMANCE_TABLE_H_
#define MMUSIM_REPORT_CONFORMANCE_TABLE_H_

#include <string>

#include "pt/conformance/check.h"
#include "report/table.h"

namespace mmusim::report {

struct ConformanceHeading {
  std::string name;  // of the backend, as the user named it
  uint64_t seed = 1;
};

// Facts of what was done, of each failure of another kind, and the verdict.
Document conformance_document(const ConformanceHeading& heading,
                              const pt::conformance::Verdict& verdict);
std::string conformance_text(const ConformanceHeading& heading,
                             const pt::conformance::Verdict& verdict);
// {"schema": 1, "page_table", "seed", counts, "failures": [...]}; described in
// src/report/README.md.
std::string conformance_json(const ConformanceHeading& heading,
                             const pt::conformance::Verdict& verdict);
// The failures, a row each.
std::string conformance_csv(const pt::conformance::Verdict& verdict);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_CONFORMANCE_TABLE_H_
