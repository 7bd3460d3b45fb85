// trace info: what a trace says of itself, and holds.
#include "cli/arguments.h"
#include "cli/documents.h"
#include "report/data_writers.h"
#include "report/trace_table.h"
#include "trace/info.h"

namespace mmusim::cli {

void trace_info(const Words& words) {
  Arguments arguments("trace info FILE [--scan] [--accept-torn]",
                      "Prints where a trace comes from and how much it holds.");
  arguments.positional("FILE", 1);
  arguments.options()("scan", "Read all records, to tell processes, threads and events by kind.")(
      "accept-torn", "Read a torn trace up to its last whole chunk.");
  Documents::declare(arguments, "all of it", "all of it but events by kind, in a row");
  if (!arguments.parse(words)) return;
  trace::ReaderOptions options;
  options.accept_torn = arguments.has("accept-torn");
  const std::string& path = arguments.text("FILE");
  Documents documents(arguments);
  const trace::Info info = trace::read_info(path, arguments.has("scan"), options);
  documents.write([&] { return report::json_of(report::trace_document(path, info)); },
                  [&] { return report::trace_csv(path, info); },
                  [&] { return report::trace_text(path, info); });
}

}  // namespace mmusim::cli
