#include "report/workload_table.h"

#include <cstring>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <span>

#include "report/text_table.h"
#include "report/wrap.h"

namespace mmusim::report {

namespace {

using sim::workload::Counted;
using sim::workload::Failure;
using sim::workload::Outcome;
using sim::workload::Plan;
using sim::workload::Step;

constexpr size_t kMostFailures = 20;
constexpr size_t kIndent = 4;  // of what goes on below a line

struct Field {
  const char* heading;
  const char* key;  // in JSON
  int64_t Counted::*value;
  bool compared = true;
};
constexpr Field kFields[] = {
    {"minor", "minor_faults", &Counted::minor_faults},
    {"anon", "anonymous_kib", &Counted::anonymous},
    {"file", "file_kib", &Counted::file},
    {"tables", "tables_kib", &Counted::tables},
    {"areas", "areas", &Counted::areas},
    {"peak", "peak_kib", &Counted::peak, false},
    {"pool", "pool_kib", &Counted::pool},
    {"major", "major_faults", &Counted::major_faults},
    {"swap", "swap_kib", &Counted::swap, false},
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

std::vector<std::string> heading(const Fields& fields) {
  std::vector<std::string> row{"Measure", "process"};
  for (const Field& field : fields)
    row.emplace_back(field.heading);
  return row;
}

constexpr size_t kNames = 2;  // columns that say what a row is

// What the headings mean.
std::string legend(const Fields& fields) {
  std::vector<const char*> kib;
  bool major = false;
  for (const Field& field : fields) {
    if (std::string_view(field.key).ends_with("_kib")) kib.push_back(field.heading);
    major = major || field.value == &Counted::major_faults;
  }
  return beside(
      "",
      fmt::format("minor{}: page faults; {}: KiB", major ? ", major" : "", fmt::join(kib, ", ")),
      0);
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

std::vector<std::string> cells(const Plan& plan, const Fields& fields, size_t i,
                               const Counted& counted) {
  std::vector<std::string> row{plan.measures[i].name, plan.measures[i].process};
  for (const Field& field : fields)
    row.push_back(fmt::format("{}", counted.*field.value));
  return row;
}

// Where the kernel put what was left to it.
std::string offset_text(int64_t offset) {
  return offset < 0 ? fmt::format("{:#x} below mmap_base", -offset)
                    : fmt::format("{:#x} above mmap_base", offset);
}

std::string places_text(const Plan& plan, const Outcome& outcome) {
  std::string text;
  size_t shown = 0;
  for (const sim::workload::Placed& placed : outcome.places) {
    if (++shown > kMostFailures)
      return text + fmt::format("... and {} more places\n", outcome.places.size() - kMostFailures);
    text += beside(place(plan, {placed.step, Step::Kind::Map, placed.at, 0}) + ":",
                   offset_text(placed.offset), kIndent);
  }
  return text;
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

std::string difference_text(const std::string& where, const std::string& simulated,
                            const std::string& real) {
  return beside(fmt::format("DIFFERENCE {}:", where),
                fmt::format("simulated {}, real {}", simulated, real), kIndent);
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

}  // namespace

std::string workload_table(const Plan& plan, const Outcome& outcome) {
  const Fields fields = fields_of(plan, {&outcome});
  TextTable table(heading(fields), 0, kNames);
  for (size_t i = 0; i < plan.measures.size(); ++i)
    table.row(cells(plan, fields, i, outcome.measures[i]));
  std::string text = table.empty() ? "" : table.text() + legend(fields);
  text += places_text(plan, outcome);
  size_t shown = 0;
  for (const Failure& failure : outcome.failures) {
    if (++shown > kMostFailures) {
      text += fmt::format("... and {} more\n", outcome.failed - kMostFailures);
      break;
    }
    text += beside(place(plan, failure) + ":", meaning(failure, failure.result), kIndent);
  }
  return text;
}

std::string workload_json(const Plan& plan, const Outcome& outcome,
                          const stats::Provenance& provenance, const config::Config& config,
                          const stats::Report& report) {
  using Json = nlohmann::ordered_json;
  Json document = Json::parse(stats::results_json(provenance, config, report));
  document["script"] = plan.name();
  Json& measures = document["measures"] = Json::array();
  for (size_t i = 0; i < plan.measures.size(); ++i) {
    Json measure = {{"name", plan.measures[i].name}, {"process", plan.measures[i].process}};
    for (const Field& field : kFields)
      measure[field.key] = outcome.measures[i].*field.value;
    measures.push_back(std::move(measure));
  }
  if (plan.anywhere != 0) {
    Json& places = document["places"] = Json::array();
    for (const sim::workload::Placed& placed : outcome.places)
      places.push_back({{"at", place(plan, {placed.step, Step::Kind::Map, placed.at, 0})},
                        {"from_mmap_base", placed.offset}});
  }
  document["failed"] = outcome.failed;
  Json& failures = document["failures"] = Json::array();
  for (const Failure& failure : outcome.failures)
    failures.push_back({{"at", place(plan, failure)},
                        {"result", failure.result},
                        {"meaning", meaning(failure, failure.result)}});
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string workload_host(const sim::workload::Imitation& imitation,
                          const sim::workload::NativeFeatures& features,
                          const sim::workload::NativeOptions& options) {
  std::string text = beside("",
                            fmt::format("{}; huge pages: {}", features.kernel,
                                        options.huge_pages ? features.huge_pages : "off"),
                            0);
  const auto add = [&](const char* how, const std::vector<std::string>& keys) {
    if (!keys.empty())
      text += beside(fmt::format("{}:", how), fmt::format("{}", fmt::join(keys, ", ")), kIndent);
  };
  add("found by trying", imitation.found);
  add("given", imitation.given);
  add("assumed", imitation.assumed);
  return text + "\n";
}

std::string workload_comparison(const Plan& plan, const Outcome& simulated, const Outcome& native) {
  const Fields fields = fields_of(plan, {&simulated, &native});
  TextTable table(heading(fields), 0, kNames);
  for (size_t i = 0; i < plan.measures.size(); ++i) {
    const Counted& mine = simulated.measures[i];
    const Counted& real = native.measures[i];
    std::vector<std::string> row = cells(plan, fields, i, mine);
    if (agree(simulated, native, i)) {
      for (size_t f = 0; f < fields.size(); ++f)
        if (mine.*fields[f].value != real.*fields[f].value)
          row[2 + f] += fmt::format(" (real {})", real.*fields[f].value);
      table.row(row);
      continue;
    }
    row[1] += " simulated";
    table.row(row);
    row = cells(plan, fields, i, real);
    row[1] += " real";
    table.row(row);
    row = {"", "DIFFERENCE"};
    for (const Field& field : fields) {
      const int64_t more = mine.*field.value - real.*field.value;
      const bool compared =
          field.compared && !(simulated.other_tables && field.value == &Counted::tables);
      row.push_back(more == 0 || !compared ? "" : fmt::format("{:+}", more));
    }
    table.row(row);
  }
  std::string text = table.empty() ? "" : table.text() + legend(fields);
  if (simulated.other_tables && !table.empty())
    text += beside("", "tables: of another shape than the real kernel's, so not compared", 0);
  size_t shown = 0;
  const auto differences = result_differences(simulated, native);
  for (const Difference& d : differences) {
    if (++shown > kMostFailures) {
      text += fmt::format("... and {} more\n", differences.size() - kMostFailures);
      break;
    }
    text += difference_text(place(plan, d.step), meaning(d.step, d.simulated),
                            meaning(d.step, d.native));
  }
  shown = 0;
  for (const PlaceDifference& d : place_differences(simulated, native)) {
    if (++shown > kMostFailures) break;
    text += difference_text(place(plan, {d.simulated.step, Step::Kind::Map, d.simulated.at, 0}),
                            offset_text(d.simulated.offset), offset_text(d.native));
  }
  return text;
}

std::string workload_verdict(const Plan& plan, const Outcome& simulated, const Outcome& native,
                             const std::string& kernel) {
  const auto many = [](uint64_t count, const char* what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
  };
  const uint64_t differences = workload_differences(simulated, native);
  if (differences == 0)
    return fmt::format("{} and {} agree with {}\n", many(plan.measures.size(), "measure"),
                       many(plan.steps - 2 * plan.measures.size(), "result"), kernel);
  return fmt::format("{} of {} and {} DIFFER from {}\n", differences,
                     many(plan.measures.size(), "measure"),
                     many(plan.steps - 2 * plan.measures.size(), "result"), kernel);
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
