// explain: one translation, step by step.
#include "sim/explain.h"

#include <charconv>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/output.h"
#include "cli/simulate.h"
#include "report/explanation.h"

namespace mmusim::cli {
namespace {

constexpr const char* kSource = "TRACE|SCRIPT";
constexpr const char* kText =
    "Shows what one translation does: which TLBs are looked up, each step of the miss path with "
    "its\n"
    "instructions, each reference with its address and what was read. The trace (.mmt) is "
    "replayed,\n"
    "or the workload script (.workload) run, up to --at (without it: when the process has most\n"
    "pages); then the access is made. Addresses in a script count from where its segments begin, "
    "and\n"
    "its processes are numbered from 1 on.\n";

VirtAddr address_of(const std::string& text) {
  std::string digits = text;
  int base = 10;
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    digits.erase(0, 2);
    base = 16;
  }
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty())
    throw UsageError("--va", fmt::format("'{}' is no address", text.substr(0, 100)),
                     "write it as 0x7fff1000 or in decimal");
  return VirtAddr(value);
}

AccessKind kind_of(const std::string& text) {
  for (const AccessKind kind :
       {AccessKind::Fetch, AccessKind::Load, AccessKind::Store, AccessKind::Modify})
    if (text == name_of(kind)) return kind;
  throw UsageError("--access", fmt::format("'{}' is no kind of access", text.substr(0, 100)),
                   "it is fetch, load, store or modify");
}

}  // namespace

void explain(const Words& words) {
  Arguments arguments("explain TRACE|SCRIPT --va ADDRESS [--access KIND] [options]", kText);
  arguments.positional(kSource, 1);
  arguments.options()                                                                           //
      ("va", text_option("ADDRESS"), "The virtual address.")                                    //
      ("access", text_option("KIND|FILE"), "fetch, load, store or modify; load if not given.")  //
      ("machine,m", text_option("NAME|FILE"), "The machine; sets run.machine.")                 //
      ("page-table,p", text_option("KIND|FILE"),                                                //
       "The kernel's page table, or the path of a plug-in; sets machine.page_table.")           //
      ("pid", text_option("PID"), "The process, by the trace's number.")                        //
      ("at", text_option("N"), "Look after about N instructions, or N steps of a script.")      //
      ("json", text_option("FILE"), "Write it as JSON; - for stdout, in place of the text.")    //
      ("accept-torn", "Replay a torn trace as far as it goes; sets run.accept_torn.")           //
      ("quiet,q", "No progress on stderr.");
  const config::Schema schema = simulation_schema(arguments, words);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;
  if (!arguments.has("va")) throw UsageError("--va", "no address is given");
  report::ExplanationHeading heading;
  heading.question = {address_of(arguments.text("va")),
                      kind_of(arguments.has("access") ? arguments.text("access") : "load")};
  heading.source = arguments.text(kSource);
  const bool scripted = is_script(heading.source);
  std::vector<Setting> settings;
  if (!scripted) settings.push_back({"run.trace", heading.source, "the command line"});
  const config::Config config = simulation_config(arguments, schema, settings);
  JsonOutput json(arguments);

  sim::Choice choice;
  std::optional<sim::workload::Plan> script;
  if (scripted) choice.script = &script.emplace(load_plan(heading.source));
  if (arguments.has("pid")) choice.pid = Pid(static_cast<uint32_t>(arguments.number("pid", 0)));
  if (arguments.has("at")) choice.at = arguments.number("at", 0);
  const bool quiet = arguments.has("quiet") || scripted;  // a script tells nothing of its progress
  heading.moment = with_progress(
      "looking for the moment", quiet,
      [&](const sim::ReplayOptions& options) { return sim::find_moment(config, choice, options); });
  const sim::Explanation explanation =
      with_progress("replaying up to it", quiet, [&](const sim::ReplayOptions& options) {
        return sim::explain(config, heading.moment, heading.question, options);
      });
  heading.machine = config.text("machine.name");
  heading.arch = config.choice("machine.arch");
  heading.page_table = config.choice("machine.page_table");
  const std::string document =
      json.wanted() ? report::explanation_json(heading, explanation, provenance_of(config), config)
                    : "";
  json.write(document);
  print(json.to_stdout() ? document : report::explanation_text(heading, explanation));
}

}  // namespace mmusim::cli
