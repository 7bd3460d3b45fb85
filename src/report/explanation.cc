#include "report/explanation.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "mem/cache.h"
#include "mmu/miss_path.h"
#include "report/data_writers.h"
#include "report/table.h"
#include "report/text_writer.h"
#include "stats/json.h"

namespace mmusim::report {
namespace {

using stats::Json;

using sim::Told;

std::string outcome_text(const sim::Explanation& explanation) {
  const mmu::Translation& t = explanation.outcome;
  if (!t.ok()) return fmt::format("no translation: {}", mmu::name_of(t.fault));
  return fmt::format("frame {:#x}, in a page of {}, {}", t.pfn.value(), format_size(t.size.bytes()),
                     format_rights(t.rights));
}

// What a reference found, for people.
std::string found_text(const Told& told) {
  std::string text = fmt::format("{:#x}", told.address.value());
  if (told.through) text += fmt::format(" through {:#x}", told.through->value());
  if (told.served) text += fmt::format(" [{}]", mem::name_of(*told.served));
  text += " =";
  for (const uint64_t word : told.words)
    text += fmt::format(" {:#x}", word);
  if (!told.decoded.empty()) text += fmt::format(": {}", told.decoded);
  return text;
}

// What happened, for people; of a reference without what it found.
std::string said_text(const Told& told) {
  if (told.kind == Told::Kind::Reference)
    return fmt::format("{:<7} {:<5} {}", mem::name_of(told.by), told.write ? "write" : "read",
                       told.text);
  if (told.instructions == 0) return told.text;
  return fmt::format("{} ({} instructions{})", told.text, told.instructions,
                     told.trap ? ", a trap" : "");
}

// What the columns and signs of the text mean, as far as they are there.
Facts legend_of(const sim::Explanation& explanation) {
  Facts legend{.id = "legend"};
  legend.add("cycles", "cycles",
             "what a run charges (cost.*): of a step its instructions, its trap, its code's "
             "fetches; of a page fault the kernel's references");
  const auto& told = explanation.told;
  const auto any = [&](auto is) { return std::any_of(told.begin(), told.end(), is); };
  const auto by = [&](mem::Origin who, const char* meaning) {
    if (any([&](const Told& one) { return one.kind == Told::Kind::Reference && one.by == who; }))
      legend.add(mem::name_of(who), mem::name_of(who), meaning);
  };
  by(mem::Origin::Walker, "a reference of the hardware's own");
  by(mem::Origin::Handler, "... of a software miss handler's");
  by(mem::Origin::Kernel, "... of the kernel's, when it has fixed the fault");
  if (any([](const Told& one) { return one.beside; }))
    legend.add("beside", "+",
               "at the same time as the one before: its cycles are those it takes longer");
  if (any([](const Told& one) { return one.kind == Told::Kind::Reference; }))
    legend.add("word", "0xA = 0xV",
               "physical address, and the word read or written: what is in it");
  if (any([](const Told& one) { return one.through.has_value(); }))
    legend.add("through", "through", "the virtual address the reference was made by");
  if (any([](const Told& one) { return one.served.has_value(); }))
    legend.add("served", "[l2]", "the cache that had it; none said: its cycles are the step's");
  return legend;
}

Facts heading_facts(const ExplanationHeading& heading, const sim::Explanation& explanation) {
  Facts facts{.id = "heading"};
  facts.add(
      "machine", "machine",
      fmt::format("{} ({}), page table {}", heading.machine, heading.arch, heading.page_table));
  facts.add("moment", "moment", fmt::format("{} of {}", heading.moment.text(), heading.source));
  facts.add("miss", "miss", heading.miss);
  std::string access =
      fmt::format("{} at {:#x}", name_of(heading.question.kind), heading.question.va.value());
  if (explanation.va != heading.question.va)
    access += fmt::format(", which the machine has at {:#x}", explanation.va.value());
  facts.add("access", "access", access);
  facts.add("address", "address", fmt::format("{}", fmt::join(explanation.parts, ", ")));
  return facts;
}

Facts outcome_facts(const sim::Explanation& explanation) {
  uint64_t instructions = 0;
  unsigned traps = 0;
  for (const Told& told : explanation.told) {
    instructions += told.instructions;
    traps += told.trap ? 1 : 0;
  }
  Facts facts{.id = "outcome"};
  facts.add("outcome", "outcome", outcome_text(explanation));
  facts.add("took", "took",
            fmt::format("{} cycles; references of walker {}, handler {}, kernel {}; {} handler "
                        "instructions, {} traps, {} page faults",
                        explanation.cycles, explanation.by_walker, explanation.by_handler,
                        explanation.by_kernel, instructions, traps, explanation.faults));
  return facts;
}

// All that was told, in order, for people.
Table story_of(const sim::Explanation& explanation) {
  Table table{.id = "story",
              .title = "Told",
              .columns = {{.key = "cycles", .title = "cycles", .unit = "cycles"},
                          {.key = "mark",
                           .meaning = "The number of a step; + of a reference made "
                                      "at the same time as the one before."},
                          {.key = "what", .align = Column::Align::Left},
                          {.key = "found", .align = Column::Align::Left}}};
  unsigned number = 0;
  for (const Told& told : explanation.told) {
    std::string mark = told.beside ? "+" : "";
    if (told.kind == Told::Kind::Step) mark = fmt::format("{}.", ++number);
    table.row({told.cycles == 0 ? Value() : Value(told.cycles), mark, said_text(told),
               told.kind == Told::Kind::Reference ? Value(found_text(told)) : Value()});
  }
  return table;
}

// ... and for programs.
Table told_of(const sim::Explanation& explanation) {
  Table table{
      .id = "told",
      .title = "Told",
      .columns = {
          {.key = "number", .meaning = "Of a step.", .names = true},
          {.key = "event", .title = "event", .meaning = "remark, step, read or write."},
          {.key = "by", .title = "by", .meaning = "Who made the reference."},
          {.key = "step", .title = "step", .meaning = "The name of a step."},
          {.key = "what",
           .title = "what",
           .meaning = "The remark, what the step does, or what the reference is to.",
           .align = Column::Align::Left},
          {.key = "cycles", .title = "cycles", .unit = "cycles", .meaning = "A run's charge."},
          {.key = "instructions", .title = "instructions", .unit = "instructions"},
          {.key = "trap", .title = "trap"},
          {.key = "beside",
           .title = "beside",
           .meaning = "Made at the same time as the one before."},
          {.key = "physical", .title = "physical", .meaning = "The address."},
          {.key = "virtual", .title = "virtual", .meaning = "The address it was made by."},
          {.key = "bytes", .title = "bytes", .unit = "bytes"},
          {.key = "words", .title = "words", .meaning = "What was read or written."},
          {.key = "decoded", .title = "decoded", .align = Column::Align::Left},
          {.key = "served", .title = "served", .meaning = "The cache that had it."}}};
  uint64_t number = 0;
  for (const Told& told : explanation.told) {
    const bool step = told.kind == Told::Kind::Step;
    const bool reference = told.kind == Told::Kind::Reference;
    const auto of_step = [&](auto value) { return step ? Value(value) : Value(); };
    const auto of_reference = [&](auto value) { return reference ? Value(value) : Value(); };
    number += step ? 1 : 0;
    table.row(
        {of_step(number),
         std::string(step         ? "step"
                     : !reference ? "remark"
                     : told.write ? "write"
                                  : "read"),
         of_reference(std::string(mem::name_of(told.by))),
         step ? Value(std::string(told.step->name)) : Value(), told.text, told.cycles,
         of_step(told.instructions), of_step(told.trap), of_reference(told.beside),
         of_reference(told.address.value()), told.through ? Value(told.through->value()) : Value(),
         of_reference(uint64_t{told.bytes}),
         of_reference(fmt::format("{:#x}", fmt::join(told.words, " "))), of_reference(told.decoded),
         told.served ? Value(std::string(mem::name_of(*told.served))) : Value()},
        reference ? 1 : 0);
  }
  return table;
}

}  // namespace

std::string explanation_text(const ExplanationHeading& heading,
                             const sim::Explanation& explanation) {
  constexpr TextStyle kLabels{.width = 10};
  const TextLayout layout{.styles = {{"heading", kLabels},
                                     {"story", {.as = TextStyle::As::Outline, .width = 38}},
                                     {"outcome", kLabels},
                                     {"legend", kLabels}}};
  return text_of({"explanation",
                  {heading_facts(heading, explanation), story_of(explanation),
                   outcome_facts(explanation), legend_of(explanation)}},
                 layout);
}

std::string explanation_csv(const sim::Explanation& explanation) {
  return csv_of(told_of(explanation));
}

std::string explanation_json(const ExplanationHeading& heading, const sim::Explanation& explanation,
                             const stats::Provenance& provenance, const config::Config& config) {
  Json document = stats::document_head(provenance, config);
  document["question"] = {
      {"va", heading.question.va.value()},   {"access", name_of(heading.question.kind)},
      {"placed_at", explanation.va.value()}, {"parts", explanation.parts},
      {"pid", heading.moment.pid.value()},   {"instructions", heading.moment.instructions},
      {"steps", heading.moment.steps}};
  if (!heading.miss.empty()) {
    document["question"]["miss"] = heading.miss;
    document["question"]["misses"] = explanation.misses;
  }
  Json& list = document["told"] = Json::array();
  for (const Told& told : explanation.told) {
    switch (told.kind) {
      case Told::Kind::Remark:
        list.push_back({{"remark", told.text}});
        if (told.cycles != 0) list.back()["cycles"] = told.cycles;
        break;
      case Told::Kind::Step:
        list.push_back({{"step", told.step->name},
                        {"what", told.text},
                        {"cycles", told.cycles},
                        {"instructions", told.instructions},
                        {"trap", told.trap}});
        break;
      case Told::Kind::Reference: {
        Json entry = {{told.write ? "write" : "read", told.text},
                      {"by", mem::name_of(told.by)},
                      {"cycles", told.cycles},
                      {"physical", told.address.value()},
                      {"bytes", told.bytes},
                      {"value", told.words.front()}};
        if (told.words.size() > 1) entry["words"] = told.words;
        if (told.through) entry["virtual"] = told.through->value();
        if (!told.decoded.empty()) entry["decoded"] = told.decoded;
        if (told.served) entry["served"] = mem::name_of(*told.served);
        if (told.beside) entry["beside"] = true;
        list.push_back(std::move(entry));
        break;
      }
    }
  }
  const mmu::Translation& t = explanation.outcome;
  document["outcome"] = {{"fault", t.ok() ? Json(nullptr) : Json(mmu::name_of(t.fault))},
                         {"page_faults", explanation.faults},
                         {"cycles", explanation.cycles},
                         {"walker_references", explanation.by_walker},
                         {"handler_references", explanation.by_handler},
                         {"kernel_references", explanation.by_kernel}};
  if (t.ok()) {
    document["outcome"]["frame"] = t.pfn.value();
    document["outcome"]["page_bytes"] = t.size.bytes();
    document["outcome"]["rights"] = format_rights(t.rights);
  }
  return stats::document_text(document);
}

}  // namespace mmusim::report
