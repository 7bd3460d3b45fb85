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
#include "base/host_heap.h"
#include "base/interrupt.h"
#include "base/output_file.h"
#include "base/units.h"
#include "cli/documents.h"
#include "cli/log.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/refusals.h"
#include "cli/version.h"
#include "pt/plugin.h"
#include "report/replay_table.h"
#include "sim/machine_options.h"
#include "sim/simulation.h"
#include "stats/results.h"
#include "trace/reader.h"

namespace mmusim::cli {
namespace po = boost::program_options;
namespace fs = std::filesystem;
namespace {

constexpr const char* kPageTableKey = "machine.page_table";
constexpr const char* kTraceKey = "run.trace";

// The folder of -o, made if need be, and taken away again if nothing comes of it.
class ResultFolder {
 public:
  explicit ResultFolder(std::string path) : path_(std::move(path)) {
    std::error_code error;
    made_ = fs::create_directories(path_, error);
    if (error) throw Error(path_, fmt::format("cannot make the folder: {}", error.message()));
    if (made_) doomed_.emplace(path_);
  }
  ~ResultFolder() {
    std::error_code ignored;
    if (made_ && !kept_) fs::remove(path_, ignored);  // only if empty
  }
  ResultFolder(const ResultFolder&) = delete;
  ResultFolder& operator=(const ResultFolder&) = delete;
  void keep() {
    kept_ = true;
    doomed_.reset();
  }
  [[nodiscard]] std::string file(const char* name) const {
    return (fs::path(path_) / name).string();
  }

 private:
  std::string path_;
  bool made_ = false;
  bool kept_ = false;
  std::optional<RemovedWhenInterrupted> doomed_;
};

// All files of one run. They are created before it, so that a mistyped name does not cost hours,
// and written after it.
class ResultFiles {
 public:
  explicit ResultFiles(const Arguments& arguments)
      : folder_(arguments.has("output")
                    ? std::optional<ResultFolder>(std::in_place, arguments.text("output"))
                    : std::optional<ResultFolder>()),
        documents_(arguments) {
    if (folder_) {
      table_ = open(folder_->file("table.txt"));
      effective_ = open(folder_->file("effective.cfg"));
      results_ = open(folder_->file("results.json"));
    }
  }

  void write(const std::string& table, const std::string& effective, const std::string& json,
             const stats::Report& report) {
    if (results_) results_->write(json);
    if (table_) table_->write(table);
    if (effective_) effective_->write(effective);
    documents_.fill([&] { return json; }, [&] { return stats::counters_csv(report); });
    documents_.fill_intervals([&] { return stats::intervals_csv(*report.intervals()); });
    for (OutputFile* file : {results_.get(), table_.get(), effective_.get()}) {
      if (file != nullptr) file->commit();
    }
    documents_.commit();
    if (folder_) folder_->keep();
    documents_.print_or(table);
  }

 private:
  static std::unique_ptr<OutputFile> open(const std::string& path) {
    return std::make_unique<OutputFile>(path);
  }

