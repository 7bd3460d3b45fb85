// trace prepare: page streams for a trace without.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/documents.h"
#include "cli/progress.h"
#include "report/data_writers.h"
#include "report/trace_tools_table.h"
#include "trace/prepare.h"

namespace mmusim::cli {

void trace_prepare(const Words& words) {
  constexpr unsigned kMostPercent = 1000;
  Arguments arguments(
      "trace prepare FILE [-o OUT.mmt]",
      fmt::format(
          "Adds page streams to a trace: of each chunk, beside everything, the references that can "
          "matter to a first-level TLB. Where they do, a replay reads them instead "
          "(run.stream), with the same counters, in a fraction of the time.\n\n"
          "The trace stays the same trace, with the same hash. Without -o the file is replaced. "
          "What is imported, cut or merged has those that a shipped machine of its instruction set "
          "needs; what is recorded has none unless 'record --pages' asked for them. Together they "
          "take at most {} % of the rest: chunks for which there is no room are left as they are, "
          "or get "
          "those for TLBs with sets only. Files so made are of format version 3, which older "
          "programs refuse.",
          trace::kPagePercent));
  arguments.positional("FILE", 1);
  arguments.options()("output,o", text_option("FILE"), "The trace to write.")(
      "most", text_option("PERCENT"),
      fmt::format("What page streams may take of the rest; {} if not given; 0: there are none.",
                  trace::kPagePercent)
          .c_str())("quiet,q", "No progress on stderr.");
  arguments.may_replace("output");
  Documents::declare(arguments, "what was written", "the same, in a row");
  if (!arguments.parse(words)) return;
  const std::string& path = arguments.text("FILE");
  const std::string& output = arguments.has("output") ? arguments.text("output") : path;
  const auto percent =
      static_cast<unsigned>(arguments.number("most", trace::kPagePercent, 0, kMostPercent));

  Documents documents(arguments);
  const trace::PrepareResult result = with_bytes_progress(
      arguments, fmt::format("preparing {}", path),
      [&](const auto& progress) { return trace::prepare(path, output, percent, progress); });
  documents.write([&] { return report::json_of(report::prepare_document(path, output, result)); },
                  [&] { return report::csv_of(report::prepare_table(output, result)); },
                  [&] { return report::prepare_text(output, result); });
}

}  // namespace mmusim::cli
