#include "report/conformance_table.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

#include "base/units.h"
#include "report/data_writers.h"
#include "report/text_writer.h"
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
  const TextLayout layout{.styles = {{"facts", {.width = kVerdictWidth}}}};
  Facts facts{.id = "facts"};
  facts.add("page_table", "page table", heading.name);
  facts.add(
      "promises", "promises",
      fmt::format("{} cases on {} layouts of address spaces", verdict.promises, verdict.layouts));
  facts.add(
      "random", "random",
      fmt::format("{} operations in {} runs, seeds from {}, against an ordered map",
                  format_count(verdict.operations), format_count(verdict.runs), heading.seed));
  std::string text = text_of({"conformance", {facts}}, layout);
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
  const auto last = [&](const char* label, const std::string& what) {
    Facts end{.id = "facts"};
    end.add(label, label, what);
    text += "\n" + text_of({"conformance", {end}}, layout);
  };
  if (!until.empty()) last("not done", until);
  if (!verdict.watched)
    last("not done",
         "this host does not let memory be watched: words that are read and not named are not "
         "found");
  last("verdict", verdict.failures.empty()
                      ? fmt::format("every promise kept{}, nothing left behind",
                                    until.empty() ? "" : " so far")
                      : fmt::format("{} promises or runs broken", verdict.failures.size()));
  return text;
}

std::string conformance_csv(const Verdict& verdict) {
  const auto text = [](const char* key, const char* meaning) {
    return Column{.key = key, .title = key, .meaning = meaning, .align = Column::Align::Left};
  };
  Table table{.id = "failures",
              .title = "Failures",
              .columns = {text("part", "The case, or the run."),
                          text("layout", ""),
                          text("promise", ""),
                          text("expected", ""),
                          text("came", ""),
                          text("after", "What was done last."),
                          {.key = "seed", .title = "seed", .meaning = "Of a run."},
                          {.key = "steps_at_first",
                           .title = "steps at first",
                           .meaning = "Of a run, before it was shortened."},
                          text("steps", "Of a run, shortened.")}};
  for (const Failure& failure : verdict.failures) {
    const auto of_run = [&](auto value) { return failure.seed ? Value(value) : Value(); };
    table.row({failure.part, failure.layout, failure.broken.promise, failure.broken.expected,
               failure.broken.came, failure.after, of_run(failure.seed.value_or(0)),
               of_run(uint64_t{failure.steps_at_first}),
               of_run(fmt::format("{}", fmt::join(failure.steps, "; ")))});
  }
  return csv_of(table);
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
