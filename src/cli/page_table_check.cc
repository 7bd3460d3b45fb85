// page-table check: the conformance kit, on any page table.
#include <chrono>
#include <fmt/format.h>
#include <string>

#include "base/error.h"
#include "base/interrupt.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/documents.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "pt/conformance/check.h"
#include "pt/plugin.h"
#include "report/conformance_table.h"
#include "report/progress.h"

namespace mmusim::cli {
namespace {

constexpr const char* kCheckText =
    "Checks a page table, one of 'mmusim list page-tables' or a plug-in (a path), against every "
    "promise of\n"
    "the page-table interface, and in random runs against an ordered map: superpages, fork, "
    "sharing, "
    "memory\n"
    "that runs out at every allocation. Each part runs in a process of its own, so that a page "
    "table "
    "that\n"
    "crashes or hangs is told apart from one that lies. A run that fails is shortened to the "
    "operations that\n"
    "matter. When the time is up, or at Ctrl-C, the verdict is what was found by then. The exit "
    "status\n"
    "is 0 if no broken promise was found. A page table's keys are options ('mmusim page-table "
    "check "
    "KIND --help').";

void declare_options(Arguments& arguments) {
  arguments.positional("KIND|FILE", 1);
  arguments.options()                                                                     //
      ("seed", text_option("N"), "The first random run; 1 if not given.")                 //
      ("ops", text_option("N"),                                                           //
       "Operations in random runs, at least; 100000 if not given. The last run is done "  //
       "to its end.")                                                                     //
      ("seconds", text_option("N"),                                                       //
       "Stop after so long, and say what was found by then; 300 if not given.")           //
      ("quiet,q", "No progress on stderr.");
  Documents::declare(arguments, "the verdict", "the failures, a row each");
}

}  // namespace

void page_table_check(const Words& words) {
  Arguments arguments("page-table check KIND|FILE [--seed N] [--ops N] [options]", kCheckText);
  declare_options(arguments);
  // Which page table it is decides which keys there are.
  config::Schema unknown;
  unknown.pass_over("pt.");
  Arguments look = arguments;
  look.keys(unknown);
  look.look(words);
  config::Schema schema;
  const pt::Backend* backend = nullptr;
  if (look.has("KIND|FILE")) {
    backend = &pt::find_backend(look.text("KIND|FILE"));
    backend->declare(schema);
  }
  arguments.keys(schema);
  if (!arguments.parse(words)) return;
  config::Config config(schema);
  arguments.apply_keys(config);

  const report::ConformanceHeading heading{.name = arguments.text("KIND|FILE"),
                                           .seed = arguments.number("seed", 1)};
  Documents documents(arguments);

  pt::conformance::Options options;
  options.settings = config.effective();
  options.seed = heading.seed;
  options.operations = arguments.number("ops", options.operations);
  constexpr uint64_t kMostSeconds = 3600;
  const uint64_t seconds =
      arguments.number("seconds", static_cast<uint64_t>(options.budget.count()));
  if (seconds == 0 || seconds > kMostSeconds)
    throw UsageError("--seconds", fmt::format("{} is not from 1 to {}", seconds, kMostSeconds));
  options.budget = std::chrono::seconds(seconds);
  pt::conformance::Verdict verdict;
  {
    report::Progress progress(fmt::format("checking {}", heading.name), "operations",
                              progress_style(arguments));
    options.progress = [&](uint64_t done) { progress.update(done, options.operations, done); };
    verdict = pt::conformance::check(*backend, options);
  }
  documents.write([&] { return report::conformance_json(heading, verdict); },
                  [&] { return report::conformance_csv(verdict); },
                  [&] { return report::conformance_text(heading, verdict); });
  try {
    check_interrupt();
  } catch (const Error& interrupted) {
    throw Error("", "interrupted", "the verdict is what was found by then",
                interrupted.exit_status());
  }
  if (!verdict.failures.empty())
    throw Error(heading.name, fmt::format("{} promises of the page-table interface are broken",
                                          verdict.failures.size()));
}

}  // namespace mmusim::cli
