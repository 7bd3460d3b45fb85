#include "report/conformance_table.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/units.h"
#include "report/data_writers.h"
#include "report/text_writer.h"
#include "stats/json.h"

namespace mmusim::report {
namespace {

using stats::Json;

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

// One of them, for people.
Facts facts_of(const ConformanceHeading& heading, unsigned number, const Failure& failure) {
  Facts facts{
      .id = "failure",
      .title = fmt::format("{}. {}, on the layout '{}'", number, failure.part, failure.layout)};
  facts.add("promise", "promised", failure.broken.promise);
  if (const std::string sentence = sentence_of(failure.part); sentence != failure.broken.promise)
    facts.add("case", "case", sentence);
  if (failure.seed) {
    facts.add("done", "done",
              fmt::format("(the shortest of {} operations that shows it)", failure.steps_at_first));
    unsigned step = 0;
    for (const std::string& text : failure.steps)
      facts.list.push_back({.key = fmt::format("done.{}", ++step), .text = text, .number = step});
  }
  facts.add("expected", "expected", failure.broken.expected);
  facts.add("came", "came", failure.broken.came);
  facts.add("after", "after", failure.after);
  if (failure.seed)
    facts.list.push_back({.key = "again",
                          .label = "again",
                          .text = fmt::format("mmusim page-table check {} --seed {} --ops 1",
                                              heading.name, *failure.seed),
                          .unbroken = true});
  return facts;
}

// For programs.
Table failures_of(const Verdict& verdict) {
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
               of_run(Lines{fmt::format("{}", fmt::join(failure.steps, "\n"))})});
  }
  return table;
}

Facts one_fact(const char* key, const char* label, std::string text) {
  Facts facts{.id = "facts"};
  facts.add(key, label, std::move(text));
  return facts;
}

}  // namespace

Document conformance_document(const ConformanceHeading& heading, const Verdict& verdict) {
  Facts facts = one_fact("page_table", "page table", heading.name);
  facts.add(
      "promises", "promises",
      fmt::format("{} cases on {} layouts of address spaces", verdict.promises, verdict.layouts));
  facts.add(
      "random", "random",
      fmt::format("{} operations in {} runs, seeds from {}, against an ordered map",
                  format_count(verdict.operations), format_count(verdict.runs), heading.seed));
  Document document{.kind = "conformance", .blocks = {facts}};
  // The same case usually fails on every layout: one is enough to read.
  std::set<std::string> shown;
  for (const Failure& failure : verdict.failures)
    if (shown.insert(failure.part).second)
      document.blocks.emplace_back(facts_of(heading, static_cast<unsigned>(shown.size()), failure));
  if (const size_t alike = verdict.failures.size() - shown.size(); alike != 0) {
    Facts more{.id = "alike"};
    more.add("alike", "",
             fmt::format("and {} more failures of these cases, on other layouts", alike));
    document.blocks.emplace_back(more);
  }
  const std::string until = end_text(verdict);
  if (!until.empty()) document.blocks.emplace_back(one_fact("until", "not done", until));
  if (!verdict.watched)
    document.blocks.emplace_back(
        one_fact("unwatched", "not done",
                 "this host does not let memory be watched: words that are read and not named are "
                 "not found"));
  document.blocks.emplace_back(one_fact(
      "verdict", "verdict",
      verdict.failures.empty()
          ? fmt::format("every promise kept{}, nothing left behind", until.empty() ? "" : " so far")
          : fmt::format("{} promises or runs broken", verdict.failures.size())));
  return document;
}

std::string conformance_text(const ConformanceHeading& heading, const Verdict& verdict) {
  return text_of(conformance_document(heading, verdict),
                 {.styles = {{"facts", {.width = 12}}, {"failure", {.width = 13, .indent = 3}}}});
}

std::string conformance_csv(const Verdict& verdict) {
  return csv_of(failures_of(verdict));
}

std::string conformance_json(const ConformanceHeading& heading, const Verdict& verdict) {
  const Json document = {{"schema", 1},
                         {"page_table", heading.name},
                         {"seed", heading.seed},
                         {"promises", verdict.promises},
                         {"layouts", verdict.layouts},
                         {"runs", verdict.runs},
                         {"operations", verdict.operations},
                         {"complete", verdict.end == Verdict::End::Complete},
                         {"watched", verdict.watched},
                         {"failures", rows_json(failures_of(verdict))}};
  return stats::document_text(document);
}

}  // namespace mmusim::report
