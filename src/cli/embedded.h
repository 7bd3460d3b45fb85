// The commands for a program that is not mmusim, as a Python module is: what they print and say is
// a value, and what fails is thrown. Nothing here ends the process or changes its signals, streams
// or folder.
#ifndef MMUSIM_CLI_EMBEDDED_H_
#define MMUSIM_CLI_EMBEDDED_H_

#include <string>
#include <vector>

#include "cli/command.h"

namespace mmusim::cli {

struct Said {
  std::string printed;                // to standard output
  std::vector<std::string> warnings;  // in the words of stderr, without "mmusim: warning: "
  std::vector<std::string> errors;    // ... said of a part, besides what is thrown
};

// Runs the command that `words` name and fills `said`, also where it throws. Errors: those of the
// command; InternalError for a bug that it met. One at a time: REQUIRES no other is running.
void run_embedded(const Words& words, Said& said);

// Where share/mmusim is, for a program that is not installed beside it. Call once, first.
void add_data_folder(const std::string& folder);

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_EMBEDDED_H_
