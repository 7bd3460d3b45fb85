// The marks of an assignment (pt/conformance/grade.h): points by stage, and of what earned none
// what was promised, what came, and a hint.
#ifndef MMUSIM_REPORT_GRADE_TABLE_H_
#define MMUSIM_REPORT_GRADE_TABLE_H_

#include <string>
#include <vector>

#include "pt/conformance/grade.h"
#include "report/table.h"

namespace mmusim::report {

// Tables "stages" and "cases", and a hint for the first case of each stage that failed.
Document grade_document(const std::string& name, const std::vector<pt::conformance::Stage>& stages);
std::string grade_text(const Document& document);
// The stages, a row each.
std::string grade_csv(const Document& document);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_GRADE_TABLE_H_
