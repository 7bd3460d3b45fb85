#include "sweep/description.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "config/ini.h"
#include "config/nearest.h"

namespace mmusim::sweep {
namespace {

// The words between commas.
void add_list(const Said& said, std::vector<Said>& list) {
  for (const std::string_view item : list_items(said.text)) {
    const std::string_view word = trimmed(item);
    if (word.empty())
      throw UsageError(said.where, fmt::format("'{}' has an empty place in its list", said.text));
    list.push_back({std::string(word), said.where});
  }
}

struct Parser {
  Description result;
  std::string last_zip;  // the section the last group is of

  void one(const config::IniSetting& setting, const std::string& file) {
    const Said said{setting.value, fmt::format("{}:{}", file, setting.line)};
    const size_t dot = setting.key.find('.');
    const std::string section = setting.key.substr(0, dot);
    const std::string key = dot == std::string::npos ? "" : setting.key.substr(dot + 1);
    if (section == "sweep") {
      of_sweep(key, said);
    } else if (section == "set") {
      result.set.emplace_back(key, said);
    } else if (section == "vary") {
      result.axes.push_back({{key, said}});
    } else if (section.starts_with("zip")) {
      if (section != last_zip) result.axes.emplace_back();
      last_zip = section;
      result.axes.back().emplace_back(key, said);
    } else {
      throw UsageError(said.where, fmt::format("a sweep has no section [{}]", section),
                       "it has [sweep], [set], [vary] and [zip]; keys of all points are in [set]");
    }
  }

  void of_sweep(const std::string& key, const Said& said) {
    if (key == "traces") return add_list(said, result.traces);
    if (key == "machines") return add_list(said, result.machines);
    if (key == "page_tables") return add_list(said, result.page_tables);
    if (key == "counters") return add_list(said, result.counters);
    const std::vector<std::string> known = {"traces", "machines", "page_tables", "counters"};
    const std::string hint = config::suggestion(key, known);
    throw UsageError(said.where, fmt::format("[sweep] has no '{}'", key),
                     hint.empty() ? fmt::format("it has {}", fmt::join(known, ", ")) : hint);
  }
};

}  // namespace

Description parse_description(std::string_view text, const std::string& file) {
  Parser parser;
  for (const config::IniSetting& setting : config::parse_ini(text, file))
    parser.one(setting, file);
  return std::move(parser.result);
}

Description load_description(const std::string& path) {
  return parse_description(config::read_ini(path), path);
}

}  // namespace mmusim::sweep
