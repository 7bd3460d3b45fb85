// page-table grade: points for a page table that is somebody's assignment.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/configuration.h"
#include "cli/documents.h"
#include "cli/names.h"
#include "cli/progress.h"
#include "cli/simulate.h"
#include "pt/conformance/grade.h"
#include "pt/conformance/isolate.h"
#include "pt/plugin.h"
#include "report/data_writers.h"
#include "report/grade_table.h"
#include "sim/simulation.h"
#include "sim/workload/script_config.h"
#include "sim/workload/simulate.h"

namespace mmusim::cli {
namespace {

namespace conformance = pt::conformance;

constexpr const char* kGradeText =
    "Gives points for a page table that is an assignment (workloads/course/README.md), 100 in all: "
    "for "
    "a first translation, for ranges, for memory, for honest words, for random operations, for "
    "every "
    "machine's addresses, and for what it costs beside mlpt on three workloads. What fails gets a "
    "hint, the first of each stage; 'mmusim page-table check' says more. It is run apart, so that "
    "it "
    "may crash or hang; what it costs is measured once the first five stages are whole. The exit "
    "status is 0 whatever the points: they are in the table, and in --json.";

constexpr unsigned kCostPoints = 10;
constexpr const char* kMachine = "skylake-sp";
// How often as much as mlpt: up to the first all points, from the second on none.
constexpr double kFull = 1.5;
constexpr double kNone = 4.0;

// Of one workload, of which mlpt takes a tenth of a second.
constexpr std::chrono::seconds kPatience{30};

struct Workload {
  const char* placeholder;
  const char* name;
  const char* limit;  // of a trace
};
constexpr Workload kWorkloads[] = {
    {"TRACE", "pipeline", "4M"}, {"SCRIPT", "lmbench-process", ""}, {"SCRIPT", "sparse-store", ""}};

struct Cost {
  uint64_t references = 0;  // to tables, by walker and kernel
  uint64_t bytes = 0;       // of tables, with roots, at most
};

Cost cost_of(const Arguments& arguments, const config::Schema& schema, const Workload& workload,
             const std::string& table) {
  const std::string path = find_named(workload.placeholder, workload.name, "grade");
  std::vector<Setting> settings = {{"run.machine", kMachine, "grade"},
                                   {"machine.page_table", table, "grade"},
                                   {"paging.walk", "native", "grade"}};
  const bool script = is_script(path);
  if (!script) {
    settings.push_back({"run.trace", path, "grade"});
    settings.push_back({"run.limit", workload.limit, "grade"});
  }
  config::Config config = simulation_config(arguments, schema, settings);
  stats::Report report;
  if (script) {
    const sim::workload::Plan plan = load_plan(path);
    report = sim::workload::simulate(sim::workload::script_config(config, plan), plan).report;
  } else {
    report = sim::replay(config, {}).report;
  }
  const auto value = [&](const char* name) { return report.value(name); };
  return {.references = value("refs.walker") + value("refs.handler") + value("refs.kernel"),
          .bytes = value("kernel.page_tables.peak")};
}

constexpr const char* kDoes = "it does what the kernel asks of it";
constexpr const char* kReplay = "The kernel model met what no case did: replay it with --check.";

struct Measured {
  std::optional<Cost> cost;
  std::string came;  // in its place
};

// In a process of its own, as all of a student's code.
Measured cost_apart(const Arguments& arguments, const config::Schema& schema,
                    const Workload& workload, const std::string& table) {
  conformance::Reached reached;
  const conformance::Outcome outcome =
      conformance::isolated({.piece = kPatience}, reached, [&](conformance::Reached& shared) {
        const Cost cost = cost_of(arguments, schema, workload, table);
        shared.answer[0] = cost.references;
        shared.answer[1] = cost.bytes;
      });
  if (outcome.broken) return {.cost = std::nullopt, .came = outcome.broken->came};
  return {.cost = Cost{.references = reached.answer[0], .bytes = reached.answer[1]}, .came = ""};
}

double share_of(uint64_t mine, uint64_t theirs) {
  const double times =
      static_cast<double>(mine) / static_cast<double>(std::max<uint64_t>(1, theirs));
  return std::clamp((kNone - times) / (kNone - kFull), 0.0, 1.0);
}

conformance::Stage costs(const Arguments& arguments, const config::Schema& schema,
                         const std::string& name, bool sound) {
  conformance::Stage stage{.name = "7. what it costs",
                           .about = "references and bytes, beside mlpt, on three workloads",
                           .points = kCostPoints,
                           .cases = {}};
  double points = 0;
  for (const Workload& workload : kWorkloads) {
    conformance::GradedCase one{.name = workload.name};
    if (!sound) {
      one.hint = "It is measured once stages 1 to 5 are whole.";
      stage.cases.push_back(one);
      continue;
    }
    const std::string failure = failure_of([&] {
      const Measured measured = cost_apart(arguments, schema, workload, name);
      if (!measured.cost) {
        one.promise = kDoes;
        one.came = measured.came;
        one.hint = kReplay;
        return;
      }
      const Cost mine = *measured.cost;
      const Cost mlpt = cost_of(arguments, schema, workload, "mlpt");
      const double share =
          (share_of(mine.references, mlpt.references) + share_of(mine.bytes, mlpt.bytes)) / 2;
      points += share * kCostPoints / std::size(kWorkloads);
      one.kept = share == 1;
      one.promise = fmt::format(
          "at most {:.1f} times the references and bytes of mlpt; none from "
          "{:.0f} times on",
          kFull, kNone);
      one.expected = fmt::format("{} references, {} bytes", mlpt.references, mlpt.bytes);
      one.came = fmt::format("{} references, {} bytes", mine.references, mine.bytes);
      if (!one.kept)
        one.hint =
            "Draw it: 'mmusim page-table footprint' says how many words a look-up reads, and how "
            "full "
            "its tables are.";
    });
    if (!failure.empty()) {
      one.promise = kDoes;
      one.came = failure;
      one.hint = kReplay;
    }
    stage.cases.push_back(std::move(one));
  }
  stage.earned = static_cast<unsigned>(points + 1e-9);
  return stage;
}

}  // namespace

void page_table_grade(const Words& words) {
  Arguments arguments("page-table grade FILE [options]", kGradeText);
  arguments.positional("KIND|FILE", 1);
  arguments.options()                                                              //
      ("seed", text_option("N"), "The first random run; 1 if not given.")          //
      ("ops", text_option("N"), "Operations in random runs; 20000 if not given.")  //
      ("quiet,q", "No progress on stderr.");
  Documents::declare(arguments, "points, cases and hints", "the stages, a row each");
  if (!arguments.parse(words)) return;
  const std::string& name = arguments.text("KIND|FILE");
  const pt::Backend& backend = pt::find_backend(name);
  Documents documents(arguments);

  config::Schema own;
  backend.declare(own);
  conformance::Options options;
  options.settings = config::Config(own).effective();
  options.seed = arguments.number("seed", 1);
  constexpr uint64_t kOperations = 20'000;
  options.operations = arguments.number("ops", kOperations);
  std::vector<conformance::Stage> stages = conformance::grade(backend, options);

  Words plugins;
  if (pt::is_plugin_path(name)) plugins.push_back(name);
  config::Schema schema = simulation_schema_with(plugins);
  const Arguments nothing("", "");
  // What every machine's addresses ask for may be missing.
  const std::vector<conformance::Stage> sound(stages.begin(), stages.end() - 1);
  stages.push_back(costs(nothing, schema, name, conformance::are_whole(sound)));

  const report::Document document = report::grade_document(name, stages);
  documents.write([&] { return report::json_of(document); },
                  [&] { return report::grade_csv(document); },
                  [&] { return report::grade_text(document); });
}

}  // namespace mmusim::cli
