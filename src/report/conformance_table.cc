#include "report/conformance_table.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

#include "base/units.h"
#include "report/wrap.h"

namespace mmusim::report {
namespace {

using pt::conformance::Failure;
using pt::conformance::Verdict;

const char* sentence_of(const std::string& name) {
  for (const pt::conformance::PromiseCase& promise : pt::conformance::promise_cases())
    if (name == promise.name) return promise.sentence;
  return "";
}

// Why not all was checked; empty: it was.
std::string end_text(const Verdict& verdict) {
  switch (verdict.end) {
    case Verdict::End::Complete:
      break;
    case Verdict::End::OutOfTime:
      return "the time was up (--seconds): the rest was not checked";
    case Verdict::End::Interrupted:
      return "interrupted: the rest was not checked";
  }
  return "";
}

std::string failure_text(const ConformanceHeading& heading, unsigned number,
                         const Failure& failure) {
  constexpr size_t kIndent = 13;
  std::string text =
      fmt::format("\n{}. {}, on the layout '{}'\n", number, failure.part, failure.layout);
  const auto line = [&](const char* label, const std::string& value) {
    text += beside(fmt::format("   {}", label), value, kIndent);
  };
  line("promised", failure.broken.promise);
  if (const std::string sentence = sentence_of(failure.part);
      !sentence.empty() && sentence != failure.broken.promise)
    line("case", sentence);
  if (failure.seed) {
    line("done",
         fmt::format("(the shortest of {} operations that shows it)", failure.steps_at_first));
    size_t i = 0;
    for (const std::string& step : failure.steps)
      text += beside(fmt::format("{:{}}{:>2}.", "", kIndent, ++i), step, kIndent + 4);
  }
  line("expected", failure.broken.expected);
  line("came", failure.broken.came);
  if (!failure.after.empty()) line("after", failure.after);
  if (failure.seed)
    text += fmt::format("   again     mmusim page-table check {} --seed {} --ops 1\n", heading.name,
                        *failure.seed);
  return text;
}

}  // namespace

std::string conformance_text(const ConformanceHeading& heading, const Verdict& verdict) {
  constexpr size_t kVerdictWidth = 12;
  std::string text = fmt::format("page table  {}\n", heading.name);
  const auto line = [&](const char* label, const std::string& value) {
    text += beside(label, value, kVerdictWidth);
  };
  line("promises",
       fmt::format("{} cases on {} layouts of address spaces", verdict.promises, verdict.layouts));
  line("random",
       fmt::format("{} operations in {} runs, seeds from {}, against an ordered map",
                   format_count(verdict.operations), format_count(verdict.runs), heading.seed));
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
  const std::string until = end_text(verdict);
  const auto not_done = [&](const std::string& what) {
    text += "\n";
    line("not done", what);
  };
  if (!until.empty()) not_done(until);
  if (!verdict.watched)
    not_done(
        "this host does not let memory be watched: words that are read and not named are not "
        "found");
  text += verdict.failures.empty()
              ? fmt::format("\nverdict     every promise kept{}, nothing left behind\n",
                            until.empty() ? "" : " so far")
              : fmt::format("\nverdict     {} promises or runs broken\n", verdict.failures.size());
  return text;
}

std::string conformance_json(const ConformanceHeading& heading, const Verdict& verdict) {
  using Json = nlohmann::ordered_json;
  Json document = {{"schema", 1},
                   {"page_table", heading.name},
                   {"seed", heading.seed},
                   {"promises", verdict.promises},
                   {"layouts", verdict.layouts},
                   {"runs", verdict.runs},
                   {"operations", verdict.operations},
                   {"complete", verdict.end == Verdict::End::Complete},
                   {"watched", verdict.watched},
                   {"failures", Json::array()}};
  for (const Failure& failure : verdict.failures) {
    Json entry = {{"part", failure.part},
                  {"layout", failure.layout},
                  {"promise", failure.broken.promise},
                  {"expected", failure.broken.expected},
                  {"came", failure.broken.came},
                  {"after", failure.after}};
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
