// trace verify: whether a trace is whole and makes sense.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/documents.h"
#include "cli/progress.h"
#include "cli/trace_files.h"
#include "report/data_writers.h"
#include "report/trace_tools_table.h"
#include "trace/verify.h"

namespace mmusim::cli {

void trace_verify(const Words& words) {
  Arguments arguments(
      "trace verify TRACE [--accept-torn]",
      "Reads a trace from end to end and checks checksums, index, counts and whether its history "
      "makes sense: threads run between fork and exit, parents wait for children that ended, "
      "results are what Linux could have given, nothing is mapped over something else unasked, "
      "and, "
      "in processes whose image was recorded, each reference is in an area that allows it. Damage "
      "is an error. What is odd but no damage is a remark: counted by kind, with the instruction "
      "before which, or at which, it came first. Instructions are numbered from 0.");
  arguments.positional("TRACE", 1);
  arguments.options()("accept-torn", "Take a torn trace, up to its last whole chunk.")(
      "quiet,q", "No progress on stderr.");
  Documents::declare(arguments, "what was found", "the remarks");
  if (!arguments.parse(words)) return;

  const std::string& path = arguments.text("TRACE");
  Documents documents(arguments);
  const trace::VerifyReport report =
      with_bytes_progress(arguments, fmt::format("verifying {}", path), [&](const auto& progress) {
        return trace::verify(path, reader_options(arguments), progress);
      });
  documents.write([&] { return report::json_of(report::verify_document(path, report)); },
                  [&] { return report::csv_of(report::remark_table(report)); },
                  [&] { return report::verify_text(path, report); });
}

}  // namespace mmusim::cli
