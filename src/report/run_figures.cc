#include "report/run_figures.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <set>

#include "base/units.h"
#include "report/rates.h"
#include "report/run_names.h"

namespace mmusim::report {
namespace {

constexpr size_t kMostBars = 40;
constexpr size_t kMostLines = 12;

Value per_thousand(uint64_t part, const ReadRun& run) {
  return Ratio{part, run.work, Ratio::As::PerThousand};
}

// "instructions", or what else the runs' work is measured in.
std::string work_unit(const std::vector<ReadRun>& runs) {
  std::set<std::string> units;
  for (const ReadRun& run : runs)
    units.insert(run.work_unit);
  return units.size() == 1 ? *units.begin() : "instructions, or accesses where there are none";
}
std::string per_work(const std::vector<ReadRun>& runs) {
  return "per 1000 " + work_unit(runs);
}

Column part(std::string key, std::string title, std::string unit = "") {
  return {.key = std::move(key), .title = std::move(title), .unit = std::move(unit)};
}

Table bars_of(const char* id, const char* title) {
  return {.id = id,
          .title = title,
          .columns = {{.key = "run", .title = "run", .align = Column::Align::Left, .names = true}}};
}

// Adds a part of each bar.
template <class Cell>
void add(Table& table, const std::vector<const ReadRun*>& runs, Column column, Cell cell) {
  table.columns.push_back(std::move(column));
  table.rows.resize(runs.size());
  for (size_t i = 0; i < runs.size(); ++i) {
    if (table.rows[i].cells.empty()) table.rows[i].cells.emplace_back(runs[i]->name);
    table.rows[i].cells.push_back(cell(*runs[i]));
  }
}

// The runs a figure has room for: those with the fewest cycles, in their order.
std::vector<const ReadRun*> shown(const std::vector<ReadRun>& runs) {
  std::vector<const ReadRun*> list;
  list.reserve(runs.size());
  for (const ReadRun& run : runs)
    list.push_back(&run);
  if (list.size() <= kMostBars) return list;
  const auto cycles = [](const ReadRun* run) {
    return run->work == 0 ? 0.0
                          : static_cast<double>(value_or_0(run->report, "mmu.cycles")) /
                                static_cast<double>(run->work);
  };
  std::stable_sort(list.begin(), list.end(),
                   [&](const ReadRun* a, const ReadRun* b) { return cycles(a) < cycles(b); });
  list.resize(kMostBars);
  return list;
}

std::string caption_of(const std::string& text, const std::vector<ReadRun>& runs) {
  if (runs.size() <= kMostBars) return text;
  return fmt::format(
      "{} Of {} runs the {} with the fewest cycles of translation; the table of "
      "rates has all.",
      text, format_count(runs.size()), kMostBars);
}

Figure cycles_figure(const std::vector<ReadRun>& runs) {
  const std::vector<const ReadRun*> list = shown(runs);
  const std::string unit = "cycles " + per_work(runs);
  Table table = bars_of("cycles", "Cycles of translation");
  const auto rates = [&](std::span<const Rate> of, const char* prefix) {
    for (const Rate& rate : of.subspan(1))
      if (std::string_view(rate.key) != "cycles_misses")
        add(table, list, part(rate.key, prefix + std::string(rate.title), unit),
            [&](const ReadRun& run) { return per_thousand(rate.of(run.report), run); });
  };
  rates(miss_cycle_rates(), "miss: ");
  rates(cycle_rates(), "");
  return without_nothing(
      {.table = std::move(table),
       .x = {.title = unit},
       .caption = caption_of("What TLB misses, page faults' entries, the kernel's page-table "
                             "references and flushes cost, by what they consist of.",
                             runs)});
}

Figure misses_figure(const std::vector<ReadRun>& runs) {
  const std::vector<const ReadRun*> list = shown(runs);
  const std::string unit = "misses " + per_work(runs);
  Table table = bars_of("misses", "TLB misses");
  const auto sum = [](const ReadRun& run, const char* level) {
    return value_or_0(run.report, fmt::format("mmu.{}.fetch_misses", level)) +
           value_or_0(run.report, fmt::format("mmu.{}.data_misses", level));
  };
  add(table, list, part("found_further", "found in a further level", unit),
      [&](const ReadRun& run) {
        const uint64_t first = sum(run, "first");
        return per_thousand(first - std::min(first, sum(run, "last")), run);
      });
  const auto missed = [&](const char* key, const char* title, const char* counter) {
    add(table, list, part(key, title, unit),
        [&](const ReadRun& run) { return per_thousand(value_or_0(run.report, counter), run); });
  };
  missed("last_fetch", "missed in all: fetches", "mmu.last.fetch_misses");
  missed("last_data", "missed in all: data", "mmu.last.data_misses");
  return without_nothing(
      {.table = std::move(table),
       .x = {.title = unit},
       .caption =
           caption_of("Misses of the first level, by where the translation was found.", runs)});
}

Figure memory_figure(const std::vector<ReadRun>& runs) {
  const std::vector<const ReadRun*> list = shown(runs);
  Table table = bars_of("memory", "Memory of page tables");
  const auto bytes = [&](const char* key, const char* title, const char* counter) {
    add(table, list, part(key, title, "bytes"),
        [&](const ReadRun& run) { return Value(Bytes{value_or_0(run.report, counter)}); });
  };
  bytes("page_table_bytes", "page tables", "kernel.page_tables.peak");
  bytes("software_tlb_bytes", "copy for the hardware", "mmu.soft.bytes");
  return without_nothing({.table = std::move(table),
                          .x = {.title = "bytes, at most", .bytes = true},
                          .caption = caption_of("The kernel's page tables, and what the hardware "
                                                "or its handlers have beside them.",
                                                runs)});
}

// --- against what varies

struct Metric {
  const char* id;
  const char* title;
  std::vector<const char*> counters;
};
const std::vector<Metric>& metrics() {
  static const std::vector<Metric> kMetrics = {{"last-misses",
                                                "Misses of the last level",
                                                {"mmu.last.fetch_misses", "mmu.last.data_misses"}},
                                               {"cycles", "Cycles of translation", {"mmu.cycles"}}};
  return kMetrics;
}

std::optional<uint64_t> whole_number(const std::string& text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return {};
  return parse_count(text);
}

// Whether a key says nothing that x does not say already: of keys that go on together.
bool follows(const std::vector<const ReadRun*>& runs, const std::string& key,
             const std::string& x) {
  std::map<std::string, std::string> seen;
  for (const ReadRun* const run : runs) {
    const std::string where =
        fmt::format("{}/{}/{}", run->machine(), run->page_table(), run->value(x));
    if (seen.try_emplace(where, run->value(key)).first->second != run->value(key)) return false;
  }
  return true;
}

// Whether the numbers go on by factors rather than by steps.
bool grows(const std::set<uint64_t>& values) {
  constexpr uint64_t kFactor = 8;
  return *values.begin() != 0 && *values.rbegin() / *values.begin() >= kFactor;
}

struct Plane {
  std::set<uint64_t> places;
  std::vector<std::string> lines;  // by name
  std::map<std::pair<uint64_t, std::string>, const ReadRun*> runs;
};

constexpr size_t kFewestPlaces = 3;  // that make a line

Plane plane_of(const std::vector<const ReadRun*>& runs, const std::string& x,
               const std::vector<std::string>& others) {
  Plane plane;
  for (const ReadRun* const run : runs) {
    const auto place = whole_number(run->value(x));
    if (!place) continue;
    const std::string line = label_of(*run, false, others);
    if (std::find(plane.lines.begin(), plane.lines.end(), line) == plane.lines.end())
      plane.lines.push_back(line);
    plane.runs.emplace(std::pair(*place, line), run);
  }
  std::map<std::string, size_t> points;
  for (const auto& [where, run] : plane.runs)
    ++points[where.second];
  std::erase_if(plane.lines, [&](const std::string& line) { return points[line] < kFewestPlaces; });
  std::erase_if(plane.runs,
                [&](const auto& one) { return points[one.first.second] < kFewestPlaces; });
  plane.places.clear();
  for (const auto& [where, run] : plane.runs)
    plane.places.insert(where.first);
  return plane;
}

Figure lines_of(const Plane& plane, const Metric& metric, const std::string& x,
                const std::string& unit) {
  Figure figure{.kind = Figure::Kind::Lines,
                .x = {.title = x, .logarithmic = grows(plane.places)},
                .y = {.title = unit}};
  Table& table = figure.table;
  table.columns.push_back({.key = x, .title = x, .names = true});
  const size_t count = std::min(plane.lines.size(), kMostLines);
  for (size_t i = 0; i < count; ++i)
    table.columns.push_back(part(plane.lines[i], plane.lines[i], unit));
  for (const uint64_t place : plane.places) {
    std::vector<Value> cells{place};
    for (size_t i = 0; i < count; ++i) {
      const auto found = plane.runs.find({place, plane.lines[i]});
      if (found == plane.runs.end()) {
        cells.emplace_back();
        continue;
      }
      uint64_t sum = 0;
      for (const char* const counter : metric.counters)
        sum += value_or_0(found->second->report, counter);
      cells.push_back(per_thousand(sum, *found->second));
    }
    table.row(std::move(cells));
  }
  if (count < plane.lines.size())
    figure.caption = fmt::format("The first {} of {} lines; the table of rates has all.", count,
                                 format_count(plane.lines.size()));
  return figure;
}

// --- over time

struct OverTime {
  const char* id;
  const char* title;
  std::vector<const char*> counters;  // sums per 1000 instructions, or states
  bool state = false;
};
const std::vector<OverTime>& over_time() {
  static const std::vector<OverTime> kOverTime = {
      {"misses-over-time",
       "Misses of the last level over time",
       {"mmu.last.fetch_misses", "mmu.last.data_misses"}},
      {"cycles-over-time", "Cycles of translation over time", {"mmu.cycles"}},
      {"faults-over-time", "Page faults over time", {"kernel.faults.minor", "kernel.faults.major"}},
      {"memory-over-time",
       "Resident memory over time",
       {"kernel.rss.anon", "kernel.rss.file", "kernel.rss.shmem"},
       true},
      {"tables-over-time", "Page tables over time", {"kernel.page_tables.bytes"}, true}};
  return kOverTime;
}

uint64_t value_at(const stats::Intervals& intervals, const OverTime& what, size_t place) {
  uint64_t sum = 0;
  for (const stats::Intervals::Series& series : intervals.series)
    for (const char* const counter : what.counters)
      if (series.name == counter) sum += series.values[place];
  return sum;
}

// Lines of some runs: each has its own places.
Figure figure_over_time(const std::vector<const ReadRun*>& runs, const OverTime& what) {
  Figure figure{.kind = Figure::Kind::Lines,
                .x = {.title = "instructions"},
                .y = {.title = what.state ? "bytes" : "per 1000 instructions", .bytes = what.state},
                .caption = what.state ? "At the end of each interval."
                                      : "In each interval, told at its end."};
  Table& table = figure.table;
  table.id = what.id;
  table.title = what.title;
  table.columns.push_back({.key = "instructions", .title = "instructions", .names = true});
  std::map<uint64_t, std::vector<Value>> rows;
  for (size_t i = 0; i < runs.size(); ++i) {
    table.columns.push_back(part(runs[i]->name, runs[i]->name, figure.y.title));
    const stats::Intervals& intervals = *runs[i]->report.intervals();
    uint64_t before = 0;
    for (size_t place = 0; place < intervals.instructions.size(); ++place) {
      const uint64_t at = intervals.instructions[place];
      std::vector<Value>& cells = rows[at];
      cells.resize(runs.size());
      const uint64_t value = value_at(intervals, what, place);
      cells[i] = what.state ? Value(Bytes{value})
                            : Value(Ratio{value, at - before, Ratio::As::PerThousand});
      before = at;
    }
  }
  for (auto& [at, cells] : rows) {
    cells.insert(cells.begin(), at);
    table.row(std::move(cells));
  }
  return figure;
}

}  // namespace

std::vector<Figure> time_figures(const std::vector<ReadRun>& runs) {
  std::vector<const ReadRun*> list;
  for (const ReadRun& run : runs)
    if (run.report.intervals()) list.push_back(&run);
  const size_t all = list.size();
  list.resize(std::min(all, kMostLines));
  std::vector<Figure> figures;
  if (list.empty()) return figures;
  for (const OverTime& what : over_time()) {
    Figure figure = figure_over_time(list, what);
    if (list.size() < all)
      figure.caption += fmt::format(" The first {} of {} runs.", list.size(), format_count(all));
    figures.push_back(std::move(figure));
  }
  return figures;
}

std::vector<Figure> bar_figures(const std::vector<ReadRun>& runs) {
  std::vector<Figure> figures;
  for (Figure figure : {cycles_figure(runs), misses_figure(runs), memory_figure(runs)})
    if (figure.table.columns.size() > 1) figures.push_back(std::move(figure));
  return figures;
}

std::vector<Figure> sweep_figures(const std::vector<ReadRun>& runs) {
  const std::vector<std::string> varied = varied_keys(runs);
  const std::vector<std::string> traces = values_of(runs, "run.trace");
  std::vector<Figure> figures;
  for (const std::string& trace : traces) {
    std::vector<const ReadRun*> list;
    for (const ReadRun& run : runs)
      if (run.trace() == trace) list.push_back(&run);
    std::vector<std::string> drawn;
    for (const std::string& x : varied) {
      // One of keys that go on together stands for all.
      if (std::any_of(drawn.begin(), drawn.end(),
                      [&](const std::string& one) { return follows(list, x, one); }))
        continue;
      std::vector<std::string> others;
      for (const std::string& key : varied)
        if (key != x && !follows(list, key, x)) others.push_back(key);
      const Plane plane = plane_of(list, x, others);
      if (plane.lines.empty()) continue;
      drawn.push_back(x);
      for (const Metric& metric : metrics()) {
        Figure figure = lines_of(plane, metric, x, per_work(runs));
        figure.table.id =
            fmt::format("{}-by-{}{}", metric.id, x, traces.size() > 1 ? "-" + stem_of(trace) : "");
        figure.table.title = fmt::format("{} against {}{}", metric.title, x,
                                         traces.size() > 1 ? ", " + stem_of(trace) : "");
        figures.push_back(std::move(figure));
      }
    }
  }
  return figures;
}

Table rates_table(const std::vector<ReadRun>& runs) {
  std::vector<const ReadRun*> list;
  list.reserve(runs.size());
  for (const ReadRun& run : runs)
    list.push_back(&run);
  Table table = bars_of("rates", "Rates of all runs");
  table.title += ", " + per_work(runs);
  add(table, list, {.key = "work", .title = "work", .unit = work_unit(runs)},
      [](const ReadRun& run) { return Value(run.work); });
  for (const std::string& key : varied_keys(runs)) {
    table.columns.push_back({.key = key, .title = key, .group = "What varies"});
    for (size_t i = 0; i < runs.size(); ++i) {
      const std::string text = runs[i].value(key);
      const auto number = whole_number(text);
      table.rows[i].cells.push_back(number ? Value(*number) : Value(text));
    }
  }
  const auto rate_column = [&](const Rate& rate, const char* group, bool bytes, bool strong) {
    add(table, list, {.key = rate.key, .title = rate.title, .group = group, .strong = strong},
        [&](const ReadRun& run) {
          const uint64_t sum = rate.of(run.report);
          return bytes ? Value(Bytes{sum}) : per_thousand(sum, run);
        });
  };
  for (const RateGroup& group : rate_groups())
    for (const Rate& rate : group.rates)
      rate_column(rate, group.title, std::string_view(rate.key).ends_with("_bytes"), false);
  for (const Rate& rate : miss_cycle_rates())
    rate_column(rate, "Cycles of TLB misses", false, &rate == &miss_cycle_rates().front());
  for (const Rate& rate : cycle_rates())
    if (rate.key != std::string_view("cycles_misses"))  // which is there by now
      rate_column(rate, "Cycles of translation", false, &rate == &cycle_rates().front());
  return table;
}

}  // namespace mmusim::report
