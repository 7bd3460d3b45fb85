#include "report/comparison_table.h"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/printable.h"
#include "base/units.h"
#include "report/prices.h"
#include "report/text_table.h"
#include "report/wrap.h"

namespace mmusim::report {
namespace {

using stats::Counter;
using stats::Report;

uint64_t value_or_0(const Report& report, std::string_view name) {
  const Counter* const counter = report.find(name);
  return counter == nullptr ? 0 : counter->value;
}

// One column of a table: the sum of counters, over 1000 units of work unless it is bytes.
struct Column {
  const char* title;
  const char* key;  // in the JSON's rates
  std::vector<const char*> counters;
  bool bytes = false;

  [[nodiscard]] uint64_t sum(const Report& report) const {
    uint64_t all = 0;
    for (const char* const counter : counters)
      all += value_or_0(report, counter);
    return all;
  }
};

struct Group {
  const char* title;
  std::vector<Column> columns;
};

const std::vector<Group>& groups() {
  static const std::vector<Group> kGroups = {
      {"TLB misses",
       {{"first I", "first_level_fetch_misses", {"mmu.first.fetch_misses"}},
        {"first D", "first_level_data_misses", {"mmu.first.data_misses"}},
        {"last I", "last_level_fetch_misses", {"mmu.last.fetch_misses"}},
        {"last D", "last_level_data_misses", {"mmu.last.data_misses"}}}},
      {"Miss path",
       {{"walks", "walks", {"mmu.walks"}},
        {"traps", "traps", {"mmu.traps"}},
        {"handler instr", "handler_instructions", {"mmu.handler.instructions"}},
        {"walker refs", "walker_references", {"refs.walker"}},
        {"handler refs", "handler_references", {"refs.handler"}}}},
      {"Kernel",
       {{"faults", "faults", {"kernel.faults.minor", "kernel.faults.major"}},
        {"entries", "fault_entries", {"mmu.faults"}},
        {"entry instr", "fault_instructions", {"mmu.faults.instructions"}},
        {"table refs", "kernel_references", {"refs.kernel"}}}},
      {"Flushes",
       {{"requests", "flushes", {"mmu.flushes"}},
        {"pages", "flushed_pages", {"mmu.flushed_pages"}},
        {"TLBs emptied", "emptied", {"mmu.emptied"}},
        {"interrupts", "interrupts", {"mmu.interrupts"}}}},
      {"Memory at most",
       {{"page tables", "page_table_bytes", {"kernel.page_tables.peak"}, true},
        {"software TLB", "software_tlb_bytes", {"mmu.soft.bytes"}, true}}},
  };
  return kGroups;
}

// What a run's work is measured in.
struct Work {
  const char* unit;
  uint64_t amount;
};
Work work_of(const Report& report) {
  const uint64_t instructions = value_or_0(report, "run.instructions");
  if (instructions != 0) return {"instructions", instructions};
  return {"accesses",
          value_or_0(report, "mmu.fetch_lookups") + value_or_0(report, "mmu.data_lookups")};
}

double ratio(double part, double whole) {
  return whole == 0 ? 0 : part / whole;
}

// Where table references of walker and handler were served; empty without caches.
constexpr const char* kServed[] = {"l1", "l2", "l3", "memory"};
bool has_caches(const Report& report) {
  return report.find("refs.walker.served.l1") != nullptr;
}
uint64_t served(const Report& report, const char* where) {
  return value_or_0(report, fmt::format("refs.walker.served.{}", where)) +
         value_or_0(report, fmt::format("refs.handler.served.{}", where));
}

struct Part {
  const char* counter;
  const char* key;  // in the JSON's rates
  const char* title;
};
// mmu.cycles, and what it is the sum of.
constexpr Part kCycles[] = {{"mmu.cycles", "cycles", "total"},
                            {"mmu.miss_cycles", "cycles_misses", "TLB misses"},
                            {"mmu.cycles.faults", "cycles_faults", "fault entries"},
                            {"mmu.cycles.kernel", "cycles_kernel", "kernel refs"},
                            {"mmu.cycles.flushes", "cycles_flushes", "flushes"},
                            {"mmu.cycles.interrupts", "cycles_interrupts", "interrupts"},
                            {"mmu.cycles.broadcasts", "cycles_broadcasts", "broadcasts"}};
constexpr size_t kOfOneCpu = 5;  // what there is with one CPU
// mmu.miss_cycles, likewise.
constexpr Part kMissCycles[] = {{"mmu.miss_cycles", "cycles_misses", "total"},
                                {"mmu.cycles.next_level", "cycles_next_level", "next level"},
                                {"mmu.cycles.walks", "cycles_walks", "walks"},
                                {"mmu.cycles.walker", "cycles_walker", "walker refs"},
                                {"mmu.cycles.traps", "cycles_traps", "traps"},
                                {"mmu.cycles.instructions", "cycles_instructions", "instr"},
                                {"mmu.cycles.handler", "cycles_handler", "handler refs"}};

bool has_several_cpus(const Comparison& comparison) {
  return std::any_of(comparison.runs.begin(), comparison.runs.end(), [](const ComparedRun& run) {
    return run.report.find("sched.cpus") != nullptr;
  });
}

std::span<const Part> cycles_of(const Comparison& comparison) {
  return std::span(kCycles).first(has_several_cpus(comparison) ? std::size(kCycles) : kOfOneCpu);
}

size_t name_width(const Comparison& comparison) {
  size_t width = 16;
  for (const ComparedRun& run : comparison.runs)
    width = std::max(width, run.name.size());
  return width;
}

std::string group_text(const Comparison& comparison, const Group& group) {
  const Work work = work_of(comparison.runs.front().report);
  std::vector<std::string> heading{group.title};
  for (const Column& column : group.columns)
    heading.emplace_back(column.title);
  TextTable table(heading, name_width(comparison));
  for (const ComparedRun& run : comparison.runs) {
    std::vector<std::string> cells{run.name};
    for (const Column& column : group.columns) {
      const uint64_t sum = column.sum(run.report);
      cells.push_back(column.bytes ? readable_bytes(sum) : per_thousand(sum, work.amount));
    }
    table.row(cells);
  }
  return "\n" + table.text();
}

std::string served_text(const Comparison& comparison) {
  if (!has_caches(comparison.runs.front().report)) return "";
  TextTable table({"Table refs served", "L1", "L2", "L3", "memory"}, name_width(comparison));
  for (const ComparedRun& run : comparison.runs) {
    uint64_t all = 0;
    for (const char* const where : kServed)
      all += served(run.report, where);
    std::vector<std::string> cells{run.name};
    for (const char* const where : kServed)
      cells.push_back(percent(served(run.report, where), all));
    table.row(cells);
  }
  return "\n" + table.text();
}

// The first part is what the last column relates to the base's.
std::string cycles_text(const Comparison& comparison, const char* title,
                        std::span<const Part> parts) {
  const Work work = work_of(comparison.runs.front().report);
  const auto whole = [&](const ComparedRun& run) {
    return static_cast<double>(value_or_0(run.report, parts.front().counter));
  };
  const double base = whole(comparison.runs[comparison.base]);
  std::vector<std::string> heading{title};
  for (const Part& part : parts)
    heading.emplace_back(part.title);
  heading.emplace_back("relative");
  TextTable table(heading, name_width(comparison));
  for (const ComparedRun& run : comparison.runs) {
    std::vector<std::string> cells{run.name};
    for (const Part& part : parts)
      cells.push_back(per_thousand(value_or_0(run.report, part.counter), work.amount));
    cells.push_back(base == 0 ? "-" : fmt::format("{:.2f}", whole(run) / base));
    table.row(cells);
  }
  return "\n" + table.text();
}

// Every rate of a run, by its name in JSON and CSV; bytes are as they are.
std::vector<std::pair<std::string, double>> rates_of(const Comparison& comparison,
                                                     const Report& report) {
  const Work work = work_of(comparison.runs.front().report);
  std::vector<std::pair<std::string, double>> rates;
  const auto rate = [&](uint64_t count) {
    return ratio(static_cast<double>(count) * 1000, static_cast<double>(work.amount));
  };
  for (const Group& group : groups())
    for (const Column& column : group.columns)
      rates.emplace_back(column.key, column.bytes ? static_cast<double>(column.sum(report))
                                                  : rate(column.sum(report)));
  for (const Part& part : std::span(kMissCycles).subspan(1))
    rates.emplace_back(part.key, rate(value_or_0(report, part.counter)));
  for (const Part& part : cycles_of(comparison))
    rates.emplace_back(part.key, rate(value_or_0(report, part.counter)));
  return rates;
}

// The runs from the fewest cycles of translation on; equal ones share a place.
std::string ranking_text(const Comparison& comparison) {
  const Work work = work_of(comparison.runs.front().report);
  const auto cycles = [](const ComparedRun* run) { return value_or_0(run->report, "mmu.cycles"); };
  std::vector<const ComparedRun*> ranked;
  for (const ComparedRun& run : comparison.runs)
    ranked.push_back(&run);
  std::stable_sort(ranked.begin(), ranked.end(), [&](const ComparedRun* a, const ComparedRun* b) {
    return cycles(a) < cycles(b);
  });
  const auto least = static_cast<double>(cycles(ranked.front()));
  TextTable table({"Ranking", "place", "cycles", "of the first"}, name_width(comparison));
  size_t place = 0;
  for (size_t i = 0; i < ranked.size(); ++i) {
    if (i == 0 || cycles(ranked[i]) != cycles(ranked[i - 1])) place = i + 1;
    const auto own = static_cast<double>(cycles(ranked[i]));
    table.row({ranked[i]->name, fmt::format("{}", place),
               per_thousand(cycles(ranked[i]), work.amount),
               least == 0 ? "-" : fmt::format("{:.2f}", own / least)});
  }
  return "\n" + table.text();
}

}  // namespace

std::string comparison_table(const Comparison& comparison) {
  MMUSIM_ASSERT(comparison.base < comparison.runs.size());
  const Work work = work_of(comparison.runs.front().report);
  constexpr size_t kIndent = 10;
  std::string text = fmt::format("source    {}\n", printable(comparison.source));
  if (!comparison.program.empty() && comparison.program != comparison.source)
    text += beside("program", printable(comparison.program), kIndent);
  text += fmt::format("work      {} {}; all numbers are per 1000 of them, but bytes\n",
                      format_count(work.amount), work.unit);
  text += fmt::format("relative  to {}\n", printable(comparison.runs[comparison.base].name));
  for (const Group& group : groups())
    text += group_text(comparison, group);
  return text + served_text(comparison) +
         cycles_text(comparison, "Cycles of TLB misses", kMissCycles) +
         cycles_text(comparison, "Cycles of translation", cycles_of(comparison)) +
         ranking_text(comparison) + prices_text(comparison);
}

std::string comparison_json(const Comparison& comparison) {
  MMUSIM_ASSERT(comparison.base < comparison.runs.size());
  using Json = nlohmann::ordered_json;
  const Work work = work_of(comparison.runs.front().report);
  Json document = {{"schema", 1},
                   {"source", comparison.source},
                   {"per", {{"unit", work.unit}, {"amount", work.amount}, {"scale", 1000}}},
                   {"base", comparison.runs[comparison.base].name}};
  Json& list = document["runs"] = Json::array();
  const auto base = rates_of(comparison, comparison.runs[comparison.base].report);
  for (const ComparedRun& run : comparison.runs) {
    Json entry = {{"name", run.name}};
    const auto rates = rates_of(comparison, run.report);
    for (size_t i = 0; i < rates.size(); ++i) {
      entry["rates"][rates[i].first] = rates[i].second;
      // Nothing over nothing is the same; something over nothing has no number.
      if (base[i].second != 0)
        entry["relative"][rates[i].first] = rates[i].second / base[i].second;
      else
        entry["relative"][rates[i].first] = rates[i].second == 0 ? Json(1.0) : Json(nullptr);
    }
    for (const Price& price : prices_of(run))
      entry["prices"][price.key] = {
          {"cycles", price.cycles}, {"from", price.from}, {"remark", price.remark}};
    entry["result"] = Json::parse(stats::results_json(run.provenance, run.config, run.report));
    list.push_back(std::move(entry));
  }
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string comparison_csv(const Comparison& comparison) {
  std::string text = "run,work,unit";
  for (const auto& [key, rate] : rates_of(comparison, comparison.runs.front().report))
    text += fmt::format(",{}", key);
  text += "\n";
  for (const ComparedRun& run : comparison.runs) {
    const Work work = work_of(run.report);
    text += fmt::format("{},{},{}", stats::csv_field(run.name), work.amount, work.unit);
    for (const auto& [key, rate] : rates_of(comparison, run.report))
      text += fmt::format(",{}", rate);
    text += "\n";
  }
  return text;
}

}  // namespace mmusim::report
