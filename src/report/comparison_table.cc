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
#include "base/units.h"
#include "report/data_writers.h"
#include "report/prices.h"
#include "report/rates.h"
#include "report/text_writer.h"
#include "stats/json.h"

namespace mmusim::report {
namespace {

using stats::Json;

using stats::Counter;
using stats::Report;

bool has_traces(const Comparison& comparison) {
  return !comparison.traces.empty();
}

// What everything is related to. Of one trace or script every run does the same work.
Work common_work(const Comparison& comparison) {
  return work_of(comparison.runs[has_traces(comparison) ? comparison.base : 0].report);
}

bool was_moved(const ComparedRun& run) {
  return value_or_0(run.report, "relocation.active") != 0;
}

bool has_several_cpus(const Comparison& comparison) {
  return std::any_of(comparison.runs.begin(), comparison.runs.end(), [](const ComparedRun& run) {
    return run.report.find("sched.cpus") != nullptr;
  });
}

// Cells of a row, column by column.
class Columns {
 public:
  explicit Columns(const Comparison& comparison)
      : comparison_(comparison), work_(common_work(comparison)) {}

  void rate(const Rate& rate, const char* group, Column::For readers, bool strong = false) {
    const Counter counter = any(rate.counters.front());
    const bool bytes = counter.unit == "bytes";
    const std::string unit =
        bytes ? counter.unit : fmt::format("{} per 1000 {}", counter.unit, work_.unit);
    add(Column{.key = rate.key,
               .title = rate.title,
               .unit = unit,
               .meaning = counter.meaning,
               .group = group,
               .readers = readers,
               .strong = strong},
        [&](const ComparedRun& run) {
          const uint64_t sum = rate.of(run.report);
          return bytes ? Value(Bytes{sum}) : Value(Ratio{sum, work_.amount, kPerThousand});
        });
  }
  // A sum and its parts, and the sum over the base's.
  void sum(const char* group, std::span<const Rate> rates, bool told_elsewhere) {
    for (const Rate& one : rates)
      rate(one, group,
           told_elsewhere && &one == rates.data() ? Column::For::People : Column::For::All,
           &one == rates.data());
    const char* const whole = rates.front().counters.front();
    const uint64_t base = value_or_0(comparison_.runs[comparison_.base].report, whole);
    add({.key = fmt::format("{}_relative", rates.front().key),
         .title = "relative",
         .unit = "times the base's",
         .group = group,
         .readers = Column::For::People},
        [&](const ComparedRun& run) {
          return Ratio{value_or_0(run.report, whole), base, Ratio::As::Times};
        });
  }
  // Where table references of walker and handler were served; empty without caches.
  void served() {
    if (comparison_.runs.front().report.find("refs.walker.served.l1") == nullptr) return;
    struct Place {
      const char* name;
      const char* title;
    };
    constexpr Place kPlaces[] = {{"l1", "L1"}, {"l2", "L2"}, {"l3", "L3"}, {"memory", "memory"}};
    const auto count = [](const Report& report, const char* where) {
      return value_or_0(report, fmt::format("refs.walker.served.{}", where)) +
             value_or_0(report, fmt::format("refs.handler.served.{}", where));
    };
    for (const Place& place : kPlaces)
      add({.key = fmt::format("served_{}", place.name),
           .title = place.title,
           .unit = "of the references",
           .group = "Table refs served",
           .readers = Column::For::People},
          [&](const ComparedRun& run) {
            uint64_t all = 0;
            for (const Place& other : kPlaces)
              all += count(run.report, other.name);
            return Ratio{count(run.report, place.name), all, Ratio::As::Share};
          });
  }
  template <class Cell>
  void add(Column column, Cell cell) {
    table_.columns.push_back(std::move(column));
    table_.rows.resize(comparison_.runs.size());
    for (size_t i = 0; i < table_.rows.size(); ++i)
      table_.rows[i].cells.emplace_back(cell(comparison_.runs[i]));
  }
  Table table() { return std::move(table_); }

 private:
  // As any of the runs reports it.
  [[nodiscard]] Counter any(const char* name) const {
    for (const ComparedRun& run : comparison_.runs)
      if (const Counter* const found = run.report.find(name)) return *found;
    return {};
  }

  static constexpr Ratio::As kPerThousand = Ratio::As::PerThousand;