  std::optional<ResultFolder> folder_;  // first: it goes last, when its files are gone
  std::unique_ptr<OutputFile> table_;
  std::unique_ptr<OutputFile> effective_;
  std::unique_ptr<OutputFile> results_;
  Documents documents_;
};

report::Heading heading_of(const config::Config& config, const sim::ReplayResult& result) {
  report::Heading h;
  const sim::MachineOptions machine = sim::MachineOptions::from(config);
  h.machine = machine.name;
  h.arch = machine.arch;
  h.page_table = machine.page_table;
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
  declare_machine_options(arguments);
  Documents::declare(arguments, "the whole result", "the counters, a row each");
  Documents::declare_page(arguments);
  arguments.options()  //
      ("csv-intervals", text_option("FILE"),
       "With run.interval: write the counters of each interval, a row each, as comma-separated "
       "values; - for stdout.")  //
      ("check",
       "Compare every translation with the page table, and every TLB "                 //
       "entry after every event; sets run.check.")                                     //
      ("limit", text_option("N"),                                                      //
       "Stop after N instructions and events; sets run.limit.")                        //
      ("accept-torn", "Replay a torn trace as far as it goes; sets run.accept_torn.")  //
      ("output,o", text_option("DIR"),                                                 //
       "Write results.json, effective.cfg and table.txt into this folder.")            //
      ("print-config", "Print the effective configuration and stop.")                  //
      ("quiet,q", "No progress on stderr.");
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

stats::Provenance provenance_of(const config::Config& config, const sim::Replayed& replayed) {
  stats::Provenance p = provenance_of(config);
  p.trace_hash = replayed.trace_hash;
  p.trace_isa = replayed.header.isa;
  p.trace_program = replayed.header.program;
  p.trace_recorder = replayed.header.recorder;
  p.torn = replayed.torn;
  p.stopped = replayed.stopped;
  p.chunks_whole = replayed.streams.chunks[static_cast<size_t>(trace::References::All)];
  p.chunks_pages = replayed.streams.chunks[static_cast<size_t>(trace::References::Any)];
  p.chunks_sets = replayed.streams.chunks[static_cast<size_t>(trace::References::Sets)];
  p.page_fallbacks = replayed.streams.fallbacks;
  p.chunks_lacking = replayed.streams.lacking;
  return p;
}

sim::workload::Plan load_plan(const std::string& path) {
  return sim::workload::unroll(sim::workload::load(path));
}

namespace {

// With run.trace as the path where the trace was found.
config::Config resolved_of(const config::Config& config) {
  config::Config resolved = config;
  resolved.set(kTraceKey, file_named_by(config, kTraceKey), config.origin(kTraceKey));
  return resolved;
}

void warn_of_torn(const config::Config& config, const sim::ReplayResult& result) {
  if (result.torn)
    warn(fmt::format("{}: the trace is torn; replayed up to its last whole chunk",
                     config.text(kTraceKey)));
}

// Of a trace that takes a while.
void tell_of_prepare(const config::Config& config, const sim::ReplayResult& result) {
  constexpr uint64_t kAWhile = 100'000'000;  // references
  if (result.streams.lacking == 0 || result.totals.references() < kAWhile) return;
  note(
      fmt::format("{}: of {} {} lack the page streams that this machine could do with; "
                  "'mmusim trace prepare' adds them where they take little room",
                  config.text(kTraceKey), format_counted(result.streams.all_chunks(), "chunk"),
                  format_count(result.streams.lacking)));
}

}  // namespace

unsigned jobs_of(const Arguments& arguments) {
  constexpr uint64_t kMostJobs = 1024;
  return static_cast<unsigned>(arguments.number("jobs", sim::host_cores(), 1, kMostJobs));
}

std::vector<sim::ReplayOutcome> replay_all_with_progress(
    const std::vector<const config::Config*>& configs, unsigned jobs, bool quiet) {
  std::vector<config::Config> resolved;
  resolved.reserve(configs.size());
  std::vector<const config::Config*> each;
  for (const config::Config* const config : configs) {
    resolved.push_back(resolved_of(*config));
    each.push_back(&resolved.back());
  }
  report::Progress progress(
      fmt::format("{} runs", configs.size()), "references",
      quiet ? report::Progress::Style::None : report::Progress::style_for_stderr());
  std::vector<sim::ReplayOutcome> outcomes(configs.size());
  sim::AllOptions options;
  options.jobs = jobs;
  options.done = [&](size_t i, sim::ReplayOutcome&& outcome) { outcomes[i] = std::move(outcome); };
  options.progress = [&](const sim::AllProgress& now) {
    progress.update(now.bytes_done, now.bytes_total, now.references);
  };
  prefer_huge_heap();
  sim::replay_all(each, options);
  for (size_t i = 0; i < configs.size(); ++i)
    if (outcomes[i].result) warn_of_torn(*configs[i], *outcomes[i].result);
  return outcomes;
}

sim::ReplayResult replay_with_progress(const config::Config& config, const std::string& title,
                                       bool quiet, sim::Profiler* profiler) {
  const config::Config resolved = resolved_of(config);
  sim::ReplayResult result = with_progress(title, quiet, [&](sim::ReplayOptions& options) {
    options.profiler = profiler;
    return sim::replay(resolved, options);
  });
  warn_of_torn(config, result);
  return result;
}

void simulate(const Arguments& arguments, const config::Config& config) {
  if (arguments.has("print-config")) {
    print(config.effective());
    return;
  }
  refuse_unread_keys({&config});
  if (arguments.has("csv-intervals") && config.count("run.interval") == 0)
    throw UsageError("--csv-intervals", "there are no intervals", "run.interval=N makes some");
  arguments.refuse_outputs_over({file_named_by(config, kTraceKey)});
  ResultFiles files(arguments);
  const sim::ReplayResult result = replay_with_progress(
      config, fmt::format("replaying {}", config.text("run.trace")), arguments.has("quiet"));
  if (!arguments.has("quiet")) tell_of_prepare(config, result);
  files.write(report::replay_table(heading_of(config, result), result.report), config.effective(),
              stats::results_json(provenance_of(config, result), config, result.report),
              result.report);
  Refusals refusals(Refusals::Of::Trace);
  refusals.look(config.text("run.trace"), result.report);
  refusals.answer(config.flag("run.check"));
}

}  // namespace mmusim::cli
