#include "report/prices.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <span>
#include <string_view>

namespace mmusim::report {

namespace {

constexpr std::string_view kCostPrefix = "cost.";

bool is_one_of(std::string_view key, std::span<const std::string_view> list) {
  return std::find(list.begin(), list.end(), key) != list.end();
}

// Of the prices of a machine with, and without, simulated caches, or with several CPUs.
constexpr std::array<std::string_view, 5> kWithCaches = {"cost.l1", "cost.l1i", "cost.l2",
                                                         "cost.l3", "cost.memory"};
constexpr std::array<std::string_view, 2> kWithCpus = {"cost.interrupt", "cost.broadcast"};
constexpr std::string_view kReference = "cost.reference";
// Not of translation.
constexpr std::string_view kSwitch = "cost.context_switch";

bool counts(const ComparedRun& run, std::string_view key) {
  const bool cached = run.config.flag("cache.enabled");
  if (key == kSwitch) return false;
  if (is_one_of(key, kWithCaches)) return cached;
  if (key.starts_with(kReference)) return !cached;
  return run.report.find("sched.cpus") != nullptr || !is_one_of(key, kWithCpus);
}

}  // namespace

std::vector<Price> prices_of(const ComparedRun& run) {
  std::vector<Price> prices;
  for (const config::Key& key : run.config.schema().keys()) {
    if (!key.name.starts_with(kCostPrefix) || !counts(run, key.name)) continue;
    const std::optional<uint64_t> cycles = run.config.number_if(key.name);
    if (!cycles) continue;  // "same" as another
    prices.push_back({key.name, *cycles, run.config.origin(key.name), run.config.remark(key.name)});
  }
  return prices;
}

Facts prices_of(const Comparison& comparison) {
  Facts facts{.id = "prices", .title = "Prices, in cycles"};
  std::vector<std::string> told;
  for (const ComparedRun& run : comparison.runs) {
    const std::string& machine = run.config.text("machine.name");
    if (std::find(told.begin(), told.end(), machine) != told.end()) continue;
    told.push_back(machine);
    std::vector<std::string> own;
    std::vector<std::string> given;
    std::vector<std::string> defaults;
    for (const Price& price : prices_of(run)) {
      std::string word = fmt::format("{} {}", price.key.substr(kCostPrefix.size()), price.cycles);
      if (price.is_default()) {
        defaults.push_back(std::move(word));
      } else if (price.from.starts_with("--")) {
        given.push_back(std::move(word));
      } else {
        if (!price.remark.empty()) word += fmt::format(" ({})", price.remark);
        own.push_back(std::move(word));
      }
    }
    facts.list.push_back({.key = machine, .label = machine});
    const auto line = [&](const char* whose, const std::vector<std::string>& words) {
      if (words.empty()) return;
      facts.list.push_back({.key = fmt::format("{}.{}", machine, whose),
                            .label = fmt::format("{}:", whose),
                            .text = fmt::format("{}", fmt::join(words, ", ")),
                            .depth = 1});
    };
    line("its own", own);
    line("given", given);
    line("default", defaults);
  }
  return facts;
}

}  // namespace mmusim::report
