// workload simulate, native and check.
#include <fmt/format.h>
#include <string>

#include "base/error.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/documents.h"
#include "cli/log.h"
#include "cli/output.h"
#include "cli/refusals.h"
#include "cli/simulate.h"
#include "report/data_writers.h"
#include "report/replay_table.h"
#include "report/workload_table.h"
#include "sim/machine_options.h"
#include "sim/workload/native.h"
#include "sim/workload/native_memory.h"
#include "sim/workload/plan.h"
#include "sim/workload/script_config.h"
#include "sim/workload/simulate.h"

namespace mmusim::cli {
namespace {

namespace wl = sim::workload;

void declare_options(Arguments& arguments) {
  declare_machine_options(arguments);
  arguments.positional("SCRIPT", 1);
  arguments.options()  //
      ("check", "Compare every translation with the page table; sets run.check.");
}

void declare_native_options(Arguments& arguments) {
  arguments.options()  //
      ("thp",
       "There may be transparent huge pages, as this computer is set; else there are none.")  //
      ("directory", text_option("DIR"),                                                       //
       "Where the script's files on disk are made; /var/tmp if not given.")                   //
      ("memory", text_option("SIZE"),
       "The script is ended when its real processes hold more memory; a quarter of this computer's "
       "if not given.");
}

wl::NativeOptions native_options(const Arguments& arguments) {
  wl::NativeOptions options;
  options.huge_pages = arguments.has("thp");
  if (arguments.has("directory")) options.directory = arguments.text("directory");
  options.memory = wl::default_native_memory();
  if (arguments.has("memory")) {
    const auto bytes = parse_size(arguments.text("memory"));
    if (!bytes || *bytes == 0)
      throw UsageError("--memory", fmt::format("'{}' is not a size", arguments.text("memory")),
                       "write it as 512M or 4G");
    options.memory = *bytes;
  }
  return options;
}

}  // namespace

void workload_simulate(const Words& words) {
  Arguments arguments("workload simulate SCRIPT [options]",
                      "Runs a workload script on a simulated machine: what each measure of it "
                      "counted, and\nwhat its translations cost.");
  declare_options(arguments);
  Documents::declare(arguments, "measures and counters", "the measures, a row each");
  const config::Schema schema = simulation_schema(arguments, words);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;
  const wl::Plan plan = load_plan(arguments.text("SCRIPT"));
  const config::Config config = wl::script_config(simulation_config(arguments, schema), plan);
  refuse_unread_keys({&config});
  Documents documents(arguments);
  const wl::Simulated result = wl::simulate(config, plan);
  report::Heading heading;
  const sim::MachineOptions machine = sim::MachineOptions::from(config);
  heading.machine = machine.name;
  heading.arch = machine.arch;
  heading.page_table = machine.page_table;
  heading.program = plan.name();
  heading.checked = config.flag("run.check");
  documents.write(
      [&] {
        return report::workload_json(plan, result.outcome, provenance_of(config), config,
                                     result.report);
      },
      [&] { return report::workload_csv(plan, result.outcome); },
      [&] {
        return report::workload_table(plan, result.outcome) + "\n" +
               report::replay_table(heading, result.report);
      });
  Refusals refusals(Refusals::Of::Script);
  refusals.look(plan.name(), result.report);
  refusals.answer(heading.checked);
}

void workload_native(const Words& words) {
  Arguments arguments("workload native SCRIPT [options]",
                      "Runs a workload script on the kernel of this computer, with real processes "
                      "on one CPU, and\nprints what each measure counted.");
  arguments.positional("SCRIPT", 1);
  declare_native_options(arguments);
  Documents::declare(arguments, "all it counted", "the measures, a row each");
  if (!arguments.parse(words)) return;
  const wl::Plan plan = load_plan(arguments.text("SCRIPT"));
  const wl::NativeOptions options = native_options(arguments);
  Documents documents(arguments);
  note(fmt::format(
      "real processes on this computer: they may hold {} MiB of memory, and make files on "
      "disk in {}, which go with them",
      options.memory >> 20, options.directory));
  const wl::Outcome outcome = wl::run_native(plan, options);
  documents.write([&] { return report::json_of(report::workload_document(plan, outcome)); },
                  [&] { return report::workload_csv(plan, outcome); },
                  [&] { return report::workload_table(plan, outcome); });
}

void workload_check(const Words& words) {
  Arguments arguments(
      "workload check SCRIPT [options]",
      "Runs a workload script on a simulated machine and on the kernel of this "
      "computer, and\ncompares: minor and major faults, resident memory, page-table bytes and "
      "areas at every\nmeasure, and the result of every system call; the last line says whether "
      "all "
      "agree, and so\ndoes the exit status (0). Peaks of memory and swap space are shown, not "
      "compared: the first\nthe kernel keeps inexactly, the second depends on what else is in "
      "memory. Neither are page-table\nbytes of a page table that is not x86-64's. What this "
      "kernel "
      "does that others do not is found out by trying, unless its key is "
      "given. Huge pages are off\non both sides, unless --thp or kernel.thp is given.");
  declare_options(arguments);
  declare_native_options(arguments);
  Documents::declare(arguments, "all that was counted and differs",
                     "the measures of both kernels, a row each");
  const config::Schema schema = simulation_schema(arguments, words);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;
  config::Config config = simulation_config(arguments, schema);
  const wl::Plan plan = load_plan(arguments.text("SCRIPT"));
  refuse_unread_keys({&config});
  wl::NativeOptions options = native_options(arguments);
  // Who says that the simulated kernel has huge pages wants them on both sides.
  if (config.origin("kernel.thp") != "default" && config.choice("kernel.thp") != "disabled")
    options.huge_pages = true;
  Documents documents(arguments);
  const wl::NativeFeatures features = wl::native_features(options);
  const std::vector<report::Facts> host =
      report::workload_host(wl::imitate(config, features, plan), features, options);
  if (!documents.to_stdout()) print(report::workload_host_text(host));
  const wl::Outcome native = wl::run_native(plan, options);
  const wl::Outcome simulated = wl::simulate(config, plan).outcome;
  const std::string verdict = report::workload_verdict(plan, simulated, native, features.kernel);
  documents.write(
      [&] {
        return report::json_of(report::workload_check(host, plan, simulated, native, verdict),
                               provenance_of(config), config);
      },
      [&] { return report::workload_check_csv(plan, simulated, native); },
      [&] { return report::workload_comparison(plan, simulated, native) + verdict + "\n"; });
  const uint64_t differences = report::workload_differences(simulated, native);
  if (differences != 0)
    throw Error(plan.name(), fmt::format("simulated and real kernel differ in {} of {} measures "
                                         "and results",
                                         differences, plan.measures.size() + plan.steps));
}

}  // namespace mmusim::cli
