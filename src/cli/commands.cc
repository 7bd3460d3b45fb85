// The list of commands, and how one is found by its name.
#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "config/nearest.h"

namespace mmusim::cli {

std::span<const Command> commands() {
  static constexpr std::array<Command, 11> kCommands{{
      {"replay", "Replay a recorded trace through a simulated machine", replay},
      {"run", "Run an experiment that a config file describes", run},
      {"compare", "Put machines and page tables side by side on a trace or script", compare},
      {"sweep", "Run many configurations on all cores, into one table", sweep},
      {"curve", "Count what TLBs of every size would miss on a trace", curve},
      {"record", "Run a program under QEMU and record what it does as a trace", record},
      {"explain", "Show step by step what one translation does", explain},
      {"list", "List machines, page tables, formats, experiments, counters, keys", list},
      {"trace", "Show, check, import and export traces", trace},
      {"page-table", "Check page tables, and what they weigh", page_table},
      {"workload", "Run workload scripts, simulated and on this computer's kernel", workload},
  }};
  return kCommands;
}

void dispatch(std::span<const Command> from, const Words& words, const char* group,
              const char* help) {
  if (words.empty()) throw UsageError("", fmt::format("no {} is given", group), help);
  const auto found = std::find_if(from.begin(), from.end(),
                                  [&](const Command& c) { return words.front() == c.name; });
  if (found != from.end()) {
    found->run(Words(words.begin() + 1, words.end()));
    return;
  }
  Words names;
  for (const Command& command : from)
    names.emplace_back(command.name);
  const std::string hint = config::suggestion(words.front(), names);
  throw UsageError("", fmt::format("unknown {} '{}'", group, words.front().substr(0, 100)),
                   hint.empty() ? help : hint);
}

std::string list_of(std::span<const Command> from) {
  std::string text;
  for (const Command& command : from)
    text += fmt::format("  {:<10} {}\n", command.name, command.summary);
  return text;
}

}  // namespace mmusim::cli
