// The options --from and --to of commands that take a part of a trace, by instruction number.
#ifndef MMUSIM_CLI_TRACE_PART_H_
#define MMUSIM_CLI_TRACE_PART_H_

#include <fmt/format.h>
#include <string>

#include "base/error.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "trace/part.h"
#include "trace/reader.h"

namespace mmusim::cli {

inline void declare_instruction_range(Arguments& arguments) {
  arguments.options()("from", text_option("N"),
                      "Begin with instruction N; the first of the trace is 0, whatever thread it "
                      "is of.")("to", text_option("M"),
                                "End before instruction M; events before it come with it, those "
                                "behind it do not.");
}

// Errors: UsageError where it is empty or no number.
inline trace::InstructionRange instruction_range(const Arguments& arguments) {
  trace::InstructionRange range;
  range.from = arguments.number("from", range.from);
  range.to = arguments.number("to", range.to);
  if (range.from >= range.to)
    throw UsageError("--to", fmt::format("instruction {} is not behind --from, {}",
                                         format_count(range.to), format_count(range.from)));
  return range;
}

// Errors: Error where the trace is known to end before the range begins.
inline void check_range(const trace::Reader& reader, const trace::InstructionRange& range,
                        const std::string& path) {
  const auto totals = reader.totals();
  if (totals && range.from != 0 && range.from >= totals->instructions)
    throw Error(path, fmt::format("there is no instruction {} (--from): the trace has {}",
                                  format_count(range.from), format_count(totals->instructions)));
}

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_TRACE_PART_H_
