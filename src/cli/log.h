// Messages to the user on stderr: one line each, "mmusim: warning: ...", whatever bytes a file name
// or a trace has put into it.
#ifndef MMUSIM_CLI_LOG_H_
#define MMUSIM_CLI_LOG_H_

#include <string>

namespace mmusim::cli {

void note(const std::string& text);
void warn(const std::string& text);
void error(const std::string& text);

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_LOG_H_
