// profile: where a run's TLB misses, walks and faults come from.
#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/command.h"
#include "cli/documents.h"
#include "cli/log.h"
#include "cli/refusals.h"
#include "cli/simulate.h"
#include "config/nearest.h"
#include "report/data_writers.h"
#include "report/profile_table.h"
#include "sim/machine_options.h"
#include "sim/profile/profiler.h"
#include "sim/relocation/trace_source.h"
#include "sim/workload/plan.h"
#include "sim/workload/script_config.h"
#include "sim/workload/simulate.h"
#include "symbols/symbols.h"
#include "trace/reader.h"

namespace mmusim::cli {
namespace {

constexpr const char* kProfileText =
    "Replays a trace and says where its TLB misses, walks and faults come from: by process, by "
    "mapping (file or segment), by function, by page and by instruction. All that is counted is in "
    "the tables: "
    "sums are the counters of the same run by 'replay', and what a system call makes by itself "
    "is a row [call: ...]. Addresses are the recording's, wherever the machine has them.\n\n"
    "Names of functions are those of the files that were recorded, as far as their build ids say: "
    "a file that is another one now has none, and that is said. Recordings have build ids, and "
    "imports of perf script's and those that were told where the files are (trace import --files); "
    "of others a file goes by its path, and that is said too. drmemtrace names files where it has "
    "left its modules.log.\n\n"
    "A workload script is run as by 'workload simulate': its mappings are the segments it names, "
    "addresses the machine's, and there are no instructions to tell apart.";

constexpr unsigned kOfInstructions = sim::kByFunction | sim::kByPc;

template <class Value, class Entries>
Value one_of(const char* option, const std::string& word, const Entries& entries) {
  std::vector<std::string> names;
  for (const auto& [name, value] : entries) {
    if (word == name) return value;
    names.emplace_back(name);
  }
  const std::string hint = config::suggestion(word, names);
  throw UsageError(fmt::format("--{}", option),
                   fmt::format("'{}' is none of {}", word.substr(0, 100), fmt::join(names, ", ")),
                   hint);
}

// Sets of ProfileBy: those of --sort, or each alone.
std::vector<unsigned> tables_of(const Arguments& arguments, bool script) {
  if (!arguments.has("sort")) {
    if (script) return {sim::kByProcess, sim::kByMapping, sim::kByPage};
    return {sim::kByProcess, sim::kByMapping, sim::kByFunction, sim::kByPage};
  }
  std::vector<std::pair<const char*, sim::ProfileBy>> entries;
  entries.reserve(sim::kProfileBys.size());
  for (const auto& [by, name] : sim::kProfileBys)
    entries.emplace_back(name, by);
  std::vector<unsigned> tables;
  for (const std::string& list : arguments.texts("sort")) {
    unsigned by = 0;
    for (size_t at = 0; at <= list.size();) {
      const size_t end = std::min(list.find(',', at), list.size());
      const auto one = one_of<sim::ProfileBy>("sort", list.substr(at, end - at), entries);
      if ((by & one) != 0)
        throw UsageError("--sort", fmt::format("{} is there twice in '{}'",
                                               list.substr(at, end - at), list.substr(0, 100)));
      if (script && (one & kOfInstructions) != 0)
        throw UsageError("--sort", fmt::format("a script has no instructions, and so no {}",
                                               list.substr(at, end - at)));
      by |= one;
      at = end + 1;
    }
    if (std::find(tables.begin(), tables.end(), by) != tables.end())
      throw UsageError("--sort", fmt::format("'{}' is there twice", list.substr(0, 100)));
    tables.push_back(by);
  }
  return tables;
}

report::ProfileHeading heading_of_machine(const config::Config& config) {
  const sim::MachineOptions machine = sim::MachineOptions::from(config);
  report::ProfileHeading heading;
  heading.machine = machine.name;
  heading.arch = machine.arch;
  heading.page_table = machine.page_table;
  return heading;
}

// Asks for every function there is, so that all there is to say of symbols is said. Files that are
// not the recorded ones are warnings too: not every table has room for what is said.
std::vector<std::string> symbols_said(const sim::Profile& profile,
                                      const report::FunctionNames& functions,
                                      const symbols::Symbols& symbols) {
  for (const sim::ProfileTable& table : profile.tables)
    if ((table.by & sim::kByFunction) != 0)
      for (const auto& [key, counts] : table.rows)
        if (key.code != sim::ProfileKey::kNone)
          static_cast<void>(functions(profile.mappings[key.code], key.offset));
  std::vector<std::string> said;
  for (const symbols::Symbols::Remark& remark : symbols.remarks()) {
    if (remark.other) warn(remark.text);
    said.push_back(remark.text);
  }
  return said;
}

// What is asked for, of a trace or a script.
struct Wanted {
  const Arguments& arguments;
  const config::Config& config;
  const std::vector<unsigned>& tables;
  report::ProfileView view;
};

void write_profile(const Wanted& wanted, const report::ProfileHeading& heading,
                   const sim::Profile& profile, const stats::Provenance& provenance,
                   Documents& documents) {
  documents.write(
      [&] {
        return report::json_of(report::profile_document(heading, profile, wanted.view), provenance,
                               wanted.config);
      },
      [&] { return report::csv_of(report::profile_rows(profile, wanted.view)); },
      [&] {
        constexpr uint64_t kTop = 10;
        report::ProfileView people = wanted.view;
        if (!people.top) people.top = kTop;
        return report::profile_text(heading, profile, people);
      });
}

void profile_of_trace(Wanted& wanted, Documents& documents) {
  const auto& [arguments, config, tables, view] = wanted;
  sim::TraceSource::require_named(config);
  const std::string trace = file_named_by(config, "run.trace");
  symbols::Symbols symbols(arguments.has("symbols") ? arguments.texts("symbols") : Words(),
                           trace::Reader(trace, {.accept_torn = true}).header().isa, trace);
  sim::Profiler profiler(tables);
  const sim::ReplayResult result =
      replay_with_progress(config, fmt::format("profiling {}", config.text("run.trace")),
                           arguments.has("quiet"), &profiler);
  const sim::Profile profile = profiler.take();
  wanted.view.functions = [&](const sim::ProfiledMapping& code, uint64_t offset) {
    const auto name = code.end == 0 ? std::nullopt
                                    : symbols.function_at({.path = code.file,
                                                           .begin = code.begin,
                                                           .end = code.end,
                                                           .page = profile.recorded_page,
                                                           .identity = code.identity,
                                                           .replaced = code.replaced},
                                                          offset);
    return name ? *name : code.name.front() == '[' ? code.name : fmt::format("[{}]", code.name);
  };
  const stats::Counter* const warmup = result.report.find("run.warmup.instructions");
  report::ProfileHeading heading = heading_of_machine(config);
  heading.trace = config.text("run.trace");
  heading.isa = result.header.isa;
  heading.program = result.header.program;
  heading.instructions = result.report.value("run.instructions");
  heading.warmup = warmup != nullptr ? warmup->value : 0;
  heading.stopped = result.stopped;
  heading.torn = result.torn;
  heading.symbols = symbols_said(profile, view.functions, symbols);
  write_profile(wanted, heading, profile, provenance_of(config, result), documents);
  Refusals refusals(Refusals::Of::Trace);
  refusals.look(config.text("run.trace"), result.report);
  refusals.answer(config.flag("run.check"));
}

void profile_of_script(const Wanted& wanted, const sim::workload::Plan& plan,
                       Documents& documents) {
  const config::Config& config = wanted.config;
  sim::Profiler profiler(wanted.tables);
  const sim::workload::Simulated result = sim::workload::simulate(config, plan, &profiler);
  report::ProfileHeading heading = heading_of_machine(config);
  heading.script = true;
  heading.trace = plan.name();
  heading.touches = result.report.value("run.instructions") + result.report.value("run.loads") +
                    result.report.value("run.stores");
  write_profile(wanted, heading, profiler.take(), provenance_of(config), documents);
  Refusals refusals(Refusals::Of::Script);
  refusals.look(plan.name(), result.report);
  refusals.answer(config.flag("run.check"));
}

}  // namespace

void profile(const Words& words) {
  Arguments arguments("profile TRACE|SCRIPT|CONFIG [--sort LIST] [--by MEASURE] [options]",
                      kProfileText);
  arguments.positional(kRunnable, 1);
  declare_machine_options(arguments);
  arguments.options()  //
      ("sort", boost::program_options::value<Words>()->composing()->value_name("LIST"),
       "What rows are told apart by: process, mapping, function, page, pc, or several with commas "
       "between them (process,function). May be given again, for another table; each of process, "
       "mapping, function (not of a script) and page alone if not given.")  //
      ("symbols", boost::program_options::value<Words>()->composing()->value_name("FILE|DIR"),
       "Where the programs' ELF files are, for names of functions: a folder below which their "
       "paths are (a sysroot) or they are themselves, or a file. May be given again. Then where "
       "the trace has them.")  //
      ("by", text_option("MEASURE"),
       "What shares are of, and rows sorted by: cycles (of TLB misses; if not given), misses, "
       "walks (by hardware), traps (into handlers), references (of both), faults.")  //
      ("top", text_option("N"),
       "At most N rows of each table, and one of the others; 10 in the text if not given.")  //
      ("limit", text_option("N"),
       "Stop after N instructions and events; sets run.limit.")                        //
      ("accept-torn", "Replay a torn trace as far as it goes; sets run.accept_torn.")  //
      ("quiet,q", "No progress on stderr.");
  Words measures;
  for (const auto& [name, measure] : report::kProfileMeasures)
    measures.emplace_back(name);
  arguments.offer("by", measures);
  Words bys;
  for (const auto& [by, name] : sim::kProfileBys)
    bys.emplace_back(name);
  arguments.offer("sort", bys);
  Documents::declare(arguments, "all rows of all tables", "the same, a row each");
  Documents::declare_page(arguments);
  const config::Schema schema = simulation_schema(arguments, words);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;
  report::ProfileView view;
  if (arguments.has("by"))
    view.measure =
        one_of<report::ProfileMeasure>("by", arguments.text("by"), report::kProfileMeasures);
  if (arguments.has("top")) view.top = arguments.number("top", 1, 1);
  const bool script = is_script(arguments.text(kRunnable));
  const std::vector<unsigned> tables = tables_of(arguments, script);
  config::Config config = simulation_config(arguments, schema);
  std::optional<sim::workload::Plan> plan;
  if (script) {
    if (arguments.has("symbols")) throw UsageError("--symbols", "a script has no instructions");
    plan = load_plan(arguments.text(kRunnable));
    config = sim::workload::script_config(config, *plan);
  }
  refuse_unread_keys({&config});
  if (config.count("run.interval") != 0)
    throw UsageError(config.place_of("run.interval"), "a profile is of a whole run");
  Documents documents(arguments);
  Wanted wanted{.arguments = arguments, .config = config, .tables = tables, .view = view};
  if (plan)
    profile_of_script(wanted, *plan, documents);
  else
    profile_of_trace(wanted, documents);
}

}  // namespace mmusim::cli
