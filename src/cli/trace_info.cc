// trace info: what a trace says of itself, and holds.
#include <algorithm>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/arguments.h"
#include "cli/documents.h"
#include "cli/progress.h"
#include "cli/trace_files.h"
#include "config/nearest.h"
#include "report/data_writers.h"
#include "report/trace_table.h"
#include "trace/info.h"

namespace mmusim::cli {
namespace {

constexpr unsigned kPlotWidth = 60;  // and its label, in a line of 80
constexpr unsigned kBesidePlot = 20;

// As wide as the terminal has room for; results in files do not depend on it.
unsigned intervals_of(const Arguments& arguments, const Documents& documents) {
  if (arguments.has("intervals")) {
    const uint64_t number = arguments.number("intervals", kPlotWidth);
    if (number == 0 || number > trace::kMostIntervals)
      throw UsageError("--intervals", fmt::format("{} is out of range", number),
                       fmt::format("it takes 1 to {}", trace::kMostIntervals));
    return static_cast<unsigned>(number);
  }
  winsize size{};
  if (documents.any() || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return kPlotWidth;
  return std::clamp(size.ws_col - std::min<unsigned>(kBesidePlot, size.ws_col), 10u,
                    trace::kMostIntervals);
}

// Which table --csv writes.
const Words& tables() {
  static const Words kTables{"trace",     "events",    "files",    "sizes",
                             "footprint", "processes", "intervals"};
  return kTables;
}

std::string table_of(const Arguments& arguments) {
  if (!arguments.has("table")) return tables().front();
  const std::string& name = arguments.text("table");
  if (!arguments.has("csv"))
    throw UsageError("--table", "there is no --csv that it could be for", "give both");
  if (std::find(tables().begin(), tables().end(), name) == tables().end()) {
    const std::string hint = config::suggestion(name, tables());
    throw UsageError("--table", fmt::format("unknown table '{}'", name),
                     hint.empty() ? fmt::format("there are {}", fmt::join(tables(), ", ")) : hint);
  }
  if (name != tables().front() && !arguments.has("scan"))
    throw UsageError("--table", fmt::format("'{}' needs all records read", name), "give --scan");
  return name;
}

}  // namespace

void trace_info(const Words& words) {
  Arguments arguments(
      "trace info TRACE [--scan] [--accept-torn]",
      "Prints where a trace comes from and how much it holds. With --scan all records are read: "
      "the "
      "mix of accesses and their sizes, pages touched by page size (each once for each address "
      "space), processes (pid, parent, what they ran and from which instruction to which), which "
      "builds of files were mapped as code, events by kind, and references and working set over "
      "time.\n\n"
      "Memory with --scan: 1.5 bytes for each page touched where they lie together, at most 130 "
      "where each lies alone; 150 for each process.");
  arguments.positional("TRACE", 1);
  arguments.options()("scan", "Read all records.")(
      "intervals", text_option("N"),
      fmt::format("With --scan: parts of the trace's time, 1 to {}; as many as the terminal has "
                  "room for, or {}, if not given.",
                  trace::kMostIntervals, kPlotWidth)
          .c_str())("table", text_option("NAME"),
                    "The table that --csv writes: trace (a row of all numbers, if not given), "
                    "events, files, sizes, footprint, processes or intervals.")(
      "accept-torn", "Read a torn trace up to its last whole chunk.")("quiet,q",
                                                                      "No progress on stderr.");
  arguments.offer("table", tables());
  Documents::declare(arguments, "all of it", "one table of it");
  if (!arguments.parse(words)) return;
  const trace::ReaderOptions options = reader_options(arguments);
  const std::string& path = arguments.text("TRACE");
  const std::string table = table_of(arguments);
  Documents documents(arguments);
  const unsigned intervals = intervals_of(arguments, documents);
  trace::Info info;
  if (arguments.has("scan")) {
    info =
        with_bytes_progress(arguments, fmt::format("reading {}", path), [&](const auto& progress) {
          return trace::survey_trace(path, intervals, options, progress);
        });
  } else {
    info = trace::read_info(path, false, options);
  }
  documents.write([&] { return report::json_of(report::trace_document(path, info)); },
                  [&] { return report::trace_csv(path, info, table); },
                  [&] { return report::trace_text(path, info); });
}

}  // namespace mmusim::cli
