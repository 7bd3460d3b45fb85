// One translation step by step: for people (short enough to show in a lecture), as JSON
// and as CSV.
#ifndef MMUSIM_REPORT_EXPLANATION_H_
#define MMUSIM_REPORT_EXPLANATION_H_

#include <string>

#include "config/schema.h"
#include "sim/explanation.h"
#include "sim/moment.h"
#include "stats/results.h"

namespace mmusim::report {

struct ExplanationHeading {
  std::string machine;
  std::string arch;
  std::string page_table;
  std::string source;  // trace or script
  sim::Moment moment;
  sim::Question question;
  std::string miss;  // which it is, of a MissQuestion
};

std::string explanation_text(const ExplanationHeading& heading,
                             const sim::Explanation& explanation);
// {"schema": 1, "provenance", "question", "told": [...], "outcome"}; described in
// src/report/README.md.
std::string explanation_json(const ExplanationHeading& heading, const sim::Explanation& explanation,
                             const stats::Provenance& provenance, const config::Config& config);

// What was told, a row each.
std::string explanation_csv(const sim::Explanation& explanation);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_EXPLANATION_H_
