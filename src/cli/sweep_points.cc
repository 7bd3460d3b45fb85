#include "cli/sweep_points.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "cli/log.h"
#include "cli/simulate.h"
#include "pt/plugin.h"

namespace mmusim::cli {
namespace {

constexpr const char* kCommandLine = "the command line";

std::vector<sweep::Said> said_by(const Arguments& arguments, const char* option,
                                 const std::vector<sweep::Said>& otherwise) {
  if (!arguments.has(option)) return otherwise;
  std::vector<sweep::Said> said;
  for (const std::string& word : arguments.list(option))
    said.push_back({word, fmt::format("--{}", option)});
  return said;
}

// What each point of one part (traces, machines, page tables) is set to; where there is nothing to
// say, one point that sets nothing.
using Choice = std::vector<Setting>;
std::vector<Choice> choices_of(const std::vector<sweep::Said>& said, const char* key) {
  std::vector<Choice> choices;
  choices.reserve(said.size());
  for (const sweep::Said& one : said)
    choices.push_back({{key, one.text, one.where}});
  if (choices.empty()) choices.emplace_back();
  return choices;
}

std::vector<Choice> page_tables(const Arguments& arguments, const SweepInput& input) {
  constexpr const char* kKey = "machine.page_table";
  if (!arguments.has("page-tables") && !arguments.has("pair")) {
    for (const sweep::Said& said : input.described.page_tables)
      if (pt::is_plugin_path(said.text))
        throw UsageError(said.where, fmt::format("{} is a plug-in, which is a program", said.text),
                         "name it with --page-tables if you trust it");
    return choices_of(input.described.page_tables, kKey);
  }
  std::vector<Choice> choices;
  for (const TableChoice& table : table_choices(arguments)) {
    choices.push_back(table.settings);
    choices.back().push_back({kKey, table.kind, "--page-tables"});
  }
  return choices;
}

std::vector<sweep::Axis> axes_of(const Arguments& arguments, const config::Schema& schema,
                                 const SweepInput& input) {
  std::vector<sweep::Axis> axes;
  for (const sweep::Description::Group& group : input.described.axes) {
    std::vector<std::pair<std::string, std::string>> lists;
    for (const auto& [key, said] : group)
      lists.emplace_back(key, said.text);
    axes.push_back(sweep::make_axis(schema, lists, group.front().second.where));
  }
  if (arguments.has("vary"))
    for (const std::string& text : arguments.texts("vary"))
      axes.push_back(sweep::parse_vary(schema, text, "--vary"));
  if (arguments.has("zip"))
    for (const std::string& text : arguments.texts("zip"))
      axes.push_back(sweep::parse_zip(schema, text, "--zip"));
  for (const sweep::Axis& axis : axes)
    for (const std::string& key : axis.keys) {
      const bool set = std::any_of(input.described.set.begin(), input.described.set.end(),
                                   [&](const auto& setting) { return setting.first == key; });
      if (says_key(arguments, key) || set)
        throw UsageError(axis.where, fmt::format("'{}' is varied, and set for all points", key),
                         "leave one of the two away");
      if (!arguments.has("pair")) continue;
      for (const TableChoice& table : table_choices(arguments))
        for (const Setting& setting : table.settings)
          if (setting.key == key)
            throw UsageError(axis.where,
                             fmt::format("'{}' is varied, and said by {}", key, setting.where),
                             "leave one of the two away");
    }
  return axes;
}

std::string name_of(const config::Config& config, const std::vector<sweep::Setting>& varied) {
  std::string name = fmt::format("{}/{} {}", config.text("machine.name"),
                                 config.choice("machine.page_table"), config.text("run.trace"));
  for (const sweep::Setting& setting : varied)
    name += fmt::format(" {}={}", setting.key, setting.value);
  return name;
}

}  // namespace

void declare_sweep_options(Arguments& arguments) {
  using boost::program_options::value;
  arguments.options()  //
      ("vary,v", value<Words>()->value_name("KEY=A,B,..."),
       "A key, and the values it takes; 64..4096 x2 and 4..16 +4 are ranges. May be given several "
       "times: every combination is a point.")  //
      ("zip,z", value<Words>()->value_name("\"KEY=A,B KEY=C,D\""),
       "Keys that go on together, as many values each. May be given several times.")          //
      ("machines,m", text_option("MACHINE|FILE,..."), "The machines.")                        //
      ("page-tables,p", text_option("KIND|FILE,..."),                                         //
       "The kinds of page table, or paths of plug-ins.")                                      //
      ("pair,k", value<Words>()->value_name("\"KIND KEY=VALUE ...\""),                        //
       "A page table with keys of its own, beside those of -p. May be given several times.")  //
      ("check", "Compare every translation with the page table; sets run.check.")             //
      ("limit", text_option("N"), "Stop after N instructions and events; sets run.limit.")    //
      ("accept-torn", "Replay a torn trace as far as it goes; sets run.accept_torn.");
  declare_configuration_options(arguments);
}

SweepInput sweep_input(const Arguments& arguments) {
  SweepInput input;
  std::string sweep_file;
  for (const std::string& word : arguments.texts(kSwept)) {
    if (is_script(word))
      throw UsageError(word, "a sweep replays traces, no scripts", "compare runs scripts");
    if (!word.ends_with(".cfg") && !word.ends_with(".sweep")) {
      input.traces.push_back({word, kCommandLine});
      continue;
    }
    std::string& place = word.ends_with(".sweep") ? sweep_file : input.config_file;
    if (!place.empty())
      throw UsageError(word, fmt::format("{} is there already", place),
                       "a sweep has one config, and one .sweep file");
    place = word;
  }
  if (!sweep_file.empty()) input.described = sweep::load_description(sweep_file);
  if (input.traces.empty()) input.traces = input.described.traces;
  return input;
}

SweepPoints sweep_points(const Arguments& arguments, const config::Schema& schema,
                         const SweepInput& input) {
  const auto combinations = sweep::combinations(axes_of(arguments, schema, input));
  const std::vector<Choice> traces = choices_of(input.traces, "run.trace");
  const std::vector<Choice> machines =
      choices_of(said_by(arguments, "machines", input.described.machines), "run.machine");
  const std::vector<Choice> tables = page_tables(arguments, input);
  const size_t programs = traces.size() * machines.size() * tables.size();
  if (programs > sweep::kMostPoints / combinations.size())
    throw UsageError("", fmt::format("that would be more than {} points", sweep::kMostPoints),
                     "divide it into several sweeps");
  Choice common;
  for (const auto& [key, said] : input.described.set)
    common.push_back({key, said.text, said.where});

  SweepPoints result;
  std::set<std::string> told;  // once of all points that cannot be for the same reason
  const auto add = [&](Choice settings, const std::vector<sweep::Setting>& varied) {
    for (const sweep::Setting& setting : varied)
      settings.push_back({setting.key, setting.value, "the sweep"});
    try {
      config::Config config = simulation_config(arguments, schema, settings, input.config_file);
      sweep::Point point{
          .varied = varied, .name = {}, .config = std::move(config), .trace = {}, .id = {}};
      point.name = name_of(point.config, varied);
      point.trace = file_named_by(point.config, "run.trace");
      result.points.push_back(std::move(point));
    } catch (const UsageError& why) {
      if (varied.empty()) throw;  // it is not what varies that is wrong
      ++result.impossible;
      if (told.insert(why.what()).second) error(why.what());
    }
  };
  for (const Choice& trace : traces)
    for (const Choice& machine : machines)
      for (const Choice& table : tables)
        for (const std::vector<sweep::Setting>& varied : combinations) {
          Choice settings = common;
          for (const Choice* const part : {&trace, &machine, &table})
            settings.insert(settings.end(), part->begin(), part->end());
          add(std::move(settings), varied);
        }
  return result;
}

}  // namespace mmusim::cli
