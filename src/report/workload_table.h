// What the measures of a workload script counted.
#ifndef MMUSIM_REPORT_WORKLOAD_TABLE_H_
#define MMUSIM_REPORT_WORKLOAD_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "report/table.h"
#include "sim/workload/native.h"
#include "sim/workload/outcome.h"
#include "sim/workload/plan.h"
#include "stats/results.h"

namespace mmusim::report {

// Tables of the measures, of where segments were placed, and of results that are not success.
Document workload_document(const sim::workload::Plan& plan, const sim::workload::Outcome& outcome);
std::string workload_table(const sim::workload::Plan& plan, const sim::workload::Outcome& outcome);
// The measures, a row each.
std::string workload_csv(const sim::workload::Plan& plan, const sim::workload::Outcome& outcome);

// The run's results document (stats/results.h) with "measures" and "failures" besides.
std::string workload_json(const sim::workload::Plan& plan, const sim::workload::Outcome& outcome,
                          const stats::Provenance& provenance, const config::Config& config,
                          const stats::Report& report);

// The kernel a script is compared with, and how the simulated one was made like it.
std::vector<Facts> workload_host(const sim::workload::Imitation& imitation,
                                 const sim::workload::NativeFeatures& features,
                                 const sim::workload::NativeOptions& options);
std::string workload_host_text(const std::vector<Facts>& host);

// Simulated and real side by side, differences marked.
std::string workload_comparison(const sim::workload::Plan& plan,
                                const sim::workload::Outcome& simulated,
                                const sim::workload::Outcome& native);
// The same for programs: a row for each kernel and measure, and what differs besides.
Document workload_check(const std::vector<Facts>& host, const sim::workload::Plan& plan,
                        const sim::workload::Outcome& simulated,
                        const sim::workload::Outcome& native, const std::string& verdict);
std::string workload_check_csv(const sim::workload::Plan& plan,
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
