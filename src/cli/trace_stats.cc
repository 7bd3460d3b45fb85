// trace stats: how pages are reused.
#include <algorithm>
#include <fmt/format.h>

#include "base/bits.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/documents.h"
#include "cli/progress.h"
#include "cli/trace_files.h"
#include "report/data_writers.h"
#include "report/reuse_table.h"
#include "trace/stats.h"

namespace mmusim::cli {
namespace {

std::vector<PageShift> parse_pages(const Words& sizes) {
  constexpr unsigned kLargest = 40;
  std::vector<PageShift> pages;
  for (const std::string& text : sizes) {
    const auto bytes = parse_size(text);
    if (!bytes || !is_power_of_two(*bytes) || *bytes < trace::kBlockPage.bytes() ||
        *bytes > uint64_t{1} << kLargest)
      throw UsageError("--pages", fmt::format("'{}' is no page size", text),
                       "it takes powers of two from 4K to 1T, with commas between them");
    const PageShift page(log2_floor(*bytes));
    if (std::find(pages.begin(), pages.end(), page) != pages.end())
      throw UsageError("--pages", fmt::format("{} is there twice", text));
    pages.push_back(page);
  }
  return pages;
}

std::vector<uint64_t> parse_entries(const Words& numbers) {
  std::vector<uint64_t> entries;
  for (const std::string& text : numbers) {
    const auto number = parse_count(text);
    if (!number || *number == 0 || *number > trace::kMostEntries)
      throw UsageError("--entries", fmt::format("'{}' is no number of entries", text),
                       fmt::format("it takes 1 to {}, with commas between them",
                                   format_count(trace::kMostEntries)));
    entries.push_back(*number);
  }
  return entries;
}

}  // namespace

void trace_stats(const Words& words) {
  Arguments arguments(
      "trace stats TRACE [--pages LIST] [--entries N,...]",
      "Counts for each look-up of a page how many other pages were looked up since it was last "
      "(its "
      "LRU stack distance), for fetches, for data accesses, and for both together. From that "
      "follows what a fully associative LRU TLB of any size would miss if nothing else entered or "
      "left it. As in a replay, each access looks up one page, or two where it goes over the end "
      "of one; pages of different address spaces are different.\n\n"
      "Memory: about 30 bytes for each page looked up, size and side.");
  arguments.positional("TRACE", 1);
  arguments.options()("pages", text_option("LIST"),
                      "Page sizes, with commas between them (4K,64K,2M); the recording's if not "
                      "given.")(
      "entries", text_option("N,..."),
      "Numbers of TLB entries; 16 to 4096 by powers of two if not given.")(
      "accept-torn", "Read a torn trace up to its last whole chunk.")("quiet,q",
                                                                      "No progress on stderr.");
  arguments.offer("pages", kUsualPages);
  Documents::declare(arguments, "all of it", "the distances");
  if (!arguments.parse(words)) return;
  trace::StatsOptions options;
  if (arguments.has("pages")) options.pages = parse_pages(arguments.list("pages"));
  if (arguments.has("entries")) options.entries = parse_entries(arguments.list("entries"));
  options.reader = reader_options(arguments);

  const std::string& path = arguments.text("TRACE");
  Documents documents(arguments);
  const trace::Stats stats =
      with_bytes_progress(arguments, fmt::format("reading {}", path), [&](const auto& progress) {
        options.progress = progress;
        return trace::read_stats(path, options);
      });
  documents.write([&] { return report::json_of(report::reuse_document(path, stats)); },
                  [&] { return report::csv_of(report::distance_table(stats)); },
                  [&] { return report::reuse_text(path, stats); });
}

}  // namespace mmusim::cli
