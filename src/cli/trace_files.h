// What commands that read and write traces take: --accept-torn and --output.
#ifndef MMUSIM_CLI_TRACE_FILES_H_
#define MMUSIM_CLI_TRACE_FILES_H_

#include <filesystem>
#include <fmt/format.h>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "cli/arguments.h"
#include "trace/reader.h"

namespace mmusim::cli {

// REQUIRES: --accept-torn is declared.
inline trace::ReaderOptions reader_options(const Arguments& arguments) {
  trace::ReaderOptions options;
  options.accept_torn = arguments.has("accept-torn");
  return options;
}

// The file named with --output, of which `like` is an example. Errors: UsageError where none is.
inline const std::string& output_of(const Arguments& arguments, const char* like = "FILE.mmt") {
  if (!arguments.has("output"))
    throw UsageError("", "no output is named", fmt::format("give -o {}", like));
  return arguments.text("output");
}

// For an output of another kind than what it is made of. Errors: UsageError where it is one of
// these files, which would be lost.
inline void refuse_output_over(const std::vector<std::string>& inputs, const std::string& output) {
  std::error_code ignored;  // what is not there is nobody's
  for (const std::string& input : inputs)
    if (std::filesystem::is_regular_file(output, ignored) &&
        std::filesystem::equivalent(output, input, ignored))
      throw UsageError("--output", fmt::format("'{}' is what it would be made of", output),
                       "name another file");
}

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_TRACE_FILES_H_
