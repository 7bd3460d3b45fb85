#include "report/run_names.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <set>
#include <tuple>

namespace mmusim::report {
namespace {

// What names machine and trace already. Where a machine's file lies is no difference.
bool is_name(const std::string& key) {
  return key == "run.machine" || key == "run.trace" || key == "machine.name" ||
         key == "machine.page_table";
}

// Keys whose values differ within any of the groups that `group_of` makes.
template <class GroupOf>
std::vector<std::string> differing(const std::vector<ReadRun>& runs, GroupOf group_of) {
  std::map<std::string, const ReadRun*> first;
  std::set<std::string> found;
  std::vector<std::string> order;
  for (const ReadRun& run : runs) {
    const auto [group, fresh] = first.try_emplace(group_of(run), &run);
    if (fresh) continue;
    const std::map<std::string, std::string> other(group->second->config.begin(),
                                                   group->second->config.end());
    for (const auto& [key, value] : run.config) {
      const auto there = other.find(key);
      if (is_name(key) || (there != other.end() && there->second == value)) continue;
      if (found.insert(key).second) order.push_back(key);
    }
  }
  return order;
}

}  // namespace

std::vector<std::string> varied_keys(const std::vector<ReadRun>& runs) {
  return differing(runs, [](const ReadRun& run) {
    return fmt::format("{}\n{}\n{}", run.machine(), run.page_table(), run.trace());
  });
}

std::vector<std::string> other_keys(const std::vector<ReadRun>& runs,
                                    const std::vector<std::string>& varied) {
  std::vector<std::string> keys = differing(runs, [](const ReadRun&) { return std::string(); });
  std::erase_if(keys, [&](const std::string& key) {
    return std::find(varied.begin(), varied.end(), key) != varied.end();
  });
  return keys;
}

std::vector<std::string> values_of(const std::vector<ReadRun>& runs, const std::string& key) {
  std::vector<std::string> values;
  for (const ReadRun& run : runs)
    if (std::string value = run.value(key);
        std::find(values.begin(), values.end(), value) == values.end())
      values.push_back(std::move(value));
  return values;
}

std::string stem_of(const std::string& path) {
  return std::filesystem::path(path).stem().string();
}

std::string label_of(const ReadRun& run, bool with_trace, const std::vector<std::string>& keys) {
  std::string label = with_trace ? stem_of(run.trace()) + " " : "";
  // Of a plug-in's path its name says enough.
  label += fmt::format("{}/{}", run.machine(), stem_of(run.page_table()));
  for (const std::string& key : keys)
    label += fmt::format(" {}={}", key, run.value(key));
  return label;
}

void name_runs(std::vector<ReadRun>& runs) {
  const std::vector<std::string> varied = varied_keys(runs);
  const bool traces = values_of(runs, "run.trace").size() > 1;
  std::map<std::string, unsigned> given;
  for (const ReadRun& run : runs)
    ++given[run.name];
  std::map<std::string, unsigned> taken;
  for (ReadRun& run : runs) {
    if (run.name.empty() || given[run.name] > 1) run.name = label_of(run, traces, varied);
    const unsigned before = taken[run.name]++;
    if (before != 0) run.name += fmt::format(" ({})", before + 1);
  }
}

}  // namespace mmusim::report
