#include "report/trace_tools_table.h"

#include <fmt/format.h>

#include "base/units.h"
#include "report/text_writer.h"
#include "report/trace_table.h"
#include "report/wrap.h"

namespace mmusim::report {
namespace {

constexpr size_t kToolIndent = 4;

std::vector<Column> totals_columns() {
  return {{.key = "instructions", .title = "instructions", .unit = "instructions"},
          {.key = "data_accesses", .title = "data accesses", .unit = "accesses"},
          {.key = "events", .title = "events", .unit = "events"}};
}

}  // namespace

std::string totals_text(const trace::Totals& totals) {
  return fmt::format("{}, {}, {}", format_counted(totals.instructions, "instruction"),
                     format_counted(totals.data_accesses(), "data access", "data accesses"),
                     format_counted(totals.events, "event"));
}

Table remark_table(const trace::VerifyReport& report) {
  Table table{
      .id = "remarks",
      .title = "Remark",
      .columns = {{.key = "kind", .align = Column::Align::Left, .names = true},
                  {.key = "count", .title = "times", .unit = "remarks"},
                  {.key = "first_instruction",
                   .title = "first at",
                   .meaning = "Number of the instruction of the first, from 0 in the whole trace."},
                  {.key = "meaning", .title = "meaning", .align = Column::Align::Left},
                  {.key = "first", .title = "first", .align = Column::Align::Left}}};
  for (const trace::OddityRemark& remark : report.remarks)
    table.row({std::string(trace::key_of(remark.oddity)), remark.count, remark.first,
               std::string(trace::sentence_of(remark.oddity)), remark.example});
  return table;
}

Document verify_document(const std::string& path, const trace::VerifyReport& report) {
  Document document = trace_document(path, report.info);
  document.kind = "verification";
  Table checked{.id = "checked",
                .title = "Checked",
                .columns = {{.key = "references",
                             .title = "references",
                             .unit = "references",
                             .meaning = "In processes whose image was recorded: looked up in their "
                                        "areas."},
                            {.key = "remarks", .title = "remarks", .unit = "remarks"}}};
  checked.row({report.references_checked, report.remark_count});
  document.blocks.emplace_back(std::move(checked));
  document.blocks.emplace_back(remark_table(report));
  return document;
}

std::string verify_text(const std::string& path, const trace::VerifyReport& report) {
  std::string text;
  for (const trace::OddityRemark& remark : report.remarks)
    text +=
        beside("remark:",
               fmt::format("{} {}, first at instruction {}: {}", trace::sentence_of(remark.oddity),
                           remark.count == 1 ? "Once" : format_count(remark.count) + " times",
                           format_count(remark.first), remark.example),
               kToolIndent);
  const trace::Info& info = report.info;
  const uint64_t all = info.totals.references();
  return text +
         beside(fmt::format("{}:", path),
                fmt::format("{}: {} in {}; {} references looked up in recorded areas; hash {}",
                            info.torn ? "torn, and sound as far as it goes" : "sound",
                            totals_text(info.totals), format_counted(info.chunks, "chunk"),
                            report.references_checked == all && all != 0
                                ? "all"
                                : fmt::format("{} of {}", format_count(report.references_checked),
                                              format_count(all)),
                            info.content_hash),
                kToolIndent);
}

Table cut_table(const std::string& output, const trace::CutResult& result) {
  Table table{.id = "cut", .title = "Cut"};
  table.columns = {{.key = "path", .title = "trace", .align = Column::Align::Left, .names = true}};
  for (Column& column : totals_columns())
    table.columns.push_back(std::move(column));
  table.columns.push_back({.key = "state_events",
                           .title = "of the state",
                           .unit = "events",
                           .meaning = "Events at the begin that set up what was there, the marker "
                                      "behind them included."});
  table.columns.push_back({.key = "processes", .title = "processes", .unit = "processes"});
  table.columns.push_back({.key = "zombies", .title = "zombies", .unit = "processes"});
  table.columns.push_back({.key = "areas", .title = "areas", .unit = "areas"});
  table.columns.push_back({.key = "bytes_not_set_up",
                           .title = "not set up",
                           .unit = "bytes",
                           .meaning = "Of areas that events cannot make as they were."});
  table.columns.push_back({.key = "processes_not_followed",
                           .title = "not followed",
                           .unit = "processes",
                           .meaning = "With too many areas to keep: begun without any."});
  table.columns.push_back({.key = "sharing_lost",
                           .title = "sharing lost",
                           .unit = "processes",
                           .meaning = "That shared another's memory, but not their parent's, and "
                                      "now have a copy."});
  table.row({output, result.totals.instructions, result.totals.data_accesses(),
             result.totals.events, result.state_events, result.processes, result.zombies,
             result.areas, Bytes{result.areas_not_set_up}, result.processes_not_followed,
             result.sharing_lost});
  return table;
}

Document cut_document(const std::string& path, const std::string& output,
                      const trace::CutResult& result) {
  return {.kind = "cut", .blocks = {cut_table(output, result)}, .source = path};
}

std::string cut_text(const std::string& output, const trace::CutResult& result) {
  std::string text =
      beside(fmt::format("{}:", output),
             fmt::format("{}; {} of the events set up {} ({} ended and not waited for) with {} "
                         "areas",
                         totals_text(result.totals), format_count(result.state_events),
                         format_counted(result.processes + result.zombies, "process", "processes"),
                         format_count(result.zombies), format_count(result.areas)),
             kToolIndent);
  if (result.areas_not_set_up != 0)
    text += beside("note:",
                   fmt::format("{} bytes of areas could not be set up as they were",
                               format_count(result.areas_not_set_up)),
                   kToolIndent);
  if (result.processes_not_followed != 0)
    text += beside("note:",
                   fmt::format("{} processes have too many areas to be kept, and begin without any",
                               format_count(result.processes_not_followed)),
                   kToolIndent);
  if (result.sharing_lost != 0)
    text += beside("note:",
                   fmt::format("{} processes that shared memory with one that is not their parent "
                               "have a copy of it",
                               format_count(result.sharing_lost)),
                   kToolIndent);
  return text;
}

Table merge_table(const trace::MergeResult& result) {
  Table table{.id = "merged", .title = "Trace"};
  table.columns = {{.key = "path", .align = Column::Align::Left, .names = true},
                   {.key = "ids_from",
                    .title = "ids from",
                    .meaning = "Added to the ids of its processes and threads."},
                   {.key = "turns", .title = "turns", .unit = "turns"}};
  for (Column& column : totals_columns())
    table.columns.push_back(std::move(column));
  for (const trace::MergedTrace& one : result.traces)
    table.row({one.path, uint64_t{one.first_id}, one.turns, one.totals.instructions,
               one.totals.data_accesses(), one.totals.events});
  return table;
}

Document merge_document(const std::string& output, const trace::MergeResult& result) {
  return {.kind = "merge", .blocks = {merge_table(result)}, .source = output};
}

std::string merge_text(const std::string& output, const trace::MergeResult& result) {
  return text_of(merge_document(output, result), {}) + "\n" +
         beside(fmt::format("{}:", output), totals_text(result.totals), kToolIndent);
}

Table prepare_table(const std::string& output, const trace::PrepareResult& result) {
  Table table{.id = "prepared", .title = "Trace"};
  table.columns = {{.key = "path", .align = Column::Align::Left, .names = true},
                   {.key = "bytes_before", .title = "before", .unit = "bytes"},
                   {.key = "bytes", .title = "now", .unit = "bytes"},
                   {.key = "chunks", .title = "chunks", .unit = "chunks"},
                   {.key = "sets",
                    .title = "for sets",
                    .unit = "chunks",
                    .meaning = "With what is enough for first-level TLBs with sets."},
                   {.key = "pages",
                    .title = "for any",
                    .unit = "chunks",
                    .meaning = "With what any first-level TLB needs, too."}};
  table.row({output, result.bytes_before, result.bytes_after, result.chunks, result.for_sets,
             result.for_any});
  return table;
}

Document prepare_document(const std::string& path, const std::string& output,
                          const trace::PrepareResult& result) {
  return {.kind = "prepare", .blocks = {prepare_table(output, result)}, .source = path};
}

std::string prepare_text(const std::string& output, const trace::PrepareResult& result) {
  return beside(fmt::format("{}:", output),
                fmt::format("{} bytes, {} before; of {} {} have page streams, {} of them for any "
                            "first-level TLB",
                            format_count(result.bytes_after), format_count(result.bytes_before),
                            format_counted(result.chunks, "chunk"), format_count(result.for_sets),
                            format_count(result.for_any)),
                kToolIndent);
}

}  // namespace mmusim::report
