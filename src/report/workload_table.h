// What the measures of a workload script counted, for people.
#ifndef MMUSIM_REPORT_WORKLOAD_TABLE_H_
#define MMUSIM_REPORT_WORKLOAD_TABLE_H_

#include <cstdint>
#include <string>

#include "sim/workload/native.h"
#include "sim/workload/outcome.h"
#include "sim/workload/plan.h"
#include "stats/results.h"

namespace mmusim::report {

std::string workload_table(const sim::workload::Plan& plan, const sim::workload::Outcome& outcome);

// The run's results document (stats/results.h) with "measures" and "failures" besides.
std::string workload_json(const sim::workload::Plan& plan, const sim::workload::Outcome& outcome,
                          const stats::Provenance& provenance, const config::Config& config,
                          const stats::Report& report);

// The kernel a script is compared with, and how the simulated one was made like it.
std::string workload_host(const sim::workload::Imitation& imitation,
                          const sim::workload::NativeFeatures& features,
                          const sim::workload::NativeOptions& options);

// Simulated and real side by side, differences marked.
std::string workload_comparison(const sim::workload::Plan& plan,
                                const sim::workload::Outcome& simulated,
                                const sim::workload::Outcome& native);
// One line that says whether they agree.
std::string workload_verdict(const sim::workload::Plan& plan,
                             const sim::workload::Outcome& simulated,
                             const sim::workload::Outcome& native, const std::string& kernel);
// Measures and results that differ.
uint64_t workload_differences(const sim::workload::Outcome& simulated,
                              const sim::workload::Outcome& native);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_WORKLOAD_TABLE_H_
