#include "cli/simulate.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <iterator>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/output_file.h"
#include "cli/config_files.h"
#include "cli/log.h"
#include "cli/output.h"
#include "cli/refusals.h"
#include "cli/version.h"
#include "pt/plugin.h"
#include "report/replay_table.h"
#include "sim/simulation.h"
#include "stats/results.h"

namespace mmusim::cli {
namespace po = boost::program_options;
namespace fs = std::filesystem;
namespace {

constexpr const char* kMachineKey = "run.machine";
constexpr const char* kPageTableKey = "machine.page_table";
constexpr const char* kTraceKey = "run.trace";

// The folder of -o, made if need be, and taken away again if nothing comes of it.
class ResultFolder {
 public:
  explicit ResultFolder(std::string path) : path_(std::move(path)) {
    std::error_code error;
    made_ = fs::create_directories(path_, error);
    if (error) throw Error(path_, fmt::format("cannot make the folder: {}", error.message()));
  }
  ~ResultFolder() {
    std::error_code ignored;
    if (made_ && !kept_) fs::remove(path_, ignored);  // only if empty
  }
  ResultFolder(const ResultFolder&) = delete;
  ResultFolder& operator=(const ResultFolder&) = delete;
  void keep() { kept_ = true; }
  [[nodiscard]] std::string file(const char* name) const {
    return (fs::path(path_) / name).string();
  }

 private:
  std::string path_;
  bool made_ = false;
  bool kept_ = false;
};

// All files of one run. They are created before it, so that a mistyped name does not cost hours,
// and written after it.
class ResultFiles {
 public:
  explicit ResultFiles(const Arguments& arguments) {
    if (arguments.has("output")) {
      folder_.emplace(arguments.text("output"));
      table_ = open(folder_->file("table.txt"));
      effective_ = open(folder_->file("effective.cfg"));
      json_.push_back(open(folder_->file("results.json")));
    }
    if (arguments.has("json")) {
      json_to_stdout_ = arguments.text("json") == "-";
      if (!json_to_stdout_) json_.push_back(open(arguments.text("json")));
    }
    if (arguments.has("csv")) csv_ = open(arguments.text("csv"));
  }

  void write(const std::string& table, const std::string& effective, const std::string& json,
             const std::string& csv) {
    for (const auto& file : json_)
      file->write(json);
    if (table_) table_->write(table);
    if (effective_) effective_->write(effective);
    if (csv_) csv_->write(csv);
    for (const auto& file : json_)
      file->commit();
    for (OutputFile* file : {table_.get(), effective_.get(), csv_.get()}) {
      if (file != nullptr) file->commit();
    }
    if (folder_) folder_->keep();
    print(json_to_stdout_ ? json : table);
  }

 private:
  static std::unique_ptr<OutputFile> open(const std::string& path) {
    return std::make_unique<OutputFile>(path);
  }

