// trace dump: the records of a trace as text.
#include <cstdint>
#include <fmt/format.h>
#include <limits>
#include <string_view>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/output.h"
#include "trace/dump.h"

namespace mmusim::cli {
namespace {

// "PID" or "PID/TID".
trace::ThreadId parse_thread(const std::string& text) {
  const size_t slash = text.find('/');
  const auto pid = parse_size(std::string_view(text).substr(0, slash));
  const auto tid =
      slash == std::string::npos ? pid : parse_size(std::string_view(text).substr(slash + 1));
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  if (!pid || !tid || *pid > kMost || *tid > kMost) {
    throw UsageError("--thread", fmt::format("'{}' is not a thread", text), "write PID or PID/TID");
  }
  return {Pid(static_cast<uint32_t>(*pid)), Tid(static_cast<uint32_t>(*tid))};
}

}  // namespace

void trace_dump(const Words& words) {
  Arguments arguments("trace dump FILE [options]",
                      "Prints the records of a trace: instructions, data accesses and events.");
  arguments.positional("FILE", 1);
  arguments.options()("events", "Events alone, without instructions and data accesses.")(
      "thread", text_option("PID[/TID]"), "Records of this thread alone.")(
      "skip", text_option("N"), "Leave out the first N lines.")("limit", text_option("N"),
                                                                "Print at most N lines.")(
      "accept-torn", "Read a torn trace up to its last whole chunk.");
  if (!arguments.parse(words)) return;

  trace::DumpOptions options;
  options.skip = arguments.number("skip", options.skip);
  options.limit = arguments.number("limit", options.limit);
  options.events_only = arguments.has("events");
  if (arguments.has("thread")) options.thread = parse_thread(arguments.text("thread"));
  trace::ReaderOptions reader_options;
  reader_options.accept_torn = arguments.has("accept-torn");
  trace::Reader reader(arguments.text("FILE"), reader_options);
  trace::dump(reader, options, [](std::string_view line) {
    print(line);
    print("\n");
    check_interrupt();
    return true;
  });
}

}  // namespace mmusim::cli
