#include "report/workload_table.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/units.h"
#include "report/data_writers.h"
#include "report/text_writer.h"
#include "stats/json.h"

namespace mmusim::report {

namespace {

using stats::Json;

using sim::workload::Counted;
using sim::workload::Failure;
using sim::workload::Outcome;
using sim::workload::Plan;
using sim::workload::Step;

constexpr size_t kMostFailures = 20;
constexpr size_t kIndent = 4;  // of what goes on below a line

struct Field {
  const char* title;
  const char* key;  // in JSON
  const char* unit;
  int64_t Counted::*value;
  bool compared = true;
};
constexpr const char* kKib = "KiB";
constexpr Field kFields[] = {
    {"minor", "minor_faults", "faults", &Counted::minor_faults},
    {"anon", "anonymous_kib", kKib, &Counted::anonymous},
    {"file", "file_kib", kKib, &Counted::file},
    {"tables", "tables_kib", kKib, &Counted::tables},
    {"areas", "areas", "areas", &Counted::areas},
    {"peak", "peak_kib", kKib, &Counted::peak, false},
    {"pool", "pool_kib", kKib, &Counted::pool},
    {"major", "major_faults", "faults", &Counted::major_faults},
    {"swap", "swap_kib", kKib, &Counted::swap, false},
};
using Fields = std::vector<Field>;

// Those that are shown: the last three only where there is something to show.
Fields fields_of(const Plan& plan, std::initializer_list<const Outcome*> outcomes) {
  Fields fields;
  for (const Field& field : kFields) {
    bool shown = field.value != &Counted::major_faults && field.value != &Counted::swap &&
                 (field.value != &Counted::pool || plan.huge_pages != 0);
    for (const Outcome* outcome : outcomes)
      for (const Counted& counted : outcome->measures)
        shown = shown || counted.*field.value != 0;
    if (shown) fields.push_back(field);
  }
  return fields;
}

// A table of measures without rows, and what its columns mean. Programs get all fields.
Table measures_of(const Fields& shown) {
  Table table{.id = "measures",
              .title = "Measure",
              .columns = {{.key = "measure", .align = Column::Align::Left, .names = true},
                          {.key = "process", .title = "process", .names = true}}};
  std::vector<const char*> kib;
  bool major = false;
  for (const Field& field : kFields) {
    const bool is_shown = std::any_of(shown.begin(), shown.end(),
                                      [&](const Field& one) { return one.value == field.value; });
    table.columns.push_back({.key = field.key,
                             .title = field.title,
                             .unit = field.unit,
                             .readers = is_shown ? Column::For::All : Column::For::Programs});
    if (!is_shown) continue;
    if (field.unit == kKib) kib.push_back(field.title);
    major = major || field.value == &Counted::major_faults;
  }
  table.notes.push_back(
      fmt::format("minor{}: page faults; {}: KiB", major ? ", major" : "", fmt::join(kib, ", ")));
  return table;
}

// What a result that is not success means.
std::string meaning(const Failure& step, int64_t result) {
  if (result == 0) return "done";
  if (step.kind == Step::Kind::Touch) return fmt::format("{} accesses refused", result);
  return std::strerror(static_cast<int>(-result));
}

std::string place(const Plan& plan, const Failure& step) {
  return fmt::format("{}:{}:{}: {}", plan.name(), step.at.line, step.at.column,
                     sim::workload::name_of(step.kind));
}

std::vector<Value> cells(const Plan& plan, size_t i, const Counted& counted) {
  std::vector<Value> row{plan.measures[i].name, plan.measures[i].process};
  for (const Field& field : kFields)
    row.emplace_back(counted.*field.value);
  return row;
}

Column at_column(const char* title = "") {
  return {.key = "at", .title = title, .align = Column::Align::Left, .names = true};
}

// Where the kernel put what was left to it.
std::string offset_text(int64_t offset) {
  return offset < 0 ? fmt::format("{:#x} below mmap_base", -offset)
                    : fmt::format("{:#x} above mmap_base", offset);
}

std::string place(const Plan& plan, const sim::workload::Placed& placed) {
  return place(plan, {placed.step, Step::Kind::Map, placed.at, 0});
}

Table places_of(const Plan& plan, const Outcome& outcome) {
  Table table{
      .id = "places",
      .title = "places",
      .columns = {at_column(),
                  {.key = "from_mmap_base", .unit = "bytes", .readers = Column::For::Programs},
                  {.key = "where", .readers = Column::For::People}}};
  for (const sim::workload::Placed& placed : outcome.places)
    table.row({place(plan, placed), placed.offset, offset_text(placed.offset)});
  return table;
}

Table results_of(const Plan& plan, const Outcome& outcome) {
  Table table{.id = "results",
              .title = "results",
              .columns = {at_column(),
                          {.key = "result",
                           .meaning = "-errno; of a touch the accesses refused.",
                           .readers = Column::For::Programs},
                          {.key = "meaning"}},
              .left_out = outcome.failed - outcome.failures.size()};
  for (const Failure& failure : outcome.failures)
    table.row({place(plan, failure), failure.result, meaning(failure, failure.result)});
  return table;
}

// Maps that have a place on both sides, and not the same.
struct PlaceDifference {
  sim::workload::Placed simulated;
  int64_t native = 0;
};
std::vector<PlaceDifference> place_differences(const Outcome& simulated, const Outcome& native) {
  std::map<uint64_t, int64_t> real;
  for (const sim::workload::Placed& placed : native.places)
    real[placed.step] = placed.offset;
  std::vector<PlaceDifference> differ;
  for (const sim::workload::Placed& placed : simulated.places) {
    const auto found = real.find(placed.step);
    if (found != real.end() && found->second != placed.offset)
      differ.push_back({placed, found->second});
  }
  return differ;
}

// Whether all agrees that is compared. Page-table bytes are not where the tables are of different
// shapes.
bool agree(const Outcome& simulated, const Outcome& native, size_t measure) {
  Counted mine = simulated.measures[measure];
  const Counted& real = native.measures[measure];
  if (simulated.other_tables) mine.tables = real.tables;
  return mine == real;
}

// At these places of a script simulated and real kernel did different things.
Table differences_at(const char* id, const char* title) {
  return {.id = id,
          .title = title,
          .columns = {at_column("DIFFERENCE"),
                      {.key = "simulated", .title = "simulated"},
                      {.key = "real", .title = "real"}}};
}

// Steps with different results.
struct Difference {
  Failure step;
  int64_t simulated = 0;
  int64_t native = 0;
};
std::vector<Difference> result_differences(const Outcome& simulated, const Outcome& native) {
  std::map<uint64_t, Difference> all;
  for (const Failure& failure : simulated.failures)
    all[failure.step] = {failure, failure.result, 0};
  for (const Failure& failure : native.failures) {
    all.try_emplace(failure.step, Difference{failure, 0, 0});
    all[failure.step].native = failure.result;
  }
  std::vector<Difference> differ;
  for (const auto& [step, difference] : all)
    if (difference.simulated != difference.native) differ.push_back(difference);
  return differ;
}

// A table of measures as both kernels counted them, a row each, for programs.
Table both_of(const Plan& plan, const Outcome& simulated, const Outcome& native) {
  Table table = measures_of(fields_of(plan, {&simulated, &native}));
  table.columns.push_back({.key = "kernel", .title = "kernel"});
  table.columns.push_back({.key = "agrees",
                           .title = "agrees",
                           .meaning = "Whether all that is compared is the same on both."});
  for (size_t i = 0; i < plan.measures.size(); ++i) {
    const bool same = agree(simulated, native, i);
    for (const Outcome* const outcome : {&simulated, &native}) {
      std::vector<Value> row = cells(plan, i, outcome->measures[i]);
      row.emplace_back(std::string(outcome == &simulated ? "simulated" : "real"));
      row.emplace_back(same);
      table.row(std::move(row), 0, !same);
    }
  }
  return table;
}

// The same for people, who read one line where both agree.
Table side_by_side(const Plan& plan, const Outcome& simulated, const Outcome& native) {
  Table table = measures_of(fields_of(plan, {&simulated, &native}));
  if (simulated.other_tables)
    table.notes.emplace_back("tables: of another shape than the real kernel's, so not compared");
  for (size_t i = 0; i < plan.measures.size(); ++i) {
    const Counted& mine = simulated.measures[i];
    const Counted& real = native.measures[i];
    std::vector<Value> row = cells(plan, i, mine);
    if (agree(simulated, native, i)) {
      for (size_t f = 0; f < std::size(kFields); ++f)
        if (const int64_t other = real.*kFields[f].value; mine.*kFields[f].value != other)
          row[2 + f] = fmt::format("{} (real {})", mine.*kFields[f].value, other);
      table.row(std::move(row));
      continue;
    }
    row[1] = plan.measures[i].process + " simulated";
    table.row(std::move(row));
    row = cells(plan, i, real);
    row[1] = plan.measures[i].process + " real";
    table.row(std::move(row));
    row = {std::string(), std::string("DIFFERENCE")};
    for (const Field& field : kFields) {
      const int64_t more = mine.*field.value - real.*field.value;
      const bool compared =
          field.compared && !(simulated.other_tables && field.value == &Counted::tables);
      row.push_back(more == 0 || !compared ? Value() : Value(Change{more}));
    }
    table.row(std::move(row), 0, true);
  }
  return table;
}

Document check_document(const Plan& plan, const Outcome& simulated, const Outcome& native,
                        Table measures) {
  Table results = differences_at("results", "results");
  for (const Difference& d : result_differences(simulated, native))
    results.row({place(plan, d.step), meaning(d.step, d.simulated), meaning(d.step, d.native)});
  Table places = differences_at("places", "places");
  for (const PlaceDifference& d : place_differences(simulated, native))
    places.row({place(plan, d.simulated), offset_text(d.simulated.offset), offset_text(d.native)});
  return {.kind = "workload check",
          .blocks = {std::move(measures), results, places},
          .source = plan.name()};
}

TextLayout text_layout() {
  constexpr TextStyle kList{.as = TextStyle::As::List, .width = kIndent, .most = kMostFailures};
  return {.apart = false, .thousands = false, .styles = {{"places", kList}, {"results", kList}}};
}

}  // namespace

Document workload_document(const Plan& plan, const Outcome& outcome) {
  Table measures = measures_of(fields_of(plan, {&outcome}));
  for (size_t i = 0; i < plan.measures.size(); ++i)
    measures.row(cells(plan, i, outcome.measures[i]));
  return {.kind = "workload",
          .blocks = {std::move(measures), places_of(plan, outcome), results_of(plan, outcome)},
          .source = plan.name()};
}

std::string workload_table(const Plan& plan, const Outcome& outcome) {
  return text_of(workload_document(plan, outcome), text_layout());
}

std::string workload_csv(const Plan& plan, const Outcome& outcome) {
  return csv_of(std::get<Table>(workload_document(plan, outcome).blocks.front()));
}

std::string workload_json(const Plan& plan, const Outcome& outcome,
                          const stats::Provenance& provenance, const config::Config& config,
                          const stats::Report& report) {
  Json document = stats::results_document(provenance, config, report);
  document["script"] = plan.name();
  Json& measures = document["measures"] = Json::array();
  for (size_t i = 0; i < plan.measures.size(); ++i) {
    Json measure = {{"name", plan.measures[i].name}, {"process", plan.measures[i].process}};
    for (const Field& field : kFields)
      measure[field.key] = outcome.measures[i].*field.value;
    measures.push_back(std::move(measure));
  }
  if (plan.anywhere != 0) document["places"] = rows_json(places_of(plan, outcome));
  document["failed"] = outcome.failed;
  document["failures"] = rows_json(results_of(plan, outcome));
  return stats::document_text(document);
}

std::vector<Facts> workload_host(const sim::workload::Imitation& imitation,
                                 const sim::workload::NativeFeatures& features,
                                 const sim::workload::NativeOptions& options) {
  Facts real{.id = "real"};
  real.add("kernel", "",
           fmt::format("{}; huge pages: {}", features.kernel,
                       options.huge_pages ? features.huge_pages : "off"));
  Facts keys{.id = "imitation"};
  const auto add = [&](const char* key, const char* label, const std::vector<std::string>& words) {
    keys.add(key, label, fmt::format("{}", fmt::join(words, ", ")));
  };
  add("found", "found by trying:", imitation.found);
  add("given", "given:", imitation.given);
  add("assumed", "assumed:", imitation.assumed);
  return {real, keys};
}

std::string workload_host_text(const std::vector<Facts>& host) {
  Document document{.kind = "host"};
  for (const Facts& facts : host)
    document.blocks.emplace_back(facts);
  return text_of(document, {.apart = false, .styles = {{"imitation", {.width = kIndent}}}}) + "\n";
}

std::string workload_comparison(const Plan& plan, const Outcome& simulated, const Outcome& native) {
  return text_of(check_document(plan, simulated, native, side_by_side(plan, simulated, native)),
                 text_layout());
}

Document workload_check(const std::vector<Facts>& host, const Plan& plan, const Outcome& simulated,
                        const Outcome& native, const std::string& verdict) {
  Document document = check_document(plan, simulated, native, both_of(plan, simulated, native));
  document.blocks.insert(document.blocks.begin(), host.begin(), host.end());
  Facts end{.id = "verdict"};
  end.add("text", "", verdict);
  document.blocks.emplace_back(end);
  return document;
}

std::string workload_check_csv(const Plan& plan, const Outcome& simulated, const Outcome& native) {
  return csv_of(both_of(plan, simulated, native));
}

std::string workload_verdict(const Plan& plan, const Outcome& simulated, const Outcome& native,
                             const std::string& kernel) {
  const uint64_t differences = workload_differences(simulated, native);
  if (differences == 0)
    return fmt::format("{} and {} agree with {}", format_counted(plan.measures.size(), "measure"),
                       format_counted(plan.steps - 2 * plan.measures.size(), "result"), kernel);
  return fmt::format("{} of {} and {} DIFFER from {}", differences,
                     format_counted(plan.measures.size(), "measure"),
                     format_counted(plan.steps - 2 * plan.measures.size(), "result"), kernel);
}

uint64_t workload_differences(const Outcome& simulated, const Outcome& native) {
  uint64_t count =
      result_differences(simulated, native).size() + place_differences(simulated, native).size();
  if (count == 0 && simulated.failed != native.failed) count = 1;
  for (size_t i = 0; i < simulated.measures.size(); ++i)
    count += agree(simulated, native, i) ? 0 : 1;
  return count;
}

}  // namespace mmusim::report
