// What commands that read and write traces take: --accept-torn, --output and --pages.
#ifndef MMUSIM_CLI_TRACE_FILES_H_
#define MMUSIM_CLI_TRACE_FILES_H_

#include <fmt/format.h>
#include <string>

#include "base/error.h"
#include "cli/arguments.h"
#include "trace/reader.h"
#include "trace/writer.h"

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

// --pages, of commands that make traces of something else; `otherwise`: what is done without it.
void declare_pages(Arguments& arguments, const char* otherwise);
// Errors: UsageError for a choice that there is not.
void choose_pages(const Arguments& arguments, trace::WriterOptions& writer);

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_TRACE_FILES_H_
