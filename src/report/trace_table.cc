#include "report/trace_table.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <numeric>
#include <utility>
#include <variant>

#include "base/error.h"
#include "base/units.h"
#include "report/bars.h"
#include "report/data_writers.h"
#include "report/text_writer.h"

namespace mmusim::report {
namespace {

// A number of some unit that is `step` times the one before, of `units` units.
struct Scaled {
  double value;
  size_t unit = 0;
};
Scaled scaled(uint64_t count, double step, size_t units) {
  Scaled out{static_cast<double>(count)};
  for (; out.value >= step && out.unit + 1 < units; ++out.unit)
    out.value /= step;
  return out;
}

// For the side of a plot, in at most 10 characters.
std::string short_count(uint64_t count) {
  static constexpr std::array<const char*, 5> kUnits{"", " k", " M", " G", " T"};
  const auto [value, unit] = scaled(count, 1000, kUnits.size());
  return unit == 0 ? fmt::format("{}", count) : fmt::format("{:.1f}{}", value, kUnits.at(unit));
}
std::string short_bytes(uint64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  const auto [value, unit] = scaled(bytes, 1024, kUnits.size());
  return fmt::format("{:.{}f} {}", value, unit == 0 || value >= 100 ? 0 : 1, kUnits.at(unit));
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
  add("for_sets", info.page_streams.for_sets, "chunks",
      "With page streams for first-level TLBs with sets.");
  add("for_any", info.page_streams.for_any, "chunks", "With page streams for any first-level TLB.");
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
  const auto surveyed = [&](const char* key, uint64_t count, const char* unit,
                            const char* meaning) {
    add(key, info.survey ? Value(count) : Value(Unknown{}), unit, meaning);
  };
  const trace::Survey none;
  const trace::Survey& survey = info.survey ? *info.survey : none;
  surveyed("address_spaces", survey.spaces, "spaces", "Begun by exec or fork.");
  surveyed("code_bytes", survey.code_bytes, "bytes", "Of all instructions.");
  surveyed("straddling", survey.straddling, "accesses", "Over the end of a page of 4 KiB.");
  return table;
}

Table size_table(const trace::Survey& survey) {
  Table table{.id = "sizes",
              .title = "Data accesses of",
              .columns = {{.key = "bytes", .unit = "bytes", .names = true},
                          {.key = "loads", .title = "loads", .unit = "accesses"},
                          {.key = "stores", .title = "stores", .unit = "accesses"},
                          {.key = "modifies", .title = "modifies", .unit = "accesses"}}};
  for (const trace::SizeMix& mix : survey.sizes)
    table.row({uint64_t{mix.bytes}, mix.loads, mix.stores, mix.modifies});
  return table;
}

Table footprint_table(const trace::Survey& survey) {
  Table table{
      .id = "footprint",
      .title = "Pages touched, of",
      .columns = {{.key = "page_bytes", .names = true},
                  {.key = "code", .title = "code", .unit = "pages", .meaning = "Fetched from."},
                  {.key = "data", .title = "data", .unit = "pages"},
                  {.key = "pages",
                   .title = "either",
                   .unit = "pages",
                   .meaning = "Each counted once for each address space."},
                  {.key = "bytes", .title = "memory", .unit = "bytes"}}};
  for (const trace::Footprint& footprint : survey.footprints)
    table.row({Bytes{footprint.page.bytes()}, footprint.code, footprint.data, footprint.both,
               Bytes{footprint.both * footprint.page.bytes()}});
  return table;
}

Table process_table(const trace::Survey& survey) {
  Table table{
      .id = "processes",
      .title = "Process",
      .columns =
          {{.key = "pid", .names = true},
           {.key = "parent", .title = "parent"},
           {.key = "instructions", .title = "instructions", .unit = "instructions"},
           {.key = "references", .title = "references", .unit = "references"},
           {.key = "threads", .title = "threads", .unit = "threads"},
           {.key = "forks", .title = "forks", .unit = "processes"},
           {.key = "execs", .title = "execs", .unit = "events"},
           {.key = "events", .title = "events", .unit = "events", .readers = Column::For::Programs},
           {.key = "first",
            .title = "from",
            .unit = "instructions",
            .meaning = "Number of the instruction, of the whole trace, at its first record."},
           {.key = "last", .title = "to", .unit = "instructions", .meaning = "... at its last."},
           {.key = "ended", .title = "ended", .readers = Column::For::Programs},
           {.key = "status",
            .title = "status",
            .meaning = "As wait4 gives it, where it ended.",
            .readers = Column::For::Programs},
           {.key = "program", .title = "program", .align = Column::Align::Left}},
      .left_out = survey.processes_left_out};
  for (const trace::ProcessLife& life : survey.processes)
    table.row({uint64_t{life.pid.value()},
               life.parent ? Value(uint64_t{life.parent->value()}) : Value(),
               life.totals.instructions, life.totals.references(), life.threads, life.forks,
               life.execs, life.totals.events, life.first, life.last, life.ended,
               life.ended ? Value(int64_t{life.status}) : Value(), life.program});
  return table;
}

Table file_table(const trace::FileIdentities& files) {
  Table table{
      .id = "files",
      .title = "Mapped as code",
      .columns = {{.key = "identity",
                   .title = "mapped as code",
                   .meaning = "Which build: its build id, or a hash of its code.",
                   .align = Column::Align::Left},
                  {.key = "replaced",
                   .title = "replaced",
                   .meaning = "It was another one before, in the same recording.",
                   .readers = Column::For::Programs},
                  {.key = "file", .title = "file", .align = Column::Align::Left, .names = true}}};
  for (const auto& [file, known] : files.all())
    table.row({known.identity, known.replaced, file});
  return table;
}

// For people: those with most instructions, in order of appearance.
Table busiest(const trace::Survey& survey) {
  constexpr size_t kShown = 20;
  Table table = process_table(survey);
  if (table.rows.size() <= kShown) return table;
  // Row by row as survey.processes; of equal ones the first.
  std::vector<size_t> shown(table.rows.size());
  std::iota(shown.begin(), shown.end(), size_t{0});
  std::stable_sort(shown.begin(), shown.end(), [&](size_t a, size_t b) {
    return survey.processes[a].totals.instructions > survey.processes[b].totals.instructions;
  });
  shown.resize(kShown);
  std::sort(shown.begin(), shown.end());
  std::vector<Row> rows;
  rows.reserve(shown.size());
  for (const size_t i : shown)
    rows.push_back(std::move(table.rows[i]));
  const uint64_t others = std::exchange(table.left_out, 0) + table.rows.size() - rows.size();
  table.notes.push_back(
      fmt::format("... and {} more, none with more instructions", format_count(others)));
  table.rows = std::move(rows);
  return table;
}

Table interval_table(const trace::Survey& survey) {
  Table table{.id = "intervals",
              .title = "Interval",
              .columns = {{.key = "first",
                           .title = "from",
                           .unit = "instructions",
                           .meaning = "Number of its first instruction.",
                           .names = true},
                          {.key = "instructions", .title = "instructions", .unit = "instructions"},
                          {.key = "references", .title = "references", .unit = "references"},
                          {.key = "events", .title = "events", .unit = "events"},
                          {.key = "working_set",
                           .title = "working set",
                           .unit = "bytes",
                           .meaning = "Of the pages of 4 KiB touched in it."},
                          {.key = "fresh",
                           .title = "first touched",
                           .unit = "bytes",
                           .meaning = "... of these, those never touched before."}}};
  for (const trace::Interval& one : survey.intervals)
    table.row({one.first, one.instructions, one.references, one.events, Bytes{one.working_set},
               Bytes{one.fresh}});
  return table;
}

std::string mix_text(const trace::Totals& totals, const trace::Survey& survey) {
  if (totals.instructions == 0) return "";
  const auto per = [&](uint64_t count) {
    return static_cast<double>(count) / static_cast<double>(totals.instructions);
  };
  return fmt::format(
      "per instruction {:.3f} loads, {:.3f} stores, {:.3f} modifies, {:.2f} bytes of code; {} "
      "accesses go over the end of a page of 4K",
      per(totals.loads), per(totals.stores), per(totals.modifies), per(survey.code_bytes),
      format_count(survey.straddling));
}

// A curve over the intervals, with what its top is beside it.
std::string plot_text(const std::string& title, const std::string& top,
                      const std::vector<uint64_t>& values) {
  constexpr size_t kHeight = 6;
  constexpr size_t kLabel = 10;
  std::string text = "\n" + title + "\n";
  const std::vector<std::string> lines = columns_plot(values, kHeight);
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string line = fmt::format("{:>{}} |", i == 0 ? top : i + 1 == kHeight ? "0" : "", kLabel);
    line += lines[i];
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string plots_text(const trace::Survey& survey) {
  std::vector<uint64_t> references;
  std::vector<uint64_t> working_sets;
  uint64_t most_references = 0;
  uint64_t largest_set = 0;
  for (const trace::Interval& one : survey.intervals) {
    references.push_back(one.references);
    working_sets.push_back(one.working_set);
    most_references = std::max(most_references, one.references);
    largest_set = std::max(largest_set, one.working_set);
  }
  const std::string time = fmt::format("{} intervals of {} instructions", survey.intervals.size(),
                                       format_count(survey.intervals.front().instructions));
  return plot_text(fmt::format("References in {}", time), short_count(most_references),
                   references) +
         plot_text(fmt::format("Working set in each, of pages of 4K"), short_bytes(largest_set),
                   working_sets);
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
  line("isa", trace::machine_of(info.header));
  line("recorder", info.header.recorder);
  line("notes", info.header.notes);
  line("content hash", info.content_hash);
  line("file", fmt::format("{} bytes in {}{}", format_count(info.file_bytes),
                           format_counted(info.chunks, "chunk"), info.torn ? ", torn" : ""));
  const trace::PageStreamChunks& pages = info.page_streams;
  line("page streams",
       pages.for_sets == 0
           ? std::string("none (trace prepare adds some)")
           : fmt::format("in {} for first levels with sets, in {} for any",
                         format_counted(pages.for_sets, "chunk"), format_count(pages.for_any)));
  line("uncompressed", fmt::format("{} bytes", format_count(info.raw_bytes)));
  line("instructions", fmt::format("{} in {}", format_count(totals.instructions),
                                   format_counted(totals.blocks, "block")));
  line("data accesses",
       fmt::format("{} ({}, {}, {})", format_count(totals.data_accesses()),
                   format_counted(totals.loads, "load"), format_counted(totals.stores, "store"),
                   format_counted(totals.modifies, "modify", "modifies")));
  if (totals.instructions != 0)
    line("size", fmt::format("{:.3f} bytes per instruction", info.bytes_per_instruction()));
  std::string events = format_count(totals.events);
  if (info.scanned) {
    line("processes",
         fmt::format("{} with {}, {}", format_count(info.processes),
                     format_counted(info.threads, "thread"),
                     format_counted(info.thread_changes, "change of thread", "changes of thread")));
    const char* separator = ": ";
    for (size_t kind = 0; kind < info.event_counts.size(); ++kind) {
      if (info.event_counts[kind] == 0) continue;
      events += fmt::format("{}{} {}", separator, format_count(info.event_counts[kind]),
                            trace::event_kind_name(kind));
      separator = ", ";
    }
  }
  line("events", events);
  Document document{.kind = "trace", .blocks = {std::move(facts)}};
  if (!info.survey) return text_of(document, {.styles = {{"trace", {.width = 16}}}});
  const trace::Survey& survey = *info.survey;
  std::get<Facts>(document.blocks.front()).add("mix", "mix", mix_text(info.totals, survey));
  document.blocks.emplace_back(size_table(survey));
  document.blocks.emplace_back(footprint_table(survey));
  document.blocks.emplace_back(busiest(survey));
  if (!info.files.all().empty()) document.blocks.emplace_back(file_table(info.files));
  return text_of(document, {.styles = {{"trace", {.width = 16}}}}) + plots_text(survey);
}

Document trace_document(const std::string& path, const trace::Info& info) {
  Document document{.kind = "trace", .blocks = {trace_row(path, info)}, .source = path};
  if (!info.scanned) return document;
  Table events{.id = "events",
               .title = "Event",
               .columns = {{.key = "kind", .align = Column::Align::Left, .names = true},
                           {.key = "count", .title = "number", .unit = "events"}}};
  for (size_t kind = 0; kind < info.event_counts.size(); ++kind)
    events.row({std::string(trace::event_kind_name(kind)), info.event_counts[kind]});
  document.blocks.emplace_back(std::move(events));
  document.blocks.emplace_back(file_table(info.files));
  if (!info.survey) return document;
  document.blocks.emplace_back(size_table(*info.survey));
  document.blocks.emplace_back(footprint_table(*info.survey));
  document.blocks.emplace_back(process_table(*info.survey));
  document.blocks.emplace_back(interval_table(*info.survey));
  return document;
}

std::string trace_csv(const std::string& path, const trace::Info& info, const std::string& table) {
  const Document document = trace_document(path, info);
  for (const auto& block : document.blocks)
    if (const auto* one = std::get_if<Table>(&block); one != nullptr && one->id == table)
      return csv_of(*one);
  MMUSIM_ASSERT(false);
  return "";
}

}  // namespace mmusim::report
