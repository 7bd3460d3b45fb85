// From a command line to a configuration.
#include "cli/configuration.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <iterator>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "cli/names.h"
#include "config/nearest.h"
#include "pt/plugin.h"
#include "sim/simulation.h"

namespace mmusim::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* kMachineKey = "run.machine";
constexpr const char* kPageTableKey = "machine.page_table";
constexpr const char* kTraceKey = "run.trace";

// Options that are other names of keys, and what a flag among them means.
constexpr struct {
  const char* option;
  const char* key;
  const char* value;  // null: the option's own
} kShortOptions[] = {
    {"machine", kMachineKey, nullptr},
    {"machines", kMachineKey, nullptr},
    {"page-table", kPageTableKey, nullptr},
    {"page-tables", kPageTableKey, nullptr},
    {"limit", "run.limit", nullptr},
    {"check", "run.check", "true"},
    {"accept-torn", "run.accept_torn", "true"},
};

void apply_short_options(const Arguments& arguments, config::Config& config) {
  for (const auto& [option, key, value] : kShortOptions) {
    if (!arguments.has(option)) continue;
    const std::string name = fmt::format("--{}", option);
    if (arguments.has(key))
      throw UsageError(name, fmt::format("the same is said by --{}", key), "give one of the two");
    if (std::string_view(option).ends_with('s')) continue;  // several: the command sets them
    config.set(key, value != nullptr ? value : arguments.text(option), name);
  }
}

constexpr const char* kPair = "--pair";

// Whether a key's value comes from a file; then that file's folder.
std::optional<std::string> folder_of(const std::string& origin) {
  const size_t colon = origin.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  return fs::path(origin.substr(0, colon)).parent_path().string();
}

// Makes machine.page_table the path where the plug-in is, if it is one. A plug-in is code, and a
// file may be a stranger's.
void find_plugin(const Arguments& arguments, config::Config& config) {
  const std::string& name = config.choice(kPageTableKey);
  if (!pt::is_plugin_path(name)) return;
  const std::string origin = config.origin(kPageTableKey);
  if (folder_of(origin) && !arguments.has("allow-plugins"))
    throw UsageError(origin, fmt::format("wants the plug-in {} loaded, which is a program", name),
                     "give --allow-plugins if you trust it, or name it with --page-table");
  const std::string path = file_named_by(config, kPageTableKey);
  config.set(kPageTableKey, pt::is_plugin_path(path) ? path : "./" + path, origin);
}

std::string machine_file(const config::Config& config) {
  const std::string& machine = config.text(kMachineKey);
  return machine.empty() ? "" : find_named("MACHINE", machine, config.origin(kMachineKey));
}

// Whether whoever set the key expects it to matter: a machine file may say things for page tables
// that are not used now, and an effective configuration gives every key its default.
bool meant(const config::Config& config, const config::Key& key, const std::string& machine) {
  const std::string& origin = config.origin(key.name);
  if (origin == "default" || (!machine.empty() && origin.starts_with(machine + ":"))) return false;
  return origin.starts_with("--") || config.value_text(key.name) != key.default_value;
}

}  // namespace

void declare_configuration_options(Arguments& arguments) {
  arguments.options()("allow-plugins",
                      "Load the page table that a config file names by its path. It is a program; "
                      "without this only the command line may name one.");
}

void declare_machine_options(Arguments& arguments) {
  declare_configuration_options(arguments);
  arguments.options()                                                          //
      ("machine,m", text_option("MACHINE|FILE"),                               //
       "The machine to simulate ('mmusim list machines'); sets run.machine.")  //
      ("page-table,p", text_option("KIND|FILE"),                               //
       "The kernel's page table ('mmusim list page-tables'), or the path "     //
       "of a plug-in; sets machine.page_table.");
}

std::string file_named_by(const config::Config& config, const char* key) {
  const std::string& word = config.value_text(key);
  const std::string path = key == std::string_view(kTraceKey) && !word.empty()
                               ? find_named("TRACE", word, config.place_of(key))
                               : word;
  const std::optional<std::string> folder = folder_of(config.origin(key));
  return folder ? find_data_file(path, *folder) : path;
}

config::Schema simulation_schema_with(const Words& plugins) {
  config::Schema schema;
  schema.text(kMachineKey, "",
              "The machine: the name of a file in configs/machines, or a path. Its keys are set "
              "before those of the config and the command line.");
  sim::declare(schema, plugins);
  return schema;
}

config::Schema simulation_schema(const Arguments& arguments, const Words& words) {
  config::Schema known = simulation_schema_with({});
  known.pass_over("pt.");
  Arguments look = arguments;
  look.keys(known);
  look.look(words);
  std::vector<std::string> names;
  if (look.has("page-tables") || look.has("pair")) {
    for (const TableChoice& choice : table_choices(look))
      names.push_back(choice.kind);
  } else {
    names.push_back(simulation_config(look, known).choice(kPageTableKey));
  }
  std::vector<std::string> plugins;
  std::copy_if(names.begin(), names.end(), std::back_inserter(plugins), pt::is_plugin_path);
  return simulation_schema_with(plugins);
}