  std::optional<ResultFolder> folder_;  // first: it goes last, when its files are gone
  std::unique_ptr<OutputFile> table_;
  std::unique_ptr<OutputFile> effective_;
  std::vector<std::unique_ptr<OutputFile>> json_;
  std::unique_ptr<OutputFile> csv_;
  bool json_to_stdout_ = false;
};

// The options that are other names of keys.
void apply_short_options(const Arguments& arguments, config::Config& config) {
  static constexpr std::pair<const char*, const char*> kTexts[] = {
      {"machine", kMachineKey}, {"page-table", kPageTableKey}, {"limit", "run.limit"}};
  static constexpr std::pair<const char*, const char*> kFlags[] = {
      {"check", "run.check"}, {"accept-torn", "run.accept_torn"}};
  for (const auto& [option, key] : kTexts) {
    if (arguments.has(option)) {
      config.set(key, arguments.text(option), fmt::format("--{}", option));
    }
  }
  for (const auto& [option, key] : kFlags) {
    if (arguments.has(option)) config.set(key, "true", fmt::format("--{}", option));
  }
}

// A file that is the value of a key. One named in a config file may lie beside that file, or be one
// of those shipped.
std::string path_named_by(const config::Config& config, const char* key, const std::string& path) {
  const std::string& origin = config.origin(key);
  const size_t colon = origin.rfind(':');
  if (colon == std::string::npos) return path;  // from the command line
  return find_data_file(path, fs::path(origin.substr(0, colon)).parent_path().string());
}

// Makes machine.page_table the path where the plug-in is, if it is one.
void find_plugin(config::Config& config) {
  const std::string& name = config.choice(kPageTableKey);
  if (!pt::is_plugin_path(name)) return;
  const std::string origin = config.origin(kPageTableKey);
  const std::string path = path_named_by(config, kPageTableKey, name);
  config.set(kPageTableKey, pt::is_plugin_path(path) ? path : "./" + path, origin);
}

config::Schema schema_with(const std::vector<std::string>& plugins) {
  config::Schema schema;
  schema.text(kMachineKey, "",
              "The machine: the name of a file in configs/machines, or a path. Its keys are set "
              "before those of the config and the command line.");
  sim::declare(schema, plugins);
  return schema;
}

report::Heading heading_of(const config::Config& config, const sim::ReplayResult& result) {
  report::Heading h;
  h.machine = config.text("machine.name");
  h.arch = config.choice("machine.arch");
  h.page_table = config.choice(kPageTableKey);
  h.trace = config.text("run.trace");
  h.program = result.header.program;
  h.isa = result.header.isa;
  h.checked = config.flag("run.check");
  if (result.stopped) h.note = "stopped at run.limit, before the end of the trace";
  if (result.torn) h.note = "the trace is torn; replayed up to its last whole chunk";
  return h;
}

}  // namespace

void declare_simulation_options(Arguments& arguments) {
  arguments.options()                                                          //
      ("machine,m", text_option("NAME|FILE"),                                  //
       "The machine to simulate ('mmusim list machines'); sets run.machine.")  //
      ("page-table,p", text_option("KIND|FILE"),                               //
       "The kernel's page table ('mmusim list page-tables'), or the path "     //
       "of a plug-in; sets machine.page_table.")                               //
      ("check",
       "Compare every translation with the page table, and every TLB "                 //
       "entry after every event; sets run.check.")                                     //
      ("limit", text_option("N"),                                                      //
       "Stop after about N instructions; sets run.limit.")                             //
      ("accept-torn", "Replay a torn trace as far as it goes; sets run.accept_torn.")  //
      ("output,o", text_option("DIR"),                                                 //
       "Write results.json, effective.cfg and table.txt into this folder.")            //
      ("json", text_option("FILE"),                                                    //
       "Write the whole result as JSON; - for stdout, in place of the table.")         //
      ("csv", text_option("FILE"), "Write the counters as comma-separated values.")    //
      ("print-config", "Print the effective configuration and stop.")                  //
      ("quiet,q", "No progress on stderr.");
}

config::Schema simulation_schema(const Arguments& arguments, const Words& words) {
  config::Schema known = schema_with({});
  known.pass_over("pt.");
  Arguments look = arguments;
  look.keys(known);
  look.look(words);
  const std::vector<std::string> names =
      look.has("page-tables") ? look.list("page-tables")
                              : std::vector{simulation_config(look, known).choice(kPageTableKey)};
  std::vector<std::string> plugins;
  std::copy_if(names.begin(), names.end(), std::back_inserter(plugins), pt::is_plugin_path);
  return schema_with(plugins);
}

config::Config simulation_config(const Arguments& arguments, const config::Schema& schema,
                                 const std::vector<Setting>& settings) {
  std::string config_file;
  if (arguments.has("CONFIG"))
    config_file = find_config_file("experiments", arguments.text("CONFIG"), "CONFIG");
  const auto layers = [&](config::Config& config) {
    if (!config_file.empty()) config.load(config_file);
    if (arguments.has("TRACE")) config.set(kTraceKey, arguments.text("TRACE"), "the command line");
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
    config.load(find_config_file("machines", machine, named.origin(kMachineKey)));
  }
  layers(config);
  find_plugin(config);
  return config;
}

stats::Provenance provenance_of(const config::Config& config, const Words& page_tables) {
  const Version v = version();
  stats::Provenance p;
  p.version = v.number;
  p.commit = v.commit;
  p.build_type = v.build_type;
  p.compiler = v.compiler;
  p.trace = config.text(kTraceKey);
  for (const std::string& name : page_tables)
    if (pt::is_plugin_path(name))
      p.plugins.push_back(
          {.path = name, .name = pt::load_plugin(name).name, .hash = pt::plugin_hash(name)});
  return p;
}

stats::Provenance provenance_of(const config::Config& config) {
  return provenance_of(config, Words{config.choice(kPageTableKey)});
}

stats::Provenance provenance_of(const config::Config& config, const sim::ReplayResult& result) {
  stats::Provenance p = provenance_of(config);
  p.trace_hash = result.trace_hash;
  p.trace_isa = result.header.isa;
  p.trace_program = result.header.program;
  p.trace_recorder = result.header.recorder;
  p.torn = result.torn;
  p.stopped = result.stopped;
  return p;
}

bool is_script(const std::string& path) {
  return path.ends_with(".workload");
}

sim::workload::Plan load_plan(const std::string& path) {
  return sim::workload::unroll(sim::workload::load(path));
}

sim::ReplayResult replay_with_progress(const config::Config& config, const std::string& title,
                                       bool quiet) {
  config::Config resolved = config;
  resolved.set(kTraceKey, path_named_by(config, kTraceKey, config.text(kTraceKey)),
               config.origin(kTraceKey));
  const sim::ReplayResult result = with_progress(
      title, quiet,
      [&](const sim::ReplayOptions& options) { return sim::replay(resolved, options); });
  if (result.torn) {
    warn(fmt::format("{}: the trace is torn; replayed up to its last whole chunk",
                     config.text("run.trace")));
  }
  return result;
}

void simulate(const Arguments& arguments, const config::Config& config) {
  if (arguments.has("print-config")) {
    print(config.effective());
    return;
  }
  ResultFiles files(arguments);
  const sim::ReplayResult result = replay_with_progress(
      config, fmt::format("replaying {}", config.text("run.trace")), arguments.has("quiet"));
  files.write(report::replay_table(heading_of(config, result), result.report), config.effective(),
              stats::results_json(provenance_of(config, result), config, result.report),
              stats::counters_csv(result.report));
  Refusals refusals(Refusals::Of::Trace);
  refusals.look(config.text("run.trace"), result.report);
  refusals.answer(config.flag("run.check"));
}

}  // namespace mmusim::cli
