// curve: what TLBs of every size would miss on a trace.
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <string_view>

#include "base/bits.h"
#include "base/error.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/documents.h"
#include "cli/simulate.h"
#include "report/curve_table.h"
#include "report/data_writers.h"
#include "sim/curve/measure_curves.h"

namespace mmusim::cli {
namespace {

constexpr const char* kCurveText =
    "Counts in one pass what LRU TLBs of 1 to 4096 sets and 1 to 64 ways would miss on a trace, "
    "for fetches and for data, exactly. The trace goes through the kernel and the page tables of a "
    "machine, whose own TLBs play no part: what is counted holds the program's pages only, all of "
    "one size, knows any number of address spaces, and is flushed of what the kernel flushes. The "
    "counts are those of replays on a machine of which that is true (one level of TLBs, no larger "
    "pages), but that an access to an address the architecture has not is a miss here. A real "
    "machine's kernel uses TLBs too, a miss handler's own pages are in them on "
    "some, and numbers of address spaces and long flushes are limits that empty them more often. A "
    "second level sees only what a first misses: with --behind the counts are those of a second "
    "level of every size behind first levels of one size, where neither level includes or excludes "
    "what the other has (as x86's).";

constexpr uint64_t kMostFirstEntries = 4096;

std::vector<PageShift> page_sizes(const Words& sizes) {
  std::vector<PageShift> pages;
  for (const std::string& text : sizes) {
    const auto bytes = parse_size(text);
    if (!bytes || !is_power_of_two(*bytes))
      throw UsageError("--pages", fmt::format("'{}' is no page size", text),
                       "it takes powers of two, with commas between them (4K,64K,2M)");
    const PageShift page(log2_floor(*bytes));
    if (std::find(pages.begin(), pages.end(), page) != pages.end())
      throw UsageError("--pages", fmt::format("{} is there twice", text));
    pages.push_back(page);
  }
  return pages;
}

// "64:4": entries and ways; two with a comma between: of fetches, of data.
std::array<sim::FirstLevel, 2> first_levels(const Words& levels) {
  std::vector<sim::FirstLevel> read;
  for (const std::string& text : levels) {
    const size_t colon = text.find(':');
    const auto entries = parse_count(std::string_view(text).substr(0, colon));
    const auto ways = colon == std::string::npos
                          ? entries
                          : parse_count(std::string_view(text).substr(colon + 1));
    if (!entries || !ways || *ways == 0 || *entries % *ways != 0 ||
        !is_power_of_two(*entries / *ways) || *entries > kMostFirstEntries)
      throw UsageError("--behind", fmt::format("'{}' is no first level", text),
                       fmt::format("it takes entries and ways, as 64:4, of a power of two of sets, "
                                   "up to {} entries",
                                   kMostFirstEntries));
    read.push_back(
        {.sets = static_cast<unsigned>(*entries / *ways), .ways = static_cast<unsigned>(*ways)});
  }
  if (read.empty() || read.size() > 2)
    throw UsageError("--behind", "takes one first level, or two: of fetches, of data",
                     "as in 128:8,64:4");
  return {read.front(), read.back()};
}

}  // namespace

void curve(const Words& words) {
  Arguments arguments(
      "curve TRACE [--pages 4K,64K,2M] [--behind 64:4] [--machine MACHINE|FILE] [options]",
      kCurveText);
  arguments.positional("TRACE", 1);
  declare_machine_options(arguments);
  arguments.options()  //
      ("pages", text_option("LIST"),
       "Page sizes, with commas between them; the machine's base page if not given. Every page is "
       "taken to be of that size.")  //
      ("unified,u",
       "Also of TLBs that serve both sides; that takes longer where no first level is before "
       "them.")  //
      ("behind", text_option("ENTRIES:WAYS[,ENTRIES:WAYS]"),
       "Count second levels: TLBs that are told of what first levels of that size miss, one for "
       "fetches and one for data (128:8,64:4; one stands for both, and without ways it is fully "
       "associative). Look-ups are the first levels' misses.")  //
      ("limit", text_option("N"),
       "Stop after N instructions and events; sets run.limit.")                      //
      ("accept-torn", "Read a torn trace as far as it goes; sets run.accept_torn.")  //
      ("quiet,q", "No progress on stderr.");
  arguments.offer("pages", kUsualPages);
  Documents::declare(arguments, "every count", "every count, a row each");
  Documents::declare_page(arguments);
  Documents::declare_plot(arguments);
  const config::Schema schema = simulation_schema(arguments, words);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;
  const config::Config config = simulation_config(arguments, schema);
  refuse_unread_keys({&config});
  sim::CurveOptions options{.pages = {}, .unified = arguments.has("unified")};
  if (arguments.has("pages")) options.pages = page_sizes(arguments.list("pages"));
  if (arguments.has("behind")) options.behind = first_levels(arguments.list("behind"));

  Documents documents(arguments);
  const std::string& trace = arguments.text("TRACE");
  const std::string& machine = config.text("machine.name");
  const sim::Curves curves =
      with_progress(fmt::format("measuring {}", trace), arguments.has("quiet"),
                    [&](const sim::ReplayOptions& replay) {
                      return sim::measure_curves(config, options, replay);
                    });
  const auto json = [&] {
    return report::json_of(report::curve_document(trace, machine, curves),
                           provenance_of(config, curves), config);
  };
  documents.write(
      json, [&] { return report::csv_of(report::curve_table(curves)); },
      [&] {
        return report::curve_text(trace, machine, curves) + Documents::plots(arguments, json);
      });
}

}  // namespace mmusim::cli
