#include "report/explanation.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/units.h"

namespace mmusim::report {
namespace {

using sim::Told;

std::string outcome_text(const sim::Explanation& explanation) {
  const mmu::Translation& t = explanation.outcome;
  if (!t.ok()) return fmt::format("no translation: {}", mmu::name_of(t.fault));
  return fmt::format("frame {:#x}, in a page of {}, {}", t.pfn.value(), format_size(t.size.bytes()),
                     format_rights(t.rights));
}

std::string reference_text(const Told& told) {
  std::string text = fmt::format("{:<7} {:<5} {:<14} {:#014x}", told.by,
                                 told.write ? "write" : "read", told.text, told.address.value());
  if (told.through) text += fmt::format(" through {:#x}", told.through->value());
  text += " ";
  for (const uint64_t word : told.words)
    text += fmt::format(" {:#0{}x}", word, told.bytes < 8 && word >> 32 == 0 ? 10 : 18);
  if (!told.decoded.empty()) text += fmt::format("  {}", told.decoded);
  if (!told.served.empty()) text += fmt::format("  [{}]", told.served);
  return text;
}

struct Sums {
  uint64_t instructions = 0;
  unsigned walker = 0;
  unsigned handler = 0;
  unsigned traps = 0;
};
Sums sums_of(const sim::Explanation& explanation) {
  Sums sums;
  for (const Told& told : explanation.told) {
    sums.instructions += told.instructions;
    sums.traps += told.trap ? 1 : 0;
    if (told.kind == Told::Kind::Reference) ++(told.by == "walker" ? sums.walker : sums.handler);
  }
  return sums;
}

}  // namespace

std::string explanation_text(const ExplanationHeading& heading,
                             const sim::Explanation& explanation) {
  std::string text = fmt::format("machine   {} ({}), page table {}\n", heading.machine,
                                 heading.arch, heading.page_table);
  text += fmt::format("moment    {} of {}\n", heading.moment.text(), heading.source);
  if (!heading.miss.empty()) text += fmt::format("miss      {}\n", heading.miss);
  text += fmt::format("access    {} at {:#x}", name_of(heading.question.kind),
                      heading.question.va.value());
  if (explanation.va != heading.question.va)
    text += fmt::format(", which the machine has at {:#x}", explanation.va.value());
  text += fmt::format("\naddress   {}\n\n", fmt::join(explanation.parts, ", "));
  unsigned number = 0;
  for (const Told& told : explanation.told) {
    switch (told.kind) {
      case Told::Kind::Remark:
        text += fmt::format("    {}\n", told.text);
        break;
      case Told::Kind::Step:
        text += fmt::format("{:>2}. {}", ++number, told.text);
        if (told.instructions != 0)
          text +=
              fmt::format("  ({} instructions{})", told.instructions, told.trap ? ", a trap" : "");
        text += "\n";
        break;
      case Told::Kind::Reference:
        text += fmt::format("      {}\n", reference_text(told));
        break;
    }
  }
  const Sums sums = sums_of(explanation);
  text += fmt::format("\noutcome   {}\n", outcome_text(explanation));
  text += fmt::format(
      "took      {} walker and {} handler references, {} handler instructions, {} traps, {} page "
      "faults\n",
      sums.walker, sums.handler, sums.instructions, sums.traps, explanation.faults);
  return text;
}

std::string explanation_json(const ExplanationHeading& heading, const sim::Explanation& explanation,
                             const stats::Provenance& provenance, const config::Config& config) {
  using Json = nlohmann::ordered_json;
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
        break;
      case Told::Kind::Step:
        list.push_back({{"step", told.step},
                        {"what", told.text},
                        {"instructions", told.instructions},
                        {"trap", told.trap}});
        break;
      case Told::Kind::Reference: {
        Json entry = {{told.write ? "write" : "read", told.text},
                      {"by", told.by},
                      {"physical", told.address.value()},
                      {"bytes", told.bytes},
                      {"value", told.words.front()}};
        if (told.words.size() > 1) entry["words"] = told.words;
        if (told.through) entry["virtual"] = told.through->value();
        if (!told.decoded.empty()) entry["decoded"] = told.decoded;
        if (!told.served.empty()) entry["served"] = told.served;
        list.push_back(std::move(entry));
        break;
      }
    }
  }
  const mmu::Translation& t = explanation.outcome;
  document["outcome"] = {{"fault", t.ok() ? Json(nullptr) : Json(mmu::name_of(t.fault))},
                         {"page_faults", explanation.faults}};
  if (t.ok()) {
    document["outcome"]["frame"] = t.pfn.value();
    document["outcome"]["page_bytes"] = t.size.bytes();
    document["outcome"]["rights"] = format_rights(t.rights);
  }
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace mmusim::report
