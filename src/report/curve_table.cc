#include "report/curve_table.h"

#include <fmt/format.h>
#include <utility>

#include "base/units.h"
#include "report/text_writer.h"

namespace mmusim::report {
namespace {

using sim::Curve;
using tlb::LruFamily;

// For people: a row for each number of entries, a column for each number of ways.
Table beside(const Curve& curve, uint64_t instructions) {
  constexpr unsigned kWays[] = {1, 2, 4, 8, 16, 32, 64};
  Table table{.id = fmt::format("{} {}", sim::name_of(curve.side), format_size(curve.page.bytes())),
              .columns = {{.key = "entries",
                           .title = fmt::format("{}, {} pages", sim::name_of(curve.side),
                                                format_size(curve.page.bytes())),
                           .unit = "entries",
                           .names = true}}};
  for (const unsigned ways : kWays)
    table.columns.push_back({.key = fmt::format("ways_{}", ways),
                             .title = format_counted(ways, "way"),
                             .unit = "misses per 1000 instructions"});
  constexpr uint64_t kFewest = 16;
  for (uint64_t entries = kFewest; entries <= kMostCurveEntries; entries *= 2) {
    std::vector<Value> cells{entries};
    for (const unsigned ways : kWays) {
      const uint64_t sets = entries / ways;
      unsigned log2 = 0;
      while (uint64_t{1} << log2 < sets)
        ++log2;
      if (sets == 0 || log2 >= LruFamily::kSetCounts)
        cells.emplace_back();
      else
        cells.emplace_back(
            Ratio{curve.misses.of(log2, ways), instructions, Ratio::As::PerThousand});
    }
    table.row(std::move(cells));
  }
  return table;
}

Facts heading_of(const std::string& trace, const std::string& machine, const sim::Curves& curves) {
  Facts heading{.id = "heading"};
  heading.add("trace", "trace", trace);
  if (curves.header.program != trace) heading.add("program", "program", curves.header.program);
  heading.add("machine", "machine", fmt::format("{}, whose own TLBs play no part", machine));
  if (curves.behind) {
    const auto text = [](const sim::FirstLevel& level) {
      return fmt::format("{} in {}",
                         format_counted(uint64_t{level.sets} * level.ways, "entry", "entries"),
                         format_counted(level.ways, "way"));
    };
    heading.add("behind", "behind",
                fmt::format("first levels (LRU) of {} for fetches and {} for data, whose misses "
                            "are the look-ups here",
                            text(curves.behind->front()), text(curves.behind->back())));
  }
  heading.add("work", "work",
              fmt::format("{} instructions; all numbers are misses per 1000 of them",
                          format_count(curves.totals.instructions)));
  if (curves.stopped) heading.add("stopped", "", "stopped at run.limit");
  if (curves.torn) heading.add("torn", "", "the trace is torn; read up to its last whole chunk");
  return heading;
}

}  // namespace

Table curve_table(const sim::Curves& curves) {
  Table table{
      .id = "curves",
      .columns = {
          {.key = "side", .align = Column::Align::Left, .names = true},
          {.key = "page_bytes", .unit = "bytes", .names = true},
          {.key = "sets", .names = true},
          {.key = "ways", .names = true},
          {.key = "entries", .unit = "entries", .meaning = "Sets times ways."},
          {.key = "lookups", .unit = "look-ups"},
          {.key = "misses",
           .unit = "look-ups",
           .meaning = "Of an LRU TLB with those sets and ways that holds nothing else; of a second "
                      "level, where the heading says what it is behind."},
          {.key = "miss_ratio", .meaning = "Misses over look-ups."},
          {.key = "misses_per_1000_instructions",
           .unit = "misses per 1000 instructions",
           .meaning = "Of the program's instructions."}}};
  for (const Curve& curve : curves.curves)
    for (unsigned log2 = 0; log2 < LruFamily::kSetCounts; ++log2)
      for (unsigned ways = 1;
           ways <= LruFamily::kMostWays && uint64_t{ways} << log2 <= kMostCurveEntries; ++ways) {
        const uint64_t misses = curve.misses.of(log2, ways);
        table.row({std::string(sim::name_of(curve.side)), curve.page.bytes(), uint64_t{1} << log2,
                   uint64_t{ways}, uint64_t{ways} << log2, curve.lookups, misses,
                   Ratio{misses, curve.lookups, Ratio::As::PerOne},
                   Ratio{misses, curves.totals.instructions, Ratio::As::PerThousand}});
      }
  return table;
}

Document curve_document(const std::string& trace, const std::string& machine,
                        const sim::Curves& curves) {
  return {.kind = "curves",
          .blocks = {heading_of(trace, machine, curves), curve_table(curves)},
          .source = trace};
}

std::string curve_text(const std::string& trace, const std::string& machine,
                       const sim::Curves& curves) {
  constexpr size_t kWidth = 8;
  constexpr size_t kFirst = 20;
  Document document{.kind = "curves", .blocks = {heading_of(trace, machine, curves)}};
  TextLayout layout{.styles = {{"heading", {.width = kWidth}}}};
  for (const Curve& curve : curves.curves) {
    Table table = beside(curve, curves.totals.instructions);
    layout.styles[table.id] = {.width = kFirst};
    document.blocks.emplace_back(std::move(table));
  }
  return text_of(document, layout);
}

}  // namespace mmusim::report