  const Comparison& comparison_;
  Work work_;
  Table table_{.id = "runs", .title = "Run"};
};

Column name_of_run() {
  return {.key = "run", .align = Column::Align::Left, .names = true};
}

// A row a run, with all its rates.
Table runs_of(const Comparison& comparison) {
  Columns columns(comparison);
  columns.add(name_of_run(), [](const ComparedRun& run) { return run.name; });
  columns.add({.key = "work", .readers = Column::For::Programs},
              [](const ComparedRun& run) { return work_of(run.report).amount; });
  columns.add({.key = "unit", .readers = Column::For::Programs},
              [](const ComparedRun& run) { return std::string(work_of(run.report).unit); });
  if (has_traces(comparison)) {
    columns.add({.key = "trace", .readers = Column::For::Programs},
                [](const ComparedRun& run) { return run.trace.path; });
    columns.add({.key = "trace_isa", .readers = Column::For::Programs},
                [](const ComparedRun& run) { return run.provenance.trace_isa; });
    columns.add({.key = "trace_why", .readers = Column::For::Programs},
                [](const ComparedRun& run) { return run.trace.why; });
    columns.add({.key = "moved", .readers = Column::For::Programs}, was_moved);
    columns.add({.key = "per", .readers = Column::For::Programs},
                [&](const ComparedRun&) { return common_work(comparison).amount; });
  }
  for (const RateGroup& group : rate_groups())
    for (const Rate& rate : group.rates)
      columns.rate(rate, group.title, Column::For::All);
  columns.served();
  columns.sum("Cycles of TLB misses", miss_cycle_rates(), true);
  columns.sum("Cycles of translation",
              cycle_rates().first(has_several_cpus(comparison) ? cycle_rates().size() : kOfOneCpu),
              false);
  return columns.table();
}

// The rates of a run among what runs_of() made, by their names; bytes are as they are.
std::vector<std::pair<std::string, double>> rates_of(const Table& table, const Row& row) {
  std::vector<std::pair<std::string, double>> rates;
  for (size_t i = 0; i < row.cells.size(); ++i) {
    if (table.columns[i].readers == Column::For::People) continue;
    if (const auto* const ratio = std::get_if<Ratio>(&row.cells[i]))
      rates.emplace_back(table.columns[i].key, ratio->value().value_or(0));
    if (const auto* const bytes = std::get_if<Bytes>(&row.cells[i]))
      rates.emplace_back(table.columns[i].key, static_cast<double>(bytes->count));
  }
  return rates;
}

// Where there are several traces: which each machine had.
Table traces_of(const Comparison& comparison) {
  const uint64_t base = common_work(comparison).amount;
  Table table{.id = "traces",
              .title = "Trace",
              .columns = {{.key = "machine", .align = Column::Align::Left, .names = true},
                          {.key = "isa", .title = "of", .meaning = "The ISA it was recorded on."},
                          {.key = "why", .title = "as", .meaning = "Why the machine has this one."},
                          {.key = "addresses",
                           .title = "addresses",
                           .meaning = "As recorded, or moved into the machine's address space."},
                          {.key = "instructions", .title = "instructions", .unit = "instructions"},
                          {.key = "relative", .title = "relative", .unit = "times the base's"},
                          {.key = "trace", .title = "trace", .align = Column::Align::Left}}};
  std::vector<std::string> told;
  for (const ComparedRun& run : comparison.runs) {
    const std::string& machine = run.config.text("machine.name");
    if (std::find(told.begin(), told.end(), machine) != told.end()) continue;
    told.push_back(machine);
    const uint64_t own = work_of(run.report).amount;
    table.row({machine, run.provenance.trace_isa, run.trace.why,
               std::string(was_moved(run) ? "moved" : "as recorded"), own,
               Ratio{own, base, Ratio::As::Times}, run.trace.path});
  }
  return table;
}

// The command of a trace, wherever its program lies.
std::string without_folder(std::string_view command) {
  const std::string_view program = command.substr(0, command.find(' '));
  return std::string(command.substr(program.rfind('/') + 1));  // npos + 1 is 0
}

// Of several traces: all programs, those nobody has, and what makes their work another.
void add_traces(const Comparison& comparison, Facts& heading) {
  std::vector<std::string> programs;
  bool stopped = false;
  for (const ComparedRun& run : comparison.runs) {
    std::string program = without_folder(run.provenance.trace_program);
    if (std::find(programs.begin(), programs.end(), program) == programs.end())
      programs.push_back(std::move(program));
    stopped = stopped || run.provenance.stopped;
  }
  heading.add("program", "program", fmt::format("{}", fmt::join(programs, ", ")));
  if (programs.size() > 1)
    heading.add("programs_differ", "", "these are different programs, whose work is not the same");
  if (stopped)
    heading.add("stopped", "",
                "stopped at run.limit, by when different ISAs have not done the same work");
  for (const std::string& path : comparison.traces)
    if (std::none_of(comparison.runs.begin(), comparison.runs.end(),
                     [&](const ComparedRun& run) { return run.trace.path == path; }))
      heading.add(fmt::format("unused.{}", path), "not used",
                  fmt::format("{}: no machine here is of its ISA, or needs it", path));
}

// The runs from the fewest cycles of translation on; equal ones share a place.
Table ranking_of(const Comparison& comparison) {
  const Work work = common_work(comparison);
  const auto cycles_of = [](const ComparedRun* run) {
    return value_or_0(run->report, "mmu.cycles");
  };
  std::vector<const ComparedRun*> ranked;
  for (const ComparedRun& run : comparison.runs)
    ranked.push_back(&run);
  std::stable_sort(ranked.begin(), ranked.end(), [&](const ComparedRun* a, const ComparedRun* b) {
    return cycles_of(a) < cycles_of(b);
  });
  Table table{
      .id = "ranking",
      .title = "Ranking",
      .columns = {name_of_run(),
                  {.key = "place", .title = "place"},
                  {.key = "cycles",
                   .title = "cycles",
                   .unit = fmt::format("cycles per 1000 {}", work.unit)},
                  {.key = "of_the_first", .title = "of the first", .unit = "times the first's"}}};
  uint64_t place = 0;
  for (size_t i = 0; i < ranked.size(); ++i) {
    const uint64_t own = cycles_of(ranked[i]);
    if (i == 0 || own != cycles_of(ranked[i - 1])) place = i + 1;
    table.row({ranked[i]->name, place, Ratio{own, work.amount, Ratio::As::PerThousand},
               Ratio{own, cycles_of(ranked.front()), Ratio::As::Times}});
  }
  for (const FailedRun& run : comparison.failed)
    table.row({run.name, {}, "failed", {}});
  return table;
}

}  // namespace

std::vector<std::string> compared_counters() {
  std::vector<std::string> names;
  const auto add = [&](std::span<const Rate> rates) {
    for (const Rate& rate : rates)
      for (const char* const counter : rate.counters)
        if (std::find(names.begin(), names.end(), counter) == names.end())
          names.emplace_back(counter);
  };
  for (const RateGroup& group : rate_groups())
    add(group.rates);
  add(cycle_rates());
  add(miss_cycle_rates());
  return names;
}

Document comparison_document(const Comparison& comparison) {
  MMUSIM_ASSERT(comparison.base < comparison.runs.size());
  const Work work = common_work(comparison);
  Facts heading{.id = "heading"};
  heading.add("source", "source", comparison.source);
  if (has_traces(comparison))
    add_traces(comparison, heading);
  else if (comparison.program != comparison.source)
    heading.add("program", "program", comparison.program);
  heading.add(
      "work", "work",
      fmt::format("{} {}{}; all numbers are per 1000 of them, but bytes", format_count(work.amount),
                  work.unit, has_traces(comparison) ? " of the base" : ""));
  for (const ComparedRun& run : comparison.runs)
    if (const uint64_t left_out = value_or_0(run.report, "run.warmup.instructions"); left_out != 0)
      heading.add(fmt::format("warmup.{}", run.name), "warm-up",
                  fmt::format("{}: {} before, not counted", run.name,
                              format_counted(left_out, "instruction")));
  heading.add("base", "relative", fmt::format("to {}", comparison.runs[comparison.base].name));
  for (const FailedRun& run : comparison.failed)
    heading.add(fmt::format("failed.{}", run.name), "failed",
                fmt::format("{}: {}", run.name, run.why));
  Document document{.kind = "comparison", .blocks = {heading}};
  if (has_traces(comparison)) document.blocks.emplace_back(traces_of(comparison));
  document.blocks.emplace_back(runs_of(comparison));
  document.blocks.emplace_back(ranking_of(comparison));
  document.blocks.emplace_back(prices_of(comparison));
  return document;
}

std::string comparison_table(const Comparison& comparison) {
  constexpr size_t kHeadingWidth = 10;
  constexpr size_t kNameWidth = 16;
  size_t name_width = kNameWidth;
  for (const ComparedRun& run : comparison.runs)
    name_width = std::max(name_width, run.name.size());
  for (const FailedRun& run : comparison.failed)
    name_width = std::max(name_width, run.name.size());
  return text_of(comparison_document(comparison), {.styles = {{"heading", {.width = kHeadingWidth}},
                                                              {"traces", {.width = name_width}},
                                                              {"runs", {.width = name_width}},
                                                              {"ranking", {.width = name_width}},
                                                              {"prices", {.width = 12}}}});
}

std::string comparison_json(const Comparison& comparison) {
  MMUSIM_ASSERT(comparison.base < comparison.runs.size());
  const Work work = common_work(comparison);
  Json document = {{"schema", 1},
                   {"source", comparison.source},
                   {"per", {{"unit", work.unit}, {"amount", work.amount}, {"scale", 1000}}},
                   {"base", comparison.runs[comparison.base].name}};
  if (has_traces(comparison)) document["traces"] = comparison.traces;
  for (const FailedRun& run : comparison.failed)
    document["failed"].push_back({{"name", run.name}, {"why", run.why}});
  Json& list = document["runs"] = Json::array();
  const Table table = runs_of(comparison);
  const auto base = rates_of(table, table.rows[comparison.base]);
  for (size_t number = 0; number < comparison.runs.size(); ++number) {
    const ComparedRun& run = comparison.runs[number];
    Json entry = {{"name", run.name}};
    if (has_traces(comparison)) {
      entry["trace"] = {{"path", run.trace.path},
                        {"isa", run.provenance.trace_isa},
                        {"why", run.trace.why},
                        {"moved", was_moved(run)}};
      entry["work"] = work_of(run.report).amount;
    }
    const auto rates = rates_of(table, table.rows[number]);
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
    entry["result"] = stats::results_document(run.provenance, run.config, run.report);
    list.push_back(std::move(entry));
  }
  return stats::document_text(document);
}

std::string comparison_csv(const Comparison& comparison) {
  return csv_of(runs_of(comparison));
}

}  // namespace mmusim::report
