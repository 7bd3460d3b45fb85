#include "report/workload_table.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <map>

#include "report/text_table.h"

namespace mmusim::report {

namespace {

using sim::workload::Counted;
using sim::workload::Outcome;
using sim::workload::Plan;
using sim::workload::Step;

constexpr size_t kMostFailures = 20;

constexpr int64_t Counted::*kFields[] = {&Counted::minor_faults, &Counted::anonymous,
                                         &Counted::file, &Counted::tables, &Counted::areas};
const std::vector<std::string> kHeading = {"Measure",  "process",    "minor faults", "anon KiB",
                                           "file KiB", "tables KiB", "areas"};

// What a result that is not success means.
std::string meaning(const Step& step, int64_t result) {
  if (result == 0) return "done";
  if (step.kind == Step::Kind::Touch) return fmt::format("{} accesses refused", result);
  return std::strerror(static_cast<int>(-result));
}

const char* name_of(Step::Kind kind) {
  switch (kind) {
    case Step::Kind::Map:
      return "map";
    case Step::Kind::Unmap:
      return "unmap";
    case Step::Kind::Touch:
      return "touch";
    case Step::Kind::Protect:
      return "protect";
    case Step::Kind::Advise:
      return "advise";
    case Step::Kind::Remap:
      return "resize or move";
    case Step::Kind::Fork:
      return "fork";
    case Step::Kind::Wait:
      return "wait";
    case Step::Kind::Begin:
    case Step::Kind::End:
      break;
  }
  return "measure";
}

std::string place(const Plan& plan, const Step& step) {
  return fmt::format("{}:{}:{}: {}", plan.name, step.at.line, step.at.column, name_of(step.kind));
}

std::vector<std::string> cells(const Plan& plan, size_t i, const Counted& counted) {
  std::vector<std::string> row{plan.measures[i].name, plan.measures[i].process};
  for (const auto field : kFields)
    row.push_back(fmt::format("{}", counted.*field));
  return row;
}

std::map<size_t, int64_t> by_step(const Outcome& outcome) {
  std::map<size_t, int64_t> results;
  for (const Outcome::Failure& failure : outcome.failures)
    results[failure.step] = failure.result;
  return results;
}

// Steps with different results: step, simulated, real.
struct Difference {
  size_t step;
  int64_t simulated;
  int64_t native;
};
std::vector<Difference> result_differences(const Outcome& simulated, const Outcome& native) {
  std::map<size_t, Difference> all;
  for (const auto& [step, result] : by_step(simulated))
    all[step] = {step, result, 0};
  for (const auto& [step, result] : by_step(native)) {
    all.try_emplace(step, Difference{step, 0, 0});
    all[step].native = result;
  }
  std::vector<Difference> differ;
  for (const auto& [step, difference] : all)
    if (difference.simulated != difference.native) differ.push_back(difference);
  return differ;
}

}  // namespace

std::string workload_table(const Plan& plan, const Outcome& outcome) {
  TextTable table(kHeading);
  for (size_t i = 0; i < plan.measures.size(); ++i)
    table.row(cells(plan, i, outcome.measures[i]));
  std::string text = table.empty() ? "" : table.text();
  size_t shown = 0;
  for (const Outcome::Failure& failure : outcome.failures) {
    if (++shown > kMostFailures) {
      text += fmt::format("... and {} more\n", outcome.failures.size() - kMostFailures);
      break;
    }
    const Step& step = plan.steps[failure.step];
    text += fmt::format("{}: {}\n", place(plan, step), meaning(step, failure.result));
  }
  return text;
}

std::string workload_comparison(const Plan& plan, const Outcome& simulated, const Outcome& native) {
  TextTable table(kHeading);
  for (size_t i = 0; i < plan.measures.size(); ++i) {
    const Counted& mine = simulated.measures[i];
    const Counted& real = native.measures[i];
    if (mine == real) {
      table.row(cells(plan, i, mine));
      continue;
    }
    std::vector<std::string> row = cells(plan, i, mine);
    row[1] += " simulated";
    table.row(row);
    row = cells(plan, i, real);
    row[1] += " real";
    table.row(row);
    row = {"", "DIFFERENCE"};
    for (const auto field : kFields)
      row.push_back(mine.*field == real.*field ? ""
                                               : fmt::format("{:+}", mine.*field - real.*field));
    table.row(row);
  }
  std::string text = table.empty() ? "" : table.text();
  size_t shown = 0;
  const auto differences = result_differences(simulated, native);
  for (const Difference& d : differences) {
    if (++shown > kMostFailures) {
      text += fmt::format("... and {} more\n", differences.size() - kMostFailures);
      break;
    }
    const Step& step = plan.steps[d.step];
    text += fmt::format("DIFFERENCE {}: simulated {}, real {}\n", place(plan, step),
                        meaning(step, d.simulated), meaning(step, d.native));
  }
  return text;
}

uint64_t workload_differences(const Outcome& simulated, const Outcome& native) {
  uint64_t count = result_differences(simulated, native).size();
  for (size_t i = 0; i < simulated.measures.size(); ++i)
    count += simulated.measures[i] == native.measures[i] ? 0 : 1;
  return count;
}

}  // namespace mmusim::report
