// sweep: many configurations, into one table.
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/host_heap.h"
#include "base/interrupt.h"
#include "base/output_file.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/log.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/refusals.h"
#include "cli/simulate.h"
#include "cli/slurm.h"
#include "cli/sweep_points.h"
#include "config/nearest.h"
#include "report/comparison_table.h"
#include "report/data_writers.h"
#include "report/database_writer.h"
#include "report/page.h"
#include "report/text_plot.h"
#include "report/text_writer.h"
#include "sim/fan_out.h"
#include "sim/simulation.h"
#include "sweep/estimate.h"
#include "sweep/read_folder.h"
#include "sweep/results.h"
#include "sweep/store.h"

namespace mmusim::cli {
namespace {

constexpr const char* kSweepText =
    "Replays traces at every combination of what is varied (machines, page tables, values of keys) "
    "and puts all into one table, a row a run: DIR/results.csv and DIR/results.db (SQLite); each "
    "run's whole result is in DIR/runs. Equal runs are done once, and what DIR has already is not "
    "done again: the same command goes on with a sweep that was interrupted. Results do not depend "
    "on --jobs.\n\n"
    "With --slurm a cluster does the runs; what Slurm was handed is looked at and finished by\n\n"
    "    mmusim sweep status DIR\n"
    "    mmusim sweep resume DIR [--slurm]";

// Stops where a point cannot be; else the counters there are.
std::set<std::string> check_points(const SweepPoints& made) {
  std::set<std::string> counters;
  size_t impossible = made.impossible;
  std::vector<std::pair<std::string, std::vector<std::string>>> reasons;  // with the points' names
  for (const sweep::Point& point : made.points) {
    check_interrupt();
    try {
      const stats::Report catalog = sim::catalog(point.config);
      config::Config config = point.config;
      config.set("run.trace", point.trace, "the sweep");
      static_cast<void>(sim::route_of(config));  // whether the machine can take the trace
      for (const stats::Counter& counter : catalog.counters())
        counters.insert(counter.name);
    } catch (const Error& why) {
      if (is_interruption(why)) throw;
      ++impossible;
      const auto known = std::find_if(reasons.begin(), reasons.end(),
                                      [&](const auto& one) { return one.first == why.what(); });
      (known != reasons.end() ? *known : reasons.emplace_back(why.what(), Words()))
          .second.push_back(point.name);
    }
  }
  for (const auto& [why, names] : reasons)
    error(fmt::format("{}{}: {}", names.front(),
                      names.size() == 1 ? "" : fmt::format(" and {} more", names.size() - 1), why));
  if (impossible != 0)
    throw UsageError("",
                     fmt::format("{} of {} {} impossible", impossible,
                                 format_counted(made.points.size() + made.impossible, "point"),
                                 impossible == 1 ? "is" : "are"),
                     "nothing was run");
  return counters;
}

// Those of --counters or the .sweep file, where NAME* means all that begin so; else those of
// compare. Errors: UsageError for one that no point has.
Words chosen_counters(const Arguments& arguments, const SweepInput& input,
                      const std::set<std::string>& known) {
  std::vector<sweep::Said> said = input.described.counters;
  if (arguments.has("counters")) {
    said.clear();
    for (const std::string& name : arguments.list("counters"))
      said.push_back({name, "--counters"});
  }
  Words chosen;
  const auto add = [&](const std::string& name) {
    if (std::find(chosen.begin(), chosen.end(), name) == chosen.end()) chosen.push_back(name);
  };
  if (said.empty()) {
    add("run.instructions");
    for (const std::string& name : report::compared_counters())
      if (known.count(name) != 0) add(name);
  }
  for (const sweep::Said& one : said) {
    const bool many = one.text.ends_with('*');
    const std::string begin = many ? one.text.substr(0, one.text.size() - 1) : one.text;
    bool found = false;
    for (const std::string& name : known)
      if (many ? name.starts_with(begin) : name == begin) {
        found = true;
        add(name);
      }
    if (!found)
      throw UsageError(one.where, fmt::format("no point has a counter '{}'", one.text),
                       fmt::format("the nearest is '{}'; 'mmusim list counters' has all",
                                   config::nearest(begin, Words(known.begin(), known.end()))));
  }
  return chosen;
}

void identify(std::vector<sweep::Point>& points) {
  sweep::RunIds ids;
  for (sweep::Point& point : points) {
    check_interrupt();
    sim::TraceSource::require_named(point.config);
    point.id = ids.id_of(point.config, provenance_of(point.config), point.trace);
  }
}

void dry_run(const Arguments& arguments, const std::vector<sweep::Point>& points, unsigned jobs) {
  const std::vector<size_t> runs = sweep::distinct(points);
  std::vector<size_t> missing;
  for (const size_t i : runs)
    if (!arguments.has("output") || !sweep::has_result(arguments.text("output"), points[i].id))
      missing.push_back(i);
  const sweep::Estimate estimate = sweep::estimate(points, missing, jobs);
  report::Facts facts{.id = "sweep"};
  facts.add("points", "points", format_count(points.size()));
  facts.add("runs", "runs",
            fmt::format("{}, of which {} are there already", format_count(runs.size()),
                        format_count(runs.size() - missing.size())));
  facts.add(
      "time", "time",
      estimate.seconds
          ? fmt::format("about {} with {}: {} of it was run to know",
                        report::format_duration(*estimate.seconds), format_counted(jobs, "job"),
                        estimate.share < 1 ? fmt::format("{:.2g} %", 100 * estimate.share)
                                           : std::string("all"))
          : std::string("unknown: none could be run, or a trace is torn"));
  facts.add("memory", "memory", fmt::format("{} MiB by then", (estimate.bytes >> 20) + 1));
  print(
      report::text_of({.kind = "sweep", .blocks = {facts}}, {.styles = {{"sweep", {.width = 8}}}}));
}

std::vector<size_t> missing_runs(const std::vector<sweep::Point>& points,
                                 const std::string& folder) {
  std::vector<size_t> missing;
  for (const size_t i : sweep::distinct(points))
    if (!sweep::has_result(folder, points[i].id)) missing.push_back(i);
  return missing;
}

void say_status(const std::vector<sweep::Point>& points, const std::string& folder) {
  const size_t runs = sweep::distinct(points).size();
  const size_t missing = missing_runs(points, folder).size();
  report::Facts facts{.id = "sweep"};
  facts.add("runs", "runs",
            fmt::format("{} for {}: {} are there, {} missing", format_count(runs),
                        format_counted(points.size(), "point"), format_count(runs - missing),
                        format_count(missing)));
  if (const auto submitted = submitted_from(folder))
    for (const std::string& job : submitted->jobs)
      facts.add("slurm", "slurm", state_of_job(job));
  print(
      report::text_of({.kind = "sweep", .blocks = {facts}}, {.styles = {{"sweep", {.width = 8}}}}));
}

// The points of whose runs the share is made.
std::vector<sweep::Point> points_of_share(const std::vector<sweep::Point>& points, Share share) {
  std::vector<sweep::Point> chosen;
  const std::vector<size_t> runs = sweep::distinct(points);
  for (size_t i = share.number; i < runs.size(); i += share.of)
    chosen.push_back(points[runs[i]]);
  return chosen;
}

struct Found {
  std::vector<sweep::Outcome> outcomes;
  size_t kept = 0;
  size_t failed = 0;
};

// A page that would be in the place of what the sweep keeps.
void refuse_page_in(const std::string& folder, const std::string& page) {
  if (sweep::Store::keeps(folder, page))
    throw UsageError("--html", fmt::format("'{}' is the sweep's own", page), "name another file");
}

Found run_points(const Arguments& arguments, const std::vector<sweep::Point>& points,
                 const Words& counters, unsigned jobs, sweep::Store& store) {
  interruption_says(
      "runs that were at their end are kept, those that share a pass end together; the same "
      "command goes on from there");
  const PatientInterrupts patient;
  prefer_huge_heap();
  report::Progress progress("sweeping", "references", progress_style(arguments));
  sweep::SweepOptions options;
  options.jobs = jobs;
  options.counters = counters;
  options.provenance = [](const config::Config& config, const sim::ReplayResult& result) {
    return provenance_of(config, result);
  };
  options.warn = warn;
  size_t told = SIZE_MAX;
  bool said_end = false;
  options.progress = [&](const sweep::SweepProgress& now) {
    progress.update(now.replays.bytes_done, now.replays.bytes_total, now.replays.references);
    if (end_is_asked_for() && !said_end) {
      said_end = true;
      const double done = static_cast<double>(now.replays.open_bytes_done) /
                          static_cast<double>(std::max<uint64_t>(now.replays.open_bytes_total, 1));
      note(
          fmt::format("ending when the passes under way, {:.0f} % of which are done, have come to "
                      "their end; Ctrl-C again ends at once, without them",
                      100 * done));
    }
    if (now.done == told) return;
    told = now.done;
    progress.beside(fmt::format("{} of {}{}", now.done, format_counted(now.runs, "run"),
                                now.failed == 0 ? "" : fmt::format(", {} failed", now.failed)));
  };
  Found found;
  try {
    found.outcomes = sweep::run(points, store, options);
  } catch (const Error& error) {
    if (is_interruption(error)) throw;
    throw Error("", error.what(), "runs that were finished are kept: the same command goes on",
                error.exit_status());
  }
  for (const size_t i : sweep::distinct(points)) {
    found.kept += found.outcomes[i].is == sweep::Outcome::Is::Kept ? 1 : 0;
    found.failed += found.outcomes[i].is == sweep::Outcome::Is::Failed ? 1 : 0;
  }
  return found;
}

void show(const std::string& folder, const report::Table& table, size_t runs, const Found& found) {
  report::Facts facts{.id = "sweep"};
  facts.add("runs", "runs",
            fmt::format("{} for {}: {} done now, {} found, {} failed", format_count(runs),
                        format_counted(table.rows.size(), "point"),
                        format_count(runs - found.kept - found.failed), format_count(found.kept),
                        format_count(found.failed)));
  facts.add("results", "results", fmt::format("{0}/results.csv, {0}/results.db", folder));
  facts.add("shown", "shown",
            "misses of the first and the last level of TLBs, and cycles of translation, per 1000 "
            "instructions");
  constexpr size_t kMostRows = 200;
  print(report::text_of({.kind = "sweep", .blocks = {facts, table}},
                        {.styles = {{"sweep", {.width = 8}}, {"runs", {.most = kMostRows}}}}));
}

void do_sweep(const Words& words) {
  Arguments arguments("sweep CONFIG|TRACE|SWEEP ... [--vary KEY=A,B,...] -o DIR [options]",
                      kSweepText);
  arguments.positional(kSwept, -1);
  arguments.options()("output,o", text_option("DIR"),
                      "The folder of the sweep; made if it is not there.")     //
      ("jobs,j", text_option("N"), "Threads; the host's cores if not given.")  //
      ("counters", text_option("COUNTER,..."),
       "Counters that are columns of the table (mmu.* means all that begin so); those of compare "
       "if not given. DIR/runs has all.")  //
      ("html", text_option("FILE"),
       "Write a page about it with figures and tables, as 'mmusim report' does.")       //
      ("plot", "Print figures of it too, in characters.")                               //
      ("dry-run,n", "Say how many runs there would be, and about how long, and stop.")  //
      ("quiet,q", "No progress on stderr.");
  declare_sweep_options(arguments);
  declare_slurm_options(arguments);
  const config::Schema schema = simulation_schema(arguments, words);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;
  const unsigned jobs = jobs_of(arguments);
  if (!arguments.has("output") && !arguments.has("dry-run"))
    throw UsageError("", "--output is missing", "name the folder of the sweep with -o DIR");
  const std::optional<Share> share = share_of(arguments);

  const SweepInput input = sweep_input(arguments);
  SweepPoints made = sweep_points(arguments, schema, input);
  std::vector<sweep::Point>& points = made.points;
  identify(points);
  const std::set<std::string> known = check_points(made);
  std::vector<const config::Config*> configs;
  configs.reserve(points.size());
  for (const sweep::Point& point : points)
    configs.push_back(&point.config);
  refuse_unread_keys(configs);
  const Words counters = chosen_counters(arguments, input, known);
  const std::string program = sweep::program_of(provenance_of(points.front().config));
  if (arguments.has("output")) sweep::Store::check(arguments.text("output"), program);
  if (arguments.has("dry-run")) {
    dry_run(arguments, points, jobs);
    return;
  }

  const std::string& folder = arguments.text("output");
  if (arguments.has("html")) refuse_page_in(folder, arguments.text("html"));
  if (arguments.has("status")) {
    say_status(points, folder);
    return;
  }
  if (arguments.has("slurm")) {
    // Looked at, and let go of before the first task may begin.
    { const sweep::Store mine(folder, program); }
    const size_t missing = missing_runs(points, folder).size();
    if (missing != 0) submit_to_slurm(arguments, words, folder, missing);
    if (missing == 0) say_status(points, folder);
    return;
  }
  if (share) points = points_of_share(points, *share);
  sweep::Store store(folder, program,
                     share ? sweep::Store::Access::Shared : sweep::Store::Access::Alone);
  std::optional<OutputFile> page;  // which may be in the folder
  if (arguments.has("html")) page.emplace(arguments.text("html"));
  Words asked = counters;
  for (const auto& more : {sweep::counters_shown(), Refusals::counters()})
    for (const std::string& name : more)
      if (std::find(asked.begin(), asked.end(), name) == asked.end()) asked.push_back(name);
  const Found found = run_points(arguments, points, asked, jobs, store);
  const auto refuse_failed = [&](size_t runs) {
    if (found.failed != 0)
      throw Error("", fmt::format("{} of {} failed", found.failed, format_counted(runs, "run")),
                  "results.csv says why; the same command tries them again");
  };
  if (share) {
    for (size_t i = 0; i < points.size(); ++i)
      if (found.outcomes[i].is == sweep::Outcome::Is::Failed)
        error(fmt::format("{}: {}", points[i].name, found.outcomes[i].why));
    print(fmt::format("share {} of {}: {} done now, {} found, {} failed\n", share->number,
                      share->of, format_counted(points.size() - found.kept - found.failed, "run"),
                      found.kept, found.failed));
    refuse_failed(points.size());
    return;
  }

  const report::Table table = sweep::results_table(points, found.outcomes, counters);
  write_file(store.path_of("results.csv"), report::csv_of(table));
  write_file(store.path_of("results.db"), report::database_of({&table, 1}));
  const auto said_by_report = [](const std::string&) {};  // of other sweeps' results
  if (page) {
    page->write(report::page_of(sweep::read_folder(folder, said_by_report)));
    page->commit();
  }
  const std::vector<size_t> runs = sweep::distinct(points);
  show(folder, table, runs.size(), found);
  if (arguments.has("plot")) print(report::plots_of(sweep::read_folder(folder, said_by_report)));
  Refusals refusals(Refusals::Of::Trace);
  bool checked = false;
  for (const size_t i : runs) {
    refusals.look(points[i].name, found.outcomes[i].report);
    checked = checked || points[i].config.flag("run.check");
  }
  refuse_failed(runs.size());
  refusals.answer(checked);
}

// 'sweep status DIR' and 'sweep resume DIR': the command that was handed to Slurm, again.
Words again(const Words& words) {
  const std::string& what = words.front();
  if (words.size() < 2 || words[1].starts_with('-'))
    throw UsageError("", "no folder is named", fmt::format("as in: mmusim sweep {} DIR", what));
  std::error_code error;
  if (!std::filesystem::is_directory(words[1], error))
    throw UsageError(words[1],
                     std::filesystem::exists(words[1], error) ? "is no folder" : "is not there");
  const auto submitted = submitted_from(words[1]);
  if (!submitted)
    throw UsageError(words[1], "holds no sweep that was handed to Slurm",
                     "one that was not goes on with its own command");
  std::filesystem::current_path(submitted->folder, error);
  if (error)
    throw Error(submitted->folder,
                fmt::format("cannot go to where the sweep was begun: {}", error.message()));
  Words command = submitted->words;
  command.insert(command.end(), words.begin() + 2, words.end());
  if (what == "status") command.emplace_back("--status");
  return command;
}

}  // namespace

void sweep(const Words& words) {
  if (!words.empty() && (words.front() == "status" || words.front() == "resume")) {
    do_sweep(again(words));
  } else {
    do_sweep(words);
  }
}

}  // namespace mmusim::cli
