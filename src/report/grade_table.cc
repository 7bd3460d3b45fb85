#include "report/grade_table.h"

#include <fmt/format.h>

#include "report/data_writers.h"
#include "report/text_writer.h"

namespace mmusim::report {
namespace {

using pt::conformance::GradedCase;
using pt::conformance::Stage;

Table stages_table(const std::vector<Stage>& stages) {
  Table table{
      .id = "stages",
      .title = "Stage",
      .columns = {{.key = "stage", .align = Column::Align::Left, .names = true},
                  {.key = "points",
                   .title = "points",
                   .unit = "points",
                   .meaning = "Earned: the share of its cases that are kept, rounded down."},
                  {.key = "of", .title = "of", .unit = "points", .meaning = "At most."},
                  {.key = "kept", .title = "kept", .unit = "cases"},
                  {.key = "cases", .title = "cases", .unit = "cases"},
                  {.key = "about", .title = "what it is", .align = Column::Align::Left}}};
  uint64_t earned = 0;
  uint64_t of = 0;
  for (const Stage& stage : stages) {
    uint64_t kept = 0;
    for (const GradedCase& one : stage.cases)
      kept += one.kept ? 1 : 0;
    earned += stage.earned;
    of += stage.points;
    table.row({stage.name, uint64_t{stage.earned}, uint64_t{stage.points}, kept,
               uint64_t{stage.cases.size()}, stage.about});
  }
  table.row({"all", earned, of, {}, {}, {}}, 0, true);
  return table;
}

// For programs.
Table cases_table(const std::vector<Stage>& stages) {
  const auto text = [](const char* key) {
    return Column{
        .key = key, .title = key, .align = Column::Align::Left, .readers = Column::For::Programs};
  };
  Table table{.id = "cases",
              .title = "Cases",
              .columns = {text("stage"), text("case"), text("kept"), text("promise"),
                          text("expected"), text("came"), text("after"), text("hint")}};
  for (const Stage& stage : stages)
    for (const GradedCase& one : stage.cases)
      table.row({stage.name, one.name, one.kept, one.promise, one.expected, one.came, one.after,
                 one.hint});
  return table;
}

}  // namespace

Document grade_document(const std::string& name, const std::vector<Stage>& stages) {
  Facts heading{.id = "page_table"};
  heading.add("page_table", "page table", name);
  Document document{.kind = "grade", .blocks = {heading, stages_table(stages)}};
  for (const Stage& stage : stages)
    for (const GradedCase& one : stage.cases) {
      if (one.kept) continue;
      Facts facts{.id = "hint", .title = fmt::format("{}: {}", stage.name, one.name)};
      facts.add("promise", "promised", one.promise);
      facts.add("expected", "expected", one.expected);
      facts.add("came", "came", one.came);
      facts.add("after", "after", one.after);
      facts.add("hint", "hint", one.hint);
      document.blocks.emplace_back(std::move(facts));
      break;  // the first thing to mend: others often come of it
    }
  document.blocks.emplace_back(cases_table(stages));
  return document;
}

std::string grade_text(const Document& document) {
  constexpr size_t kLabels = 11;
  Document shown = document;
  shown.blocks.pop_back();  // programs' alone
  return text_of(shown, {.styles = {{"page_table", {.width = kLabels}},
                                    {"hint", {.width = kLabels, .indent = 2}}}});
}

std::string grade_csv(const Document& document) {
  return csv_of(std::get<Table>(document.blocks.at(1)));
}

}  // namespace mmusim::report
