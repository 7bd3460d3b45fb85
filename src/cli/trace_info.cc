#include <array>
#include <fmt/format.h>
#include <utility>
#include <variant>

#include "base/printable.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/output.h"
#include "report/wrap.h"
#include "trace/info.h"

namespace mmusim::cli {
namespace {

using EventNames = std::array<const char*, std::variant_size_v<trace::Event>>;

template <size_t... kKinds>
EventNames names_of_events(std::index_sequence<kKinds...> /*kinds*/) {
  return {trace::name_of(trace::Event(std::in_place_index<kKinds>))...};
}

// By kind, as in Event.
const EventNames& event_names() {
  static const EventNames kNames =
      names_of_events(std::make_index_sequence<std::variant_size_v<trace::Event>>());
  return kNames;
}

void line(const char* label, const std::string& value) {
  constexpr size_t kLabelWidth = 16;
  if (!value.empty()) print(report::beside(label, printable(value), kLabelWidth));
}

void print_info(const std::string& path, const trace::Info& info) {
  const trace::Totals& totals = info.totals;
  line("trace", path);
  line("program", info.header.program);
  line("isa", fmt::format("{}, {}-endian, {} pages", info.header.isa,
                          info.header.big_endian ? "big" : "little",
                          format_size(info.header.page.bytes())));
  line("recorder", info.header.recorder);
  line("notes", info.header.notes);
  line("content hash", info.content_hash);
  line("file", fmt::format("{} bytes in {} chunks{}", format_count(info.file_bytes),
                           format_count(info.chunks), info.torn ? ", torn" : ""));
  line("uncompressed", fmt::format("{} bytes", format_count(info.raw_bytes)));
  line("instructions", fmt::format("{} in {} blocks", format_count(totals.instructions),
                                   format_count(totals.blocks)));
  line("data accesses",
       fmt::format("{} ({} loads, {} stores, {} modifies)", format_count(totals.data_accesses()),
                   format_count(totals.loads), format_count(totals.stores),
                   format_count(totals.modifies)));
  if (totals.instructions != 0) {
    line("size", fmt::format("{:.3f} bytes per instruction", info.bytes_per_instruction()));
  }
  if (!info.scanned) {
    line("events", format_count(totals.events));
    return;
  }
  line("processes",
       fmt::format("{} with {} threads, {} changes of thread", format_count(info.processes),
                   format_count(info.threads), format_count(info.thread_changes)));
  std::string events = format_count(totals.events);
  const char* separator = ": ";
  for (size_t kind = 0; kind < info.event_counts.size(); ++kind) {
    if (info.event_counts[kind] == 0) continue;
    events += fmt::format("{}{} {}", separator, format_count(info.event_counts[kind]),
                          event_names()[kind]);
    separator = ", ";
  }
  line("events", events);
}

}  // namespace

void trace_info(const Words& words) {
  Arguments arguments("trace info FILE [--scan] [--accept-torn]",
                      "Prints where a trace comes from and how much it holds.");
  arguments.positional("FILE", 1);
  arguments.options()("scan", "Read all records, to tell processes, threads and events by kind.")(
      "accept-torn", "Read a torn trace up to its last whole chunk.");
  if (!arguments.parse(words)) return;
  trace::ReaderOptions options;
  options.accept_torn = arguments.has("accept-torn");
  const std::string& path = arguments.text("FILE");
  print_info(path, trace::read_info(path, arguments.has("scan"), options));
}

}  // namespace mmusim::cli
