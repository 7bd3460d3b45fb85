#include "report/conformance_table.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

#include "base/units.h"

namespace mmusim::report {
namespace {

using pt::conformance::Failure;
using pt::conformance::Verdict;

const char* sentence_of(const std::string& name) {
  for (const pt::conformance::PromiseCase& promise : pt::conformance::promise_cases())
    if (name == promise.name) return promise.sentence;
  return "";
}

std::string failure_text(const ConformanceHeading& heading, unsigned number,
                         const Failure& failure) {
  std::string text =
      fmt::format("\n{}. {}, on the layout '{}'\n", number, failure.part, failure.architecture);
  text += fmt::format("   promised  {}\n", failure.broken.promise);
  if (const std::string sentence = sentence_of(failure.part);
      !sentence.empty() && sentence != failure.broken.promise)
    text += fmt::format("   case      {}\n", sentence);
  if (failure.seed) {
    text += fmt::format("   done      (the shortest of {} operations that shows it)\n",
                        failure.steps_at_first);
    size_t i = 0;
    for (const std::string& step : failure.steps)
      text += fmt::format("             {:>2}. {}\n", ++i, step);
  }
  text += fmt::format("   expected  {}\n", failure.broken.expected);
  text += fmt::format("   came      {}\n", failure.broken.came);
  if (failure.seed)
    text += fmt::format("   again     mmusim page-table check {} --seed {} --ops 1\n", heading.name,
                        *failure.seed);
  return text;
}

}  // namespace

std::string conformance_text(const ConformanceHeading& heading, const Verdict& verdict) {
  std::string text = fmt::format("page table  {}\n", heading.name);
  text += fmt::format("promises    {} cases on {} layouts of address spaces\n", verdict.promises,
                      verdict.architectures);
  text +=
      fmt::format("random      {} operations in {} runs, seeds from {}, against an ordered map\n",
                  format_count(verdict.operations), format_count(verdict.runs), heading.seed);
  unsigned number = 0;
  // The same case usually fails on every layout: one is enough to read.
  std::set<std::string> shown;
  size_t alike = 0;
  for (const Failure& failure : verdict.failures) {
    if (!shown.insert(failure.part).second) {
      ++alike;
      continue;
    }
    text += failure_text(heading, ++number, failure);
  }
  if (alike != 0)
    text += fmt::format("\nand {} more failures of these cases, on other layouts\n", alike);
  text += verdict.failures.empty()
              ? "\nverdict     every promise kept, nothing left behind\n"
              : fmt::format("\nverdict     {} promises or runs broken\n", verdict.failures.size());
  return text;
}

std::string conformance_json(const ConformanceHeading& heading, const Verdict& verdict) {
  using Json = nlohmann::ordered_json;
  Json document = {{"schema", 1},
                   {"page_table", heading.name},
                   {"seed", heading.seed},
                   {"promises", verdict.promises},
                   {"layouts", verdict.architectures},
                   {"runs", verdict.runs},
                   {"operations", verdict.operations},
                   {"failures", Json::array()}};
  for (const Failure& failure : verdict.failures) {
    Json entry = {{"part", failure.part},
                  {"layout", failure.architecture},
                  {"promise", failure.broken.promise},
                  {"expected", failure.broken.expected},
                  {"came", failure.broken.came}};
    if (failure.seed) {
      entry["seed"] = *failure.seed;
      entry["steps_at_first"] = failure.steps_at_first;
      entry["steps"] = failure.steps;
    }
    document["failures"].push_back(std::move(entry));
  }
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace mmusim::report
