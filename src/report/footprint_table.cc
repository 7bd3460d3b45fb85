#include "report/footprint_table.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/units.h"
#include "report/data_writers.h"
#include "report/text_writer.h"
#include "stats/json.h"

namespace mmusim::report {

namespace {

using stats::Json;

// What is told of each page table.
Table footprints_of(const std::vector<NamedFootprint>& all) {
  Table table{.id = "footprints",
              .title = "Page table",
              .columns = {{.key = "page_table", .align = Column::Align::Left, .names = true}}};
  for (const NamedFootprint& one : all)
    table.rows.push_back({.cells = {one.name}});
  const auto add = [&](Column column, auto cell) {
    table.columns.push_back(std::move(column));
    for (size_t i = 0; i < all.size(); ++i)
      table.rows[i].cells.emplace_back(cell(all[i]));
  };
  const auto count = [&](Column column, uint64_t pt::Footprint::*field) {
    add(std::move(column), [&](const NamedFootprint& one) { return one.footprint.*field; });
  };
  const auto bytes = [&](Column column, uint64_t pt::Footprint::*field) {
    add(std::move(column), [&](const NamedFootprint& one) { return Bytes{one.footprint.*field}; });
  };
  const auto per_page = [&](Column column, uint64_t pt::Footprint::*field) {
    add(std::move(column), [&](const NamedFootprint& one) {
      return Ratio{one.footprint.*field, one.footprint.pages, Ratio::As::Times};
    });
  };
  count({.key = "pages", .title = "pages mapped", .unit = "pages"}, &pt::Footprint::pages);
  count({.key = "leaves", .title = "by leaves", .unit = "leaves", .depth = 1},
        &pt::Footprint::leaves);
  add({.key = "tables", .title = "tables", .unit = "tables"}, [](const NamedFootprint& one) {
    uint64_t tables = 0;
    for (const pt::TableClass& c : one.footprint.classes)
      tables += c.tables;
    return tables;
  });
  bytes({.key = "table_bytes", .title = "memory", .unit = "bytes"}, &pt::Footprint::table_bytes);
  bytes({.key = "root_bytes", .title = "and its root", .unit = "bytes", .depth = 1},
        &pt::Footprint::root_bytes);
  const Column::For programs = Column::For::Programs;
  count({.key = "lookup_words", .unit = "words", .readers = programs}, &pt::Footprint::words_total);
  count({.key = "lookup_lines", .unit = "cache lines", .readers = programs},
        &pt::Footprint::lines_total);
  per_page({.key = "bytes_per_page", .title = "bytes per mapped page", .unit = "bytes per page"},
           &pt::Footprint::table_bytes);
  per_page({.key = "words_per_lookup",
            .title = "words read per look-up",
            .unit = "words",
            .meaning = "Mean over a look-up of each page."},
           &pt::Footprint::words_total);
  add({.key = "words_at_most", .title = "at most", .unit = "words", .depth = 1},
      [](const NamedFootprint& one) { return uint64_t{one.footprint.words_most()}; });
  per_page({.key = "lines_per_lookup",
            .title = "cache lines per look-up",
            .unit = "cache lines",
            .meaning = "Mean over a look-up of each page."},
           &pt::Footprint::lines_total);
  count({.key = "lines_each_page_once",
         .title = "cache lines, each page once",
         .unit = "cache lines",
         .meaning = "Those that look-ups of all pages read at least once."},
        &pt::Footprint::lines_distinct);
  count({.key = "restructures", .title = "tables resized or rebuilt", .unit = "tables"},
        &pt::Footprint::restructures);
  count({.key = "entries_rewritten",
         .title = "entries rewritten by that",
         .unit = "entries",
         .depth = 1},
        &pt::Footprint::entries_rewritten);
  add({.key = "machine_table_bytes",
       .title = "memory of all address spaces",
       .unit = "bytes",
       .meaning = "Page tables of the whole machine at that moment."},
      [](const NamedFootprint& one) { return Bytes{one.machine_bytes}; });
  add({.key = "machine_held_bytes", .title = "frames that hold it", .unit = "bytes", .depth = 1},
      [](const NamedFootprint& one) { return Bytes{one.held_bytes}; });
  add({.key = "machine_common_bytes", .unit = "bytes", .readers = programs},
      [](const NamedFootprint& one) { return Bytes{one.common_bytes}; });
  add({.key = "lost",
       .title = "lost to fragmentation",
       .unit = "of the frames",
       .meaning = "The share of those frames that no table is in.",
       .depth = 1},
      [](const NamedFootprint& one) {
        return Ratio{one.held_bytes - one.machine_bytes, one.held_bytes, Ratio::As::Share};
      });
  return table;
}

// The share of pages by words read.
Table depths_of(const std::vector<NamedFootprint>& all) {
  std::set<unsigned> depths;
  for (const NamedFootprint& one : all)
    for (const auto& [words, pages] : one.footprint.words)
      depths.insert(words);
  Table table{.id = "depths",
              .title = "Words read, share of pages",
              .columns = {{.key = "page_table", .align = Column::Align::Left, .names = true}}};
  for (const unsigned depth : depths)
    table.columns.push_back({.key = fmt::format("words_{}", depth),
                             .title = std::to_string(depth),
                             .unit = "of the pages"});
  for (const NamedFootprint& one : all) {
    std::vector<Value> cells{one.name};
    for (const unsigned depth : depths) {
      const auto found = one.footprint.words.find(depth);
      cells.push_back(found == one.footprint.words.end()
                          ? Value()
                          : Value(Ratio{found->second, one.footprint.pages, Ratio::As::Share}));
    }
    table.row(std::move(cells));
  }
  return table;
}

// Its tables, by level and size.
Table classes_of(const NamedFootprint& one) {
  Table table{.id = "tables." + one.name,
              .title = "Tables of " + one.name,
              .columns = {{.key = "name",
                           .align = Column::Align::Left,
                           .names = true,
                           .readers = Column::For::People},
                          {.key = "level", .readers = Column::For::Programs},
                          {.key = "bytes_each", .title = "bytes each", .unit = "bytes"},
                          {.key = "slots_each", .unit = "slots", .readers = Column::For::Programs},
                          {.key = "tables", .title = "number", .unit = "tables"},
                          {.key = "bytes", .title = "memory", .unit = "bytes"},
                          {.key = "leaves", .title = "leaves", .unit = "entries"},
                          {.key = "pointers", .title = "pointers", .unit = "entries"},
                          {.key = "in_use", .title = "slots in use", .unit = "of the slots"}}};
  for (const pt::TableClass& c : one.footprint.classes)
    table.row({fmt::format("level {}", c.level), uint64_t{c.level}, uint64_t{c.bytes_each},
               uint64_t{c.slots_each}, uint64_t{c.tables}, Bytes{c.tables * c.bytes_each},
               uint64_t{c.leaves}, uint64_t{c.pointers},
               Ratio{c.leaves + c.pointers, c.tables * c.slots_each, Ratio::As::Share}});
  return table;
}

std::string size_text(const NamedFootprint& one) {
  std::string text;
  for (const auto& [log2, leaves] : one.footprint.leaves_by_size)
    text += fmt::format("{}{} of {}", text.empty() ? "" : ", ", format_count(leaves),
                        format_size(uint64_t{1} << log2));
  return text;
}

std::string hint_text(const NamedFootprint& one) {
  std::string text;
  for (const auto& [log2, leaves] : one.footprint.hints_by_size)
    text += fmt::format("{}{} say {}", text.empty() ? "" : ", ", format_count(leaves),
                        format_size(uint64_t{1} << log2));
  return text;
}

}  // namespace

Document footprint_document(const FootprintHeading& heading,
                            const std::vector<NamedFootprint>& footprints) {
  Facts facts{.id = "heading"};
  facts.add("machine", "machine", fmt::format("{} ({})", heading.machine, heading.arch));
  facts.add("pages_of", "pages of", heading.source);
  facts.add("moment", "", heading.what);
  // Of the first, and of those in which it is otherwise: one's leaves may be another's groups.
  for (const NamedFootprint& one : footprints) {
    const NamedFootprint& first = footprints.front();
    const bool is_first = &one == &first;
    const std::string of = is_first ? "" : ", " + one.name;
    if (one.footprint.leaves_by_size.size() > 1 &&
        (is_first || one.footprint.leaves_by_size != first.footprint.leaves_by_size))
      facts.add(is_first ? "leaves" : "leaves." + one.name, "leaves" + of, size_text(one));
    if (!one.footprint.hints_by_size.empty() &&
        (is_first || one.footprint.hints_by_size != first.footprint.hints_by_size))
      facts.add(is_first ? "hints" : "hints." + one.name, "hints" + of, hint_text(one));
  }
  for (const FailedFootprint& one : heading.failed)
    facts.add(fmt::format("failed.{}", one.name), "failed",
              fmt::format("{}: {}", one.name, one.why));
  Document document{.kind = "footprint",
                    .blocks = {facts, footprints_of(footprints), depths_of(footprints)}};
  for (const NamedFootprint& one : footprints)
    document.blocks.emplace_back(classes_of(one));
  return document;
}

std::string footprint_table(const FootprintHeading& heading,
                            const std::vector<NamedFootprint>& footprints) {
  constexpr size_t kHeadingWidth = 10;
  constexpr size_t kClassWidth = 16;
  constexpr TextStyle kDown{.as = TextStyle::As::Down, .width = kLabelWidth};
  TextLayout layout{
      .styles = {{"heading", {.width = kHeadingWidth}}, {"footprints", kDown}, {"depths", kDown}}};
  for (const NamedFootprint& one : footprints)
    layout.styles["tables." + one.name].width = kClassWidth;
  return text_of(footprint_document(heading, footprints), layout);
}

std::string footprint_csv(const std::vector<NamedFootprint>& footprints) {
  return csv_of(footprints_of(footprints));
}

std::string footprint_json(const FootprintHeading& heading,
                           const std::vector<NamedFootprint>& footprints,
                           const stats::Provenance& provenance, const config::Config& config) {
  Json document = stats::document_head(provenance, config);
  document["source"] = {{"pages_of", heading.source},
                        {"moment", heading.what},
                        {"page_bytes", uint64_t{1} << heading.page}};
  for (const FailedFootprint& one : heading.failed)
    document["failed"].push_back({{"name", one.name}, {"why", one.why}});
  Json& list = document["footprints"] = rows_json(footprints_of(footprints));
  for (size_t i = 0; i < footprints.size(); ++i) {
    for (const auto& [log2, leaves] : footprints[i].footprint.leaves_by_size)
      list[i]["leaves_by_bytes"][std::to_string(uint64_t{1} << log2)] = leaves;
    for (const auto& [log2, leaves] : footprints[i].footprint.hints_by_size)
      list[i]["hints_by_bytes"][std::to_string(uint64_t{1} << log2)] = leaves;
    for (const auto& [words, pages] : footprints[i].footprint.words)
      list[i]["pages_by_words"][std::to_string(words)] = pages;
    list[i]["tables"] = rows_json(classes_of(footprints[i]));
  }
  return stats::document_text(document);
}

}  // namespace mmusim::report
