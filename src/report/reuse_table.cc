#include "report/reuse_table.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/units.h"
#include "report/bars.h"
#include "report/text_writer.h"

namespace mmusim::report {
namespace {

using trace::ReuseCounts;
using trace::ReuseSide;

constexpr std::array<const char*, trace::kReuseSides> kSideNames{"fetch", "data", "both"};
constexpr std::array<const char*, trace::kReuseSides> kSideTitles{"fetches", "data", "both"};
constexpr size_t kBarWidth = 24;

// The distances of a bucket, both included.
uint64_t first_of(size_t bucket) {
  return bucket == 0 ? 0 : uint64_t{1} << (bucket - 1);
}
uint64_t last_of(size_t bucket) {
  return bucket == 0 ? 0 : first_of(bucket) + (first_of(bucket) - 1);
}

size_t buckets_used(const trace::Reuse& reuse) {
  size_t used = 1;
  for (size_t side = 0; side < trace::kReuseSides; ++side) {
    const auto& buckets = reuse.counts(static_cast<ReuseSide>(side)).buckets();
    for (size_t b = used; b < buckets.size(); ++b)
      if (buckets[b] != 0) used = b + 1;
  }
  return used;
}

Table miss_table(const trace::Stats& stats) {
  Table table{
      .id = "misses",
      .title = "Misses",
      .columns = {{.key = "page_bytes", .title = "page size", .unit = "bytes", .names = true},
                  {.key = "side", .align = Column::Align::Left, .names = true},
                  {.key = "entries", .unit = "entries", .names = true},
                  {.key = "lookups", .unit = "look-ups"},
                  {.key = "misses",
                   .unit = "look-ups",
                   .meaning = "Of a fully associative LRU TLB that nothing else enters or "
                              "leaves, first touches included."},
                  {.key = "miss_ratio", .meaning = "Misses over look-ups."}}};
  for (const trace::Reuse& reuse : stats.pages)
    for (size_t side = 0; side < trace::kReuseSides; ++side)
      for (const uint64_t entries : stats.entries) {
        const ReuseCounts& counts = reuse.counts(static_cast<ReuseSide>(side));
        const uint64_t misses = counts.misses(entries);
        table.row({reuse.page().bytes(), std::string(kSideNames.at(side)), entries,
                   counts.lookups(), misses, Ratio{misses, counts.lookups(), Ratio::As::PerOne}});
      }
  return table;
}

Table page_table_of(const trace::Stats& stats) {
  Table table{.id = "pages",
              .title = "Pages",
              .columns = {{.key = "page_bytes", .unit = "bytes", .names = true},
                          {.key = "side", .align = Column::Align::Left, .names = true},
                          {.key = "pages", .unit = "pages", .meaning = "Looked up at least once."},
                          {.key = "lookups", .unit = "look-ups"}}};
  for (const trace::Reuse& reuse : stats.pages)
    for (size_t side = 0; side < trace::kReuseSides; ++side) {
      const auto which = static_cast<ReuseSide>(side);
      table.row({reuse.page().bytes(), std::string(kSideNames.at(side)), reuse.pages(which),
                 reuse.counts(which).lookups()});
    }
  return table;
}

std::string distances_title(const trace::Reuse& reuse) {
  return fmt::format("Distance, {} pages", format_size(reuse.page().bytes()));
}

// For people: a page size's distances, the sides beside each other, with bars of the last.
Table distances_beside(const trace::Reuse& reuse) {
  Table table{.id = fmt::format("distances {}", reuse.page().log2())};
  table.columns = {{.key = "distance", .title = distances_title(reuse), .names = true}};
  for (const char* const title : kSideTitles)
    table.columns.push_back({.key = title, .title = title});
  table.columns.push_back({.key = "bar", .title = "of both", .align = Column::Align::Left});
  const ReuseCounts& both = reuse.counts(ReuseSide::Both);
  const size_t used = buckets_used(reuse);
  uint64_t most = both.first();
  for (size_t b = 0; b < used; ++b)
    most = std::max(most, both.buckets()[b]);
  const auto row = [&](std::string name, auto count) {
    std::vector<Value> cells{std::move(name)};
    for (size_t side = 0; side < trace::kReuseSides; ++side) {
      const ReuseCounts& counts = reuse.counts(static_cast<ReuseSide>(side));
      cells.emplace_back(Ratio{count(counts), counts.lookups(), Ratio::As::Share});
    }
    cells.emplace_back(bar(count(both), most, kBarWidth));
    table.row(std::move(cells));
  };
  for (size_t b = 0; b < used; ++b)
    row(first_of(b) == last_of(b)
            ? format_count(first_of(b))
            : fmt::format("{} to {}", format_count(first_of(b)), format_count(last_of(b))),
        [&](const ReuseCounts& counts) { return counts.buckets()[b]; });
  row("first look-up", [](const ReuseCounts& counts) { return counts.first(); });
  return table;
}

Table misses_beside(const trace::Stats& stats, const trace::Reuse& reuse) {
  Table table{.id = fmt::format("misses {}", reuse.page().log2())};
  table.columns = {
      {.key = "entries",
       .title = fmt::format("TLB entries, {} pages", format_size(reuse.page().bytes())),
       .names = true}};
  for (const char* const title : kSideTitles)
    table.columns.push_back({.key = title, .title = title});
  for (const uint64_t entries : stats.entries) {
    std::vector<Value> cells{entries};
    for (size_t side = 0; side < trace::kReuseSides; ++side) {
      const ReuseCounts& counts = reuse.counts(static_cast<ReuseSide>(side));
      cells.emplace_back(Ratio{counts.misses(entries), counts.lookups(), Ratio::As::Share});
    }
    table.row(std::move(cells));
  }
  return table;
}

}  // namespace

Table distance_table(const trace::Stats& stats) {
  Table table{
      .id = "distances",
      .title = "Distances",
      .columns = {
          {.key = "page_bytes", .title = "page size", .unit = "bytes", .names = true},
          {.key = "side",
           .meaning = "Which look-ups: of fetches, of data accesses, or of both together.",
           .align = Column::Align::Left,
           .names = true},
          {.key = "from",
           .unit = "pages",
           .meaning = "Other pages looked up since this one was last; nothing where it never "
                      "was.",
           .names = true},
          {.key = "to", .unit = "pages", .meaning = "Included.", .names = true},
          {.key = "lookups", .unit = "look-ups"}}};
  for (const trace::Reuse& reuse : stats.pages) {
    const size_t used = buckets_used(reuse);
    for (size_t side = 0; side < trace::kReuseSides; ++side) {
      const ReuseCounts& counts = reuse.counts(static_cast<ReuseSide>(side));
      const std::string name = kSideNames.at(side);
      for (size_t b = 0; b < used; ++b)
        table.row({reuse.page().bytes(), name, first_of(b), last_of(b), counts.buckets()[b]});
      table.row({reuse.page().bytes(), name, {}, {}, counts.first()});
    }
  }
  return table;
}

Document reuse_document(const std::string& path, const trace::Stats& stats) {
  return {.kind = "reuse",
          .blocks = {page_table_of(stats), distance_table(stats), miss_table(stats)},
          .source = path};
}

std::string reuse_text(const std::string& path, const trace::Stats& stats) {
  Document document{.kind = "reuse", .source = path};
  TextLayout layout;
  Facts facts{.id = "trace"};
  facts.add("trace", "trace", path);
  facts.add(
      "references", "references",
      fmt::format("{}, {}, {}", format_counted(stats.totals.instructions, "instruction"),
                  format_counted(stats.totals.data_accesses(), "data access", "data accesses"),
                  format_counted(stats.spaces, "address space")));
  for (const trace::Reuse& reuse : stats.pages)
    facts.add(fmt::format("pages {}", reuse.page().log2()),
              fmt::format("{} pages", format_size(reuse.page().bytes())),
              fmt::format("{} looked up: {} by fetches, {} by data accesses",
                          format_count(reuse.pages(ReuseSide::Both)),
                          format_count(reuse.pages(ReuseSide::Fetch)),
                          format_count(reuse.pages(ReuseSide::Data))));
  document.blocks.emplace_back(std::move(facts));
  layout.styles["trace"] = {.width = 16};
  for (const trace::Reuse& reuse : stats.pages) {
    document.blocks.emplace_back(distances_beside(reuse));
    if (!stats.entries.empty()) document.blocks.emplace_back(misses_beside(stats, reuse));
  }
  Facts notes{.id = "notes"};
  notes.add("distance", "",
            "Distance: how many other pages were looked up since this one was last, the others of "
            "its side alone or of both. TLB: what a fully associative one with LRU would miss, "
            "first look-ups included, if nothing else entered or left it. Pages of different "
            "address spaces are different pages.");
  document.blocks.emplace_back(std::move(notes));
  return text_of(document, layout);
}

}  // namespace mmusim::report