namespace {

// "KIND KEY=VALUE ...", or "NAME: KIND KEY=VALUE ...".
TableChoice parse_pair(const std::string& text) {
  std::istringstream words(text);
  TableChoice choice;
  words >> choice.kind;
  if (choice.kind.ends_with(':')) {
    choice.name = choice.kind.substr(0, choice.kind.size() - 1);
    choice.kind.clear();
    words >> choice.kind;
  } else {
    choice.name = text;
  }
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos)
      throw UsageError(kPair, fmt::format("'{}' is no KEY=VALUE", word),
                       "as in \"gpt paging.walk=native\"");
    choice.settings.push_back({word.substr(0, equals), word.substr(equals + 1), kPair});
  }
  if (choice.kind.empty() || choice.name.empty())
    throw UsageError(kPair, fmt::format("'{}' names no page table", text),
                     "as in \"gpt paging.walk=native\"");
  return choice;
}

}  // namespace

std::vector<TableChoice> table_choices(const Arguments& arguments) {
  std::vector<TableChoice> choices;
  if (arguments.has("page-tables"))
    for (const std::string& kind : arguments.list("page-tables"))
      choices.push_back({kind, kind, {}});
  if (arguments.has("pair"))
    for (const std::string& text : arguments.texts("pair"))
      choices.push_back(parse_pair(text));
  if (choices.empty()) choices.push_back({"mlpt", "mlpt", {}});
  return choices;
}

bool is_script(const std::string& path) {
  return path.ends_with(".workload");
}

bool says_key(const Arguments& arguments, const std::string& key) {
  return arguments.has(key) ||
         std::any_of(std::begin(kShortOptions), std::end(kShortOptions),
                     [&](const auto& one) { return key == one.key && arguments.has(one.option); });
}

namespace {

// A run is called by what its --pair says, so that nothing else may say it.
void refuse_overridden_pairs(const Arguments& arguments, const std::vector<Setting>& settings) {
  for (const Setting& pair : settings) {
    if (pair.where != kPair) continue;
    for (const Setting& other : settings)
      if (&other != &pair && other.key == pair.key && !folder_of(other.where))
        throw UsageError(kPair,
                         other.where == kPair
                             ? fmt::format("'{}' is there twice", pair.key)
                             : fmt::format("'{}' is said by {}, too", pair.key, other.where),
                         "leave one of the two away");
    if (says_key(arguments, pair.key))
      throw UsageError(kPair, fmt::format("'{}' is set for all runs, too", pair.key),
                       "leave one of the two away");
  }
}

}  // namespace

config::Config simulation_config(const Arguments& arguments, const config::Schema& schema,
                                 const std::vector<Setting>& settings, std::string config_file) {
  refuse_overridden_pairs(arguments, settings);
  if (arguments.has("CONFIG")) config_file = arguments.text("CONFIG");
  std::string trace;
  if (arguments.has("TRACE")) trace = arguments.text("TRACE");
  if (arguments.has(kRunnable)) {
    const std::string& path = arguments.text(kRunnable);
    if (!is_script(path)) (path.ends_with(".cfg") ? config_file : trace) = path;
  }
  const auto layers = [&](config::Config& config) {
    if (!config_file.empty()) config.load(config_file);
    if (!trace.empty()) config.set(kTraceKey, trace, "the command line");
    for (const Setting& setting : settings)
      config.set(setting.key, setting.value, setting.where);
    apply_short_options(arguments, config);
    arguments.apply_keys(config);
  };
  config::Config named(schema);  // only to find out which machine is meant
  layers(named);
  const std::string& machine = named.text(kMachineKey);
  config::Config config(schema);
  if (!machine.empty()) {
    config.load(find_named("MACHINE", machine, named.origin(kMachineKey)));
  }
  layers(config);
  find_plugin(arguments, config);
  return config;
}

void refuse_unread_keys(const std::vector<const config::Config*>& runs) {
  std::set<std::string> read;  // by any run
  std::set<std::pair<std::string, std::string>> seen;
  for (const config::Config* run : runs) {
    // Which keys are read is a matter of these two alone.
    if (!seen.emplace(run->choice("machine.arch"), run->choice(kPageTableKey)).second) continue;
    for (const config::Key* key : sim::keys_read(*run))
      read.insert(key->name);
  }
  for (const config::Config* run : runs) {
    const std::string machine = machine_file(*run);
    for (const config::Key& key : run->schema().keys()) {
      if (read.count(key.name) != 0 || !meant(*run, key, machine)) continue;
      const std::string nearest =
          config::nearest(key.name, std::vector<std::string>(read.begin(), read.end()));
      const std::string& name = run->text(kMachineKey);
      throw UsageError(run->origin(key.name),
                       fmt::format("'{}' means nothing to machine {} with page table {}", key.name,
                                   run->text("machine.name"), run->choice(kPageTableKey)),
                       fmt::format("the nearest it reads is '{}'; 'mmusim list keys{}' has all",
                                   nearest, name.empty() ? "" : " --machine " + name));
    }
  }
}

}  // namespace mmusim::cli
