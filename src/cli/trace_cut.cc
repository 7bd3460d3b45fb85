// trace cut: a part of a trace, as one of its own.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/documents.h"
#include "cli/progress.h"
#include "cli/trace_files.h"
#include "cli/trace_part.h"
#include "report/data_writers.h"
#include "report/trace_tools_table.h"
#include "trace/cut.h"

namespace mmusim::cli {

void trace_cut(const Words& words) {
  Arguments arguments(
      "trace cut TRACE [--from N] [--to M] -o OUT.mmt",
      "Writes the instructions from N to before M, with their data accesses and events, as a trace "
      "of its own.\n\n"
      "Events at its begin set up what was there before: each process with its parent and threads, "
      "an exec with the image as it then is, mappings, the break, advice, locks, and children that "
      "had ended and not been waited for. A marker event follows them, and the header's notes name "
      "the whole trace. Shared memory and files without names get some.\n\n"
      "Not carried over: which pages had been touched or were shared copy-on-write (a replay "
      "faults them in again), what files held, guard pages, and areas that only references told "
      "of. "
      "Of a process whose image was not recorded no more is set up than its calls said.");
  arguments.positional("TRACE", 1);
  arguments.options()("output,o", text_option("FILE"), "The trace to write.");
  declare_instruction_range(arguments);
  arguments.options()("accept-torn", "Read a torn trace up to its last whole chunk.")(
      "quiet,q", "No progress on stderr.");
  arguments.may_replace("output");
  Documents::declare(arguments, "what was written", "the same, in a row");
  if (!arguments.parse(words)) return;
  const std::string& output = output_of(arguments);
  const trace::InstructionRange range = instruction_range(arguments);
  if (range == trace::InstructionRange{})
    throw UsageError("", "nothing says what to cut", "give --from, --to or both");

  const std::string& path = arguments.text("TRACE");
  Documents documents(arguments);
  const trace::CutResult result =
      with_bytes_progress(arguments, fmt::format("cutting {}", path), [&](const auto& progress) {
        return trace::cut(path, range, output, reader_options(arguments), {}, progress);
      });
  documents.write([&] { return report::json_of(report::cut_document(path, output, result)); },
                  [&] { return report::csv_of(report::cut_table(output, result)); },
                  [&] { return report::cut_text(output, result); });
}

}  // namespace mmusim::cli
