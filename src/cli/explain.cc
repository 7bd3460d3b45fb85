// explain: one translation, step by step.
#include "sim/explain.h"

#include <charconv>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/documents.h"
#include "cli/output.h"
#include "cli/simulate.h"
#include "report/explanation.h"
#include "sim/inspect.h"
#include "sim/machine_options.h"

namespace mmusim::cli {
namespace {

constexpr const char* kExplainSource = "TRACE|SCRIPT";
constexpr const char* kExplainText =
    "Shows what one translation does: which TLBs are looked up, each step of the miss path with "
    "its instructions, each reference with its address and what was read, and the cycles a run "
    "charges for each. The trace (.mmt) is replayed, or the workload script (.workload) run, up to "
    "--at (without it: when the process has most pages); then the access is made. --va is an "
    "address of the recording, wherever the machine has it; in a script it counts from where its "
    "segments begin, and its processes are numbered from 1 on. With --first-miss or --hot it is an "
    "access of the program itself.";

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

constexpr AccessKind kAccessKinds[] = {AccessKind::Fetch, AccessKind::Load, AccessKind::Store,
                                       AccessKind::Modify};

AccessKind kind_of(const std::string& text) {
  for (const AccessKind kind : kAccessKinds)
    if (text == name_of(kind)) return kind;
  throw UsageError("--access", fmt::format("'{}' is no kind of access", text.substr(0, 100)),
                   "it is fetch, load, store or modify");
}

sim::Explanation explain_address(const config::Config& config, const sim::Choice& choice,
                                 bool quiet, report::ExplanationHeading& heading) {
  heading.moment = with_progress(
      "looking for the moment", quiet,
      [&](const sim::ReplayOptions& options) { return sim::find_moment(config, choice, options); });
  return with_progress("replaying up to it", quiet, [&](const sim::ReplayOptions& options) {
    return sim::explain(config, heading.moment, heading.question, options);
  });
}

sim::Explanation explain_miss(const Arguments& arguments, const config::Config& config,
                              const sim::Choice& choice, bool quiet,
                              report::ExplanationHeading& heading) {
  sim::MissQuestion question{.pid = choice.pid, .hot = arguments.has("hot")};
  if (!question.hot) question.number = arguments.number("first-miss", 1);
  if (question.number == 0) throw UsageError("--first-miss", "misses are numbered from 1 on");
  sim::Explanation explanation =
      with_progress("looking for the miss", quiet, [&](const sim::ReplayOptions& options) {
        return sim::explain_miss(config, choice.script, question, options, heading.moment);
      });
  heading.question = {explanation.va, explanation.kind, true};
  heading.miss = question.hot ? fmt::format("the last of {} misses of the page that has most",
                                            format_count(explanation.misses))
                              : fmt::format("miss number {}", format_count(explanation.misses));
  return explanation;
}

}  // namespace

void explain(const Words& words) {
  Arguments arguments("explain TRACE|SCRIPT --va ADDRESS [--access ACCESS] [options]",
                      kExplainText);
  arguments.positional(kExplainSource, 1);
  arguments.options()                                                                        //
      ("va", text_option("ADDRESS"), "The virtual address.")                                 //
      ("access", text_option("ACCESS"), "fetch, load, store or modify; load if not given.")  //
      ("placed",
       "--va is where the machine has it, not where the recording had it.")  //
      ("first-miss", text_option("N")->implicit_value("1"),                  //
       "In place of --va: the N-th access of the program, the first if not said (--first-miss=3), "
       "that no TLB can serve, when it comes.")                                             //
      ("hot", "In place of --va: the last miss of the page that misses most often.")        //
      ("pid", text_option("PID"), "The process, by the trace's number.")                    //
      ("at", text_option("N"), "Look after about N instructions, or N steps of a script.")  //
      ("accept-torn", "Replay a torn trace as far as it goes; sets run.accept_torn.")       //
      ("quiet,q", "No progress on stderr.");
  Words kinds;
  for (const AccessKind kind : kAccessKinds)
    kinds.emplace_back(name_of(kind));
  arguments.offer("access", kinds);
  Documents::declare(arguments, "it", "what happened, a row each");
  declare_machine_options(arguments);
  const config::Schema schema = simulation_schema(arguments, words);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;
  const bool miss = arguments.has("first-miss") || arguments.has("hot");
  if (arguments.has("va") + arguments.has("first-miss") + arguments.has("hot") != 1)
    throw UsageError("--va", "one of --va, --first-miss and --hot says which access is meant");
  for (const char* option : {"access", "at", "placed"})
    if (miss && arguments.has(option))
      throw UsageError(fmt::format("--{}", option), "goes with --va: a miss comes when it comes");
  report::ExplanationHeading heading;
  if (!miss)
    heading.question = {address_of(arguments.text("va")),
                        kind_of(arguments.has("access") ? arguments.text("access") : "load"),
                        arguments.has("placed")};
  heading.source = arguments.text(kExplainSource);
  const bool scripted = is_script(heading.source);
  std::vector<Setting> settings;
  if (!scripted) settings.push_back({"run.trace", heading.source, "the command line"});
  const config::Config config = simulation_config(arguments, schema, settings);
  refuse_unread_keys({&config});
  Documents documents(arguments);

  sim::Choice choice;
  std::optional<sim::workload::Plan> script;
  if (scripted) choice.script = &script.emplace(load_plan(heading.source));
  if (arguments.has("pid"))
    choice.pid = Pid(static_cast<uint32_t>(arguments.number("pid", 0, 0, UINT32_MAX)));
  if (arguments.has("at")) choice.at = arguments.number("at", 0);
  const bool quiet = arguments.has("quiet") || scripted;  // a script tells nothing of its progress
  const sim::Explanation explanation = miss
                                           ? explain_miss(arguments, config, choice, quiet, heading)
                                           : explain_address(config, choice, quiet, heading);
  const sim::MachineOptions machine = sim::MachineOptions::from(config);
  heading.machine = machine.name;
  heading.arch = machine.arch;
  heading.page_table = machine.page_table;
  documents.write(
      [&] { return report::explanation_json(heading, explanation, provenance_of(config), config); },
      [&] { return report::explanation_csv(explanation); },
      [&] { return report::explanation_text(heading, explanation); });
}

}  // namespace mmusim::cli
