// What tells runs apart: the keys that vary among runs of one machine, page table and trace, and
// names made of them.
#ifndef MMUSIM_REPORT_RUN_NAMES_H_
#define MMUSIM_REPORT_RUN_NAMES_H_

#include <string>
#include <vector>

#include "report/read_results.h"

namespace mmusim::report {

// Keys in which runs of the same machine, page table and trace differ, in the documents' order.
std::vector<std::string> varied_keys(const std::vector<ReadRun>& runs);

// Keys in which any runs differ, but those above.
std::vector<std::string> other_keys(const std::vector<ReadRun>& runs,
                                    const std::vector<std::string>& varied);

// The values of a key among runs, each once, in order of appearance.
std::vector<std::string> values_of(const std::vector<ReadRun>& runs, const std::string& key);

// The file's name of a path, without its ending.
std::string stem_of(const std::string& path);

// "zen2/mlpt", with what else differs: the trace, and the values of `keys`.
std::string label_of(const ReadRun& run, bool with_trace, const std::vector<std::string>& keys);

// Gives every run a name of its own, without changing those it has that nobody else has.
void name_runs(std::vector<ReadRun>& runs);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_RUN_NAMES_H_
