// From a command line to a configuration: which keys there are, which files and options set them,
// and what is refused.
#ifndef MMUSIM_CLI_CONFIGURATION_H_
#define MMUSIM_CLI_CONFIGURATION_H_

#include <string>
#include <vector>

#include "cli/arguments.h"
#include "config/schema.h"

namespace mmusim::cli {

// --allow-plugins, which every command has that reads config files.
void declare_configuration_options(Arguments& arguments);
// ... and those that say which machine is simulated.
void declare_machine_options(Arguments& arguments);

// Every key: the simulation's, run.machine, which names the machine file, and those of the page
// tables that are plug-ins. To know those, it takes a first look at `words` and at the files they
// name; `arguments` says what options there are. Errors: UsageError.
config::Schema simulation_schema(const Arguments& arguments, const Words& words);

// The same with the keys of these plug-ins, and no look at anything.
config::Schema simulation_schema_with(const Words& plugins);

// A key a command sets itself, and the option its value comes from.
struct Setting {
  std::string key;
  std::string value;
  std::string where;
};

// A page table as a command names several: by --page-tables, or by --pair with keys of its own.
struct TableChoice {
  std::string name;  // for people: the kind, or what --pair calls it
  std::string kind;
  std::vector<Setting> settings;
};
// In the order given, those of --page-tables first; mlpt where there are none of either. Errors:
// UsageError for a --pair that cannot be read.
std::vector<TableChoice> table_choices(const Arguments& arguments);

// Whether the command line says a key's value, by the key's own name or by another (--limit).
bool says_key(const Arguments& arguments, const std::string& key);

// Whether a file that could be a trace (.mmt) or a workload script (.workload) is the latter.
bool is_script(const std::string& path);

// An argument that is one of them.
inline constexpr const char* kRunnable = "TRACE|SCRIPT|CONFIG";

// The configuration: defaults, under the machine file, under `config_file` or else the argument
// CONFIG (if there is one), under the argument TRACE (run.trace), under `settings`, under the
// command line. kRunnable is a CONFIG if its ending is .cfg, and no part of it if it is a script. A
// plug-in's path in a file is replaced by where the plug-in was found. Errors: UsageError, also for
// a key given twice (--check and
// --run.check), or by a --pair and something else, and for a plug-in a file names without
// --allow-plugins.
config::Config simulation_config(const Arguments& arguments, const config::Schema& schema,
                                 const std::vector<Setting>& settings = {},
                                 std::string config_file = "");

// Errors: UsageError where somebody set a key that none of these runs reads.
void refuse_unread_keys(const std::vector<const config::Config*>& runs);

// The file that is the value of a key: one named in a config file may lie beside that file, or be
// one of those shipped; a trace's name will do. Errors: UsageError for a name of none.
std::string file_named_by(const config::Config& config, const char* key);

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_CONFIGURATION_H_
