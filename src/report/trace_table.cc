#include "report/trace_table.h"

#include <array>
#include <fmt/format.h>
#include <utility>
#include <variant>

#include "base/units.h"
#include "report/data_writers.h"
#include "report/text_writer.h"

namespace mmusim::report {
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

Table trace_row(const std::string& path, const trace::Info& info) {
  Table table{.id = "trace", .title = "Trace"};
  table.rows.resize(1);
  const auto add = [&](const char* key, Value value, const char* unit = "",
                       const char* meaning = "") {
    table.columns.push_back({.key = key, .title = key, .unit = unit, .meaning = meaning});
    table.rows.front().cells.push_back(std::move(value));
  };
  const trace::Totals& totals = info.totals;
  add("path", path);
  add("program", info.header.program);
  add("isa", info.header.isa);
  add("big_endian", info.header.big_endian);
  add("page_bytes", info.header.page.bytes(), "bytes");
  add("recorder", info.header.recorder);
  add("notes", info.header.notes);
  add("content_hash", info.content_hash);
  add("file_bytes", info.file_bytes, "bytes");
  add("chunks", info.chunks, "chunks");
  add("torn", info.torn, "", "The file ends within a chunk.");
  add("raw_bytes", info.raw_bytes, "bytes", "Of the records, uncompressed.");
  add("instructions", totals.instructions, "instructions");
  add("blocks", totals.blocks, "blocks", "Straight runs of instructions.");
  add("loads", totals.loads, "accesses");
  add("stores", totals.stores, "accesses");
  add("modifies", totals.modifies, "accesses");
  add("events", totals.events, "events");
  const auto scanned = [&](const char* key, uint64_t count, const char* unit) {
    add(key, info.scanned ? Value(count) : Value(Unknown{}), unit,
        "Where all records were read (--scan).");
  };
  scanned("processes", info.processes, "processes");
  scanned("threads", info.threads, "threads");
  scanned("thread_changes", info.thread_changes, "events");
  return table;
}

}  // namespace

std::string trace_text(const std::string& path, const trace::Info& info) {
  const trace::Totals& totals = info.totals;
  Facts facts{.id = "trace"};
  const auto line = [&](const char* label, const std::string& text) {
    facts.add(label, label, text);
  };
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
  if (totals.instructions != 0)
    line("size", fmt::format("{:.3f} bytes per instruction", info.bytes_per_instruction()));
  std::string events = format_count(totals.events);
  if (info.scanned) {
    line("processes",
         fmt::format("{} with {} threads, {} changes of thread", format_count(info.processes),
                     format_count(info.threads), format_count(info.thread_changes)));
    const char* separator = ": ";
    for (size_t kind = 0; kind < info.event_counts.size(); ++kind) {
      if (info.event_counts[kind] == 0) continue;
      events += fmt::format("{}{} {}", separator, format_count(info.event_counts[kind]),
                            event_names()[kind]);
      separator = ", ";
    }
  }
  line("events", events);
  return text_of({"trace", {facts}}, {.styles = {{"trace", {.width = 16}}}});
}

Document trace_document(const std::string& path, const trace::Info& info) {
  Document document{.kind = "trace", .blocks = {trace_row(path, info)}, .source = path};
  if (!info.scanned) return document;
  Table events{.id = "events",
               .title = "Event",
               .columns = {{.key = "kind", .align = Column::Align::Left, .names = true},
                           {.key = "count", .title = "number", .unit = "events"}}};
  for (size_t kind = 0; kind < info.event_counts.size(); ++kind)
    events.row({std::string(event_names()[kind]), info.event_counts[kind]});
  document.blocks.emplace_back(std::move(events));
  return document;
}

std::string trace_csv(const std::string& path, const trace::Info& info) {
  return csv_of(trace_row(path, info));
}

}  // namespace mmusim::report
