// The folder of a sweep, read for a report: what results.csv lists, each run once, and why others
// failed. The store is not opened, and nothing in it changes.
#ifndef MMUSIM_SWEEP_READ_FOLDER_H_
#define MMUSIM_SWEEP_READ_FOLDER_H_

#include <functional>
#include <string>

#include "report/read_results.h"

namespace mmusim::sweep {

// Whether a folder is a sweep's.
bool is_sweep(const std::string& folder);

// Where there is no results.csv, as of a sweep that has not ended, all results there are; `warn` is
// told, and of results that it does not list. Errors: Error where a file cannot be read or is none
// of a sweep's.
report::ReadResults read_folder(const std::string& folder,
                                const std::function<void(const std::string&)>& warn);

}  // namespace mmusim::sweep

#endif  // MMUSIM_SWEEP_READ_FOLDER_H_
