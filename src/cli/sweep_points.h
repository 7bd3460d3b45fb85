// From the command line of `sweep`, and the .sweep file it names, to points.
#ifndef MMUSIM_CLI_SWEEP_POINTS_H_
#define MMUSIM_CLI_SWEEP_POINTS_H_

#include <string>
#include <vector>

#include "cli/configuration.h"
#include "sweep/description.h"
#include "sweep/sweep.h"

namespace mmusim::cli {

// The command's argument that names traces, a config and a sweep.
inline constexpr const char* kSwept = "CONFIG|TRACE|SWEEP";
// --vary, --zip, --machines, --page-tables, --pair, and the short names of keys.
void declare_sweep_options(Arguments& arguments);

// What arguments mean, by their names.
struct SweepInput {
  std::string config_file;  // "": none
  std::vector<sweep::Said> traces;
  sweep::Description described;  // by the .sweep file, if there is one
};
// Errors: UsageError; Error for a file that cannot be read.
SweepInput sweep_input(const Arguments& arguments);

// Points without an id, in order: traces, machines, page tables, then what varies, the last
// changing first. Each is there that can be configured; of the others it is said why on stderr.
struct SweepPoints {
  std::vector<sweep::Point> points;
  size_t impossible = 0;
};
// Errors: UsageError for what is wrong with all of them.
SweepPoints sweep_points(const Arguments& arguments, const config::Schema& schema,
                         const SweepInput& input);

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_SWEEP_POINTS_H_
