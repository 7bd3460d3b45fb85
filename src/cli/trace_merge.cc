// trace merge: several traces side by side in one.
#include <fmt/format.h>

#include "base/units.h"
#include "cli/arguments.h"
#include "cli/documents.h"
#include "cli/progress.h"
#include "cli/trace_files.h"
#include "report/data_writers.h"
#include "report/trace_tools_table.h"
#include "trace/merge.h"

namespace mmusim::cli {

void trace_merge(const Words& words) {
  trace::MergeOptions options;
  Arguments arguments(
      "trace merge TRACE TRACE... -o OUT.mmt",
      fmt::format(
          "Writes one trace in which the programs of several run in turns, as on one machine: each "
          "turn is a number of instructions, with the events between them, and turns go round in "
          "the order given until all traces have ended.\n\n"
          "The traces must be of one ISA, byte order and page size. Processes and threads get ids "
          "of their own: those of the second trace have {} added, those of the third twice as "
          "much, "
          "and so on. Files of one name are one file.",
          format_count(trace::kMergeIdStep)));
  arguments.positional("TRACE", -1);
  arguments.options()("output,o", text_option("FILE"), "The trace to write.")(
      "quantum", text_option("N"),
      fmt::format("Instructions of a turn; {} if not given.", format_count(options.quantum))
          .c_str())("accept-torn", "Read torn traces up to their last whole chunk.")(
      "quiet,q", "No progress on stderr.");
  arguments.may_replace("output");
  Documents::declare(arguments, "what was written", "a row for each trace");
  if (!arguments.parse(words)) return;
  const std::string& output = output_of(arguments);
  const Words& paths = arguments.texts("TRACE");
  if (paths.size() < 2 || paths.size() > trace::kMostMerged)
    throw UsageError("", format_counted(paths.size(), "trace") + " given",
                     fmt::format("merge takes 2 to {}", trace::kMostMerged));
  options.quantum = arguments.number("quantum", options.quantum);
  if (options.quantum == 0) throw UsageError("--quantum", "a turn has at least 1 instruction");
  options.reader = reader_options(arguments);

  Documents documents(arguments);
  const trace::MergeResult result =
      with_bytes_progress(arguments, "merging", [&](const auto& progress) {
        options.progress = progress;
        return trace::merge(paths, output, options);
      });
  documents.write([&] { return report::json_of(report::merge_document(output, result)); },
                  [&] { return report::csv_of(report::merge_table(result)); },
                  [&] { return report::merge_text(output, result); });
}

}  // namespace mmusim::cli
