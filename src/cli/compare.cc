// compare: a trace or script on several machines and page tables.
#include <algorithm>
#include <exception>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/output_file.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/documents.h"
#include "cli/log.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/refusals.h"
#include "cli/simulate.h"
#include "cli/trace_choices.h"
#include "report/comparison_table.h"
#include "sim/machine_options.h"
#include "sim/workload/script_config.h"
#include "sim/workload/simulate.h"

namespace mmusim::cli {
namespace {

constexpr const char* kCompareText =
    "Replays a trace (.mmt), or runs a workload script (.workload), once on each machine with each "
    "kind of\n"
    "page table, and prints what translation costs on each: TLB misses, walks, handler "
    "instructions,\n"
    "table references, faults, flushes, memory and cycles, all over the same work. Keys given here "
    "hold for\n"
    "every run.\n\n"
    "Of several traces, of one program on several ISAs, each machine replays that of its own ISA, "
    "or "
    "the\n"
    "nearest. All numbers are then per 1000 instructions of the base's run.";

constexpr const char* kCompared = "TRACE|SCRIPT";

// Those named; else those that are given traces of their own, where there is no other; else all
// machines there are that are no teaching models.
Words machines_of(const Arguments& arguments) {
  if (arguments.has("machines")) return arguments.list("machines");
  Words names;
  if (!arguments.has(kCompared)) {
    for (const std::string& given : arguments.texts("trace"))
      names.push_back(given.substr(0, given.find('=')));
    return names;
  }
  for (const NamedFile& file : named_files(kind_of_placeholder("MACHINE")))
    if (file.name != "tiny") names.push_back(file.name);
  return names;
}

// Gives each run the trace that is its machine's.
void choose_traces(const Arguments& arguments, report::Comparison& comparison) {
  if (arguments.has("run.trace"))
    throw UsageError("--run.trace", "there are traces on the command line",
                     "give each machine one with --trace MACHINE=TRACE");
  const Words traces = arguments.has(kCompared) ? arguments.texts(kCompared) : Words();
  const TraceChoices choices(traces, arguments.has("trace") ? arguments.texts("trace") : Words(),
                             machines_of(arguments));
  for (report::ComparedRun& run : comparison.runs) {
    const sim::Architecture& architecture = sim::architecture_of(run.config);
    const ChosenTrace chosen = choices.choose(run.config.text("run.machine"), architecture.name,
                                              architecture.layout(run.config).page);
    run.config.set("run.trace", chosen.path, "the command line");
    run.trace = {chosen.path, chosen.why};
  }
  comparison.traces = choices.paths();
  comparison.source = fmt::format("{}", fmt::join(comparison.traces, ", "));
}

size_t base_of(const Arguments& arguments, const std::vector<report::ComparedRun>& runs) {
  if (!arguments.has("base")) return 0;
  const std::string& name = arguments.text("base");
  Words names;
  for (size_t i = 0; i < runs.size(); ++i) {
    const std::string machine = runs[i].name.substr(0, runs[i].name.find('/'));
    if (name == runs[i].name || name == machine) return i;
    names.push_back(runs[i].name);
  }
  throw UsageError("--base", fmt::format("'{}' is not among the runs", name),
                   fmt::format("they are {}", fmt::join(names, ", ")));
}

// Has each run filled in by itself: one that meets a bug leaves the others as they are, and is told
// of.
template <class Fill>
void fill_each(report::Comparison& comparison, Fill fill) {
  std::vector<report::ComparedRun> done;
  size_t base = 0;  // where the one that was to be fails
  for (size_t i = 0; i < comparison.runs.size(); ++i) {
    report::ComparedRun& one = comparison.runs[i];
    std::string why = failure_of([&] { fill(i, one); });
    if (why.empty()) {
      if (i == comparison.base) base = done.size();
      done.push_back(std::move(one));
    } else {
      error(fmt::format("{}: {}", one.name, why));
      comparison.failed.push_back({std::move(one.name), std::move(why)});
    }
  }
  comparison.runs = std::move(done);
  comparison.base = base;
}

}  // namespace

void compare(const Words& words) {
  Arguments arguments(
      "compare TRACE|SCRIPT [TRACE ...] [--machines NAME,...] [--page-tables KIND,...] [options]",
      kCompareText);
  arguments.positional(kCompared, -1);
  arguments.without_positional("trace");
  arguments.options()                                                         //
      ("machines,m", text_option("MACHINE|FILE,..."),                         //
       "The machines; all of 'mmusim list machines' but tiny if not given.")  //
      ("page-tables,p", text_option("KIND|FILE,..."),
       "The kinds of page table, or paths of plug-ins; mlpt if not given.")  //
      ("pair,k", boost::program_options::value<Words>()->value_name("\"KIND KEY=VALUE ...\""),
       "A page table with keys of its own, beside those of -p; may be given several times. Called "
       "so, or, as \"NAME: KIND KEY=VALUE ...\", by that name.")  //
      ("trace,t", boost::program_options::value<Words>()->value_name("MACHINE=TRACE"),
       "The trace this machine replays, as -m has it; may be given several times.")         //
      ("base,b", text_option("MACHINE[/KIND]"),                                             //
       "The run the relative column relates to; the first if not given.")                   //
      ("check", "Compare every translation with the page table; sets run.check.")           //
      ("limit", text_option("N"), "Stop after N instructions and events; sets run.limit.")  //
      ("accept-torn", "Replay a torn trace as far as it goes; sets run.accept_torn.")       //
      ("jobs,j", text_option("N"), "Threads, for traces; the host's cores if not given.")   //
      ("quiet,q", "No progress on stderr.");
  Documents::declare(arguments, "everything", "the rates, a row a run");
  Documents::declare_page(arguments);
  Documents::declare_plot(arguments);
  declare_configuration_options(arguments);
  const config::Schema schema = simulation_schema(arguments, words);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;

  const unsigned jobs = jobs_of(arguments);
  const Words sources = arguments.has(kCompared) ? arguments.texts(kCompared) : Words();
  const bool several = sources.size() != 1 || arguments.has("trace");
  if (several && std::any_of(sources.begin(), sources.end(), is_script))
    throw UsageError("", "a script is compared by itself", "name one script, or only traces");
  const std::string source = several ? "" : sources.front();
  const bool scripted = is_script(source);
  const std::vector<TableChoice> tables = table_choices(arguments);

  // All configurations are made before the first run, so that a mistyped name does not cost one.
  report::Comparison comparison{.source = source, .program = {}, .runs = {}, .failed = {}};
  for (const std::string& machine : machines_of(arguments))
    for (const TableChoice& table : tables) {
      std::vector<Setting> settings = table.settings;
      settings.push_back({"run.machine", machine, "--machines"});
      settings.push_back({"machine.page_table", table.kind, "--page-tables"});
      if (!scripted && !several) settings.push_back({"run.trace", source, "the command line"});
      config::Config config = simulation_config(arguments, schema, settings);
      std::string name = fmt::format("{}/{}", config.text("machine.name"), table.name);
      comparison.runs.push_back({std::move(name), std::move(config), {}, {}});
    }
  if (several) choose_traces(arguments, comparison);
  std::vector<const config::Config*> configs;
  for (const report::ComparedRun& run : comparison.runs)
    configs.push_back(&run.config);
  refuse_unread_keys(configs);
  comparison.base = base_of(arguments, comparison.runs);
  Documents documents(arguments);

  if (scripted) {
    const sim::workload::Plan plan = load_plan(source);
    comparison.program = plan.name();
    fill_each(comparison, [&](size_t, report::ComparedRun& run) {
      run.config = sim::workload::script_config(run.config, plan);
      run.report = sim::workload::simulate(run.config, plan).report;
      run.provenance = provenance_of(run.config);
    });
  } else {
    std::vector<sim::ReplayOutcome> outcomes =
        replay_all_with_progress(configs, jobs, arguments.has("quiet"));
    fill_each(comparison, [&](size_t i, report::ComparedRun& run) {
      if (outcomes[i].failure != nullptr) std::rethrow_exception(outcomes[i].failure);
      sim::ReplayResult& result = *outcomes[i].result;
      comparison.program = result.header.program;
      run.provenance = provenance_of(run.config, result);
      run.report = std::move(result.report);
    });
  }
  const auto failed = [&] {
    return Error("", fmt::format("{} of {} runs failed", comparison.failed.size(),
                                 comparison.failed.size() + comparison.runs.size()));
  };
  if (comparison.runs.empty()) throw failed();
  const auto json = [&] { return report::comparison_json(comparison); };
  documents.write(
      json, [&] { return report::comparison_csv(comparison); },
      [&] { return report::comparison_table(comparison) + Documents::plots(arguments, json); });
  Refusals refusals(scripted ? Refusals::Of::Script : Refusals::Of::Trace);
  bool checked = false;
  for (const report::ComparedRun& run : comparison.runs) {
    refusals.look(run.name, run.report);
    checked = checked || run.config.flag("run.check");
  }
  if (!comparison.failed.empty()) throw failed();
  refusals.answer(checked);
}

}  // namespace mmusim::cli
