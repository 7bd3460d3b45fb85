// The manual's pages and the completion of shells: what the commands declare (arguments.h), in
// other forms. Nothing is written here that a command would have to say a second time.
#ifndef MMUSIM_CLI_MANUAL_H_
#define MMUSIM_CLI_MANUAL_H_

#include <string>
#include <vector>

#include "cli/arguments.h"

namespace mmusim::cli {

// A command with all of its name ("trace info"), and what it says of itself; a group has its
// commands behind it.
struct DescribedCommand {
  std::string name;
  std::string summary;
  bool group = false;
  CommandHelp help;  // not of a group
};
// All commands, in the order of 'mmusim --help'.
std::vector<DescribedCommand> described_commands();

struct ManualPage {
  std::string file;  // "mmusim-trace-info.1"
  std::string text;  // for man(7)
};
std::vector<ManualPage> manual_pages(const std::vector<DescribedCommand>& commands);

// A script for the shell to read. A name's candidates it asks the program for, as files come and
// go.
std::string bash_completion(const std::vector<DescribedCommand>& commands);
std::string zsh_completion(const std::vector<DescribedCommand>& commands);

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_MANUAL_H_
