// The list of commands, and how one is found by its name.
#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/output.h"
#include "config/nearest.h"

namespace mmusim::cli {

std::span<const Command> commands() {
  static constexpr std::array<Command, 15> kCommands{{
      {"replay", "Replay a recorded trace through a simulated machine", replay},
      {"run", "Run an experiment that a config file describes", run},
      {"compare", "Put machines and page tables side by side on a trace or script", compare},
      {"sweep", "Run many configurations on all cores, into one table", sweep},
      {"curve", "Count what TLBs of every size would miss on a trace", curve},
      {"profile", "Show where TLB misses, walks and faults come from", profile},
      {"report", "Make a page with figures and tables of results", report},
      {"record", "Run a program under QEMU and record what it does as a trace", record},
      {"explain", "Show step by step what one translation does", explain},
      {"list", "List machines, page tables, traces, experiments, counters, keys", nullptr, lists},
      {"trace", "Show, check, import and export traces", nullptr, trace_commands},
      {"page-table", "Check page tables, and what they weigh", nullptr, page_table_commands},
      {"workload", "Run workload scripts, simulated and on this computer's kernel", nullptr,
       workload_commands, "workloads/README.md describes the language of scripts."},
      {"completion", "Print what bash or zsh needs to complete command lines", completion},
      {"manual", "Write the manual pages", manual},
  }};
  return kCommands;
}

namespace {

std::string group_help(const Command& group) {
  return fmt::format("usage: mmusim {} COMMAND [ARGUMENTS]\n\n{}{}{}", group.name,
                     list_of(group.commands()), *group.more == 0 ? "" : "\n",
                     *group.more == 0 ? "" : fmt::format("{}\n", group.more));
}

}  // namespace

void dispatch(std::span<const Command> from, const Words& words, const std::string& group) {
  const std::string what = group.empty() ? "command" : group + " command";
  const std::string help =
      fmt::format("'mmusim {}{}--help' lists them", group, group.empty() ? "" : " ");
  if (words.empty()) throw UsageError("", fmt::format("no {} is given", what), help);
  const auto found = std::find_if(from.begin(), from.end(),
                                  [&](const Command& c) { return words.front() == c.name; });
  if (found != from.end()) {
    const Words rest(words.begin() + 1, words.end());
    if (found->commands == nullptr) {
      found->run(rest);
    } else if (!rest.empty() && (rest.front() == "--help" || rest.front() == "-h")) {
      print(group_help(*found));
    } else {
      dispatch(found->commands(), rest, found->name);
    }
    return;
  }
  Words names;
  for (const Command& command : from)
    names.emplace_back(command.name);
  const std::string hint = config::suggestion(words.front(), names);
  throw UsageError("", fmt::format("unknown {} '{}'", what, words.front().substr(0, 100)),
                   hint.empty() ? help : hint);
}

std::string list_of(std::span<const Command> from) {
  size_t width = 0;
  for (const Command& command : from)
    width = std::max(width, std::string_view(command.name).size());
  std::string text;
  for (const Command& command : from)
    text += fmt::format("  {:<{}} {}\n", command.name, width, command.summary);
  return text;
}

}  // namespace mmusim::cli
