// page-table footprint: what page tables need for given memory, and a look-up of every page.
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/output_file.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/documents.h"
#include "cli/log.h"
#include "cli/output.h"
#include "cli/simulate.h"
#include "pt/drawing.h"
#include "pt/footprint.h"
#include "report/footprint_table.h"
#include "sim/inspect.h"
#include "sim/machine_options.h"

namespace mmusim::cli {
namespace {

constexpr const char* kFootprintSource = "TRACE|SCRIPT|SET";
constexpr const char* kFootprintText =
    "Prints what the page table of a process weighs, for each kind of page table: bytes, words "
    "and\n"
    "cache lines per look-up, restructuring, fragmentation. The trace (.mmt) is replayed, or the\n"
    "workload script (.workload) run, once with each kind, so that each has the history of "
    "faults,\n"
    "forks and unmappings the program gave it. Without --pid and --at: the process that ever has\n"
    "most pages, when it has most. A script's processes are numbered from 1 on.\n"
    "\n"
    "In place of these, a set of pages mapped in order:\n"
    "  dense:SIZE[:shuffled]      SIZE bytes without a gap\n"
    "  stride:STEP:COUNT          COUNT pages, STEP bytes from one to the next\n"
    "  random:BITS:COUNT          COUNT pages anywhere in the lowest 2^BITS bytes\n"
    "  objects:BITS:COUNT:PAGES   COUNT objects of PAGES pages each, anywhere there";

std::vector<std::string> page_tables(const Arguments& arguments) {
  std::vector<std::string> names;
  if (arguments.has("page-tables")) return arguments.list("page-tables");
  for (const pt::Backend& backend : pt::backends())
    names.emplace_back(backend.name);
  return names;
}

uint32_t pid_of(const std::string& text) {
  const auto number = parse_count(text);
  if (!number || *number > UINT32_MAX)
    throw UsageError("--pid", fmt::format("'{}' is no process", text.substr(0, 100)));
  return static_cast<uint32_t>(*number);
}

// `pid`: null, the process with most pages.
sim::Choice choice_of(const Arguments& arguments, const std::string* pid) {
  sim::Choice choice;
  if (pid != nullptr) choice.pid = Pid(pid_of(*pid));
  if (arguments.has("at")) choice.at = arguments.number("at", 0);
  return choice;
}

// Replays and inspections of one command, each shown as progress of its own.
class Source {
 public:
  Source(const Arguments& arguments, const std::string* pid)
      : text_(arguments.text(kFootprintSource)), quiet_(arguments.has("quiet")) {
    if (sim::is_page_set(text_)) {
      set_ = sim::parse_page_set(text_, arguments.number("seed", 1));
    } else {
      choice_ = choice_of(arguments, pid);
      if (is_script(text_)) choice_.script = &script_.emplace(load_plan(text_));
    }
  }

  // When it is looked; after a look.
  [[nodiscard]] std::string what() const { return moment_ ? moment_->text() : ""; }

  void look(const config::Config& config, const std::string& name, const sim::Inspection& look) {
    if (set_) {
      sim::inspect_set(config, *set_, look);
      return;
    }
    // The same over every page table.
    if (!moment_)
      watched(fmt::format("looking through {}", text_), [&](const sim::ReplayOptions& options) {
        moment_ = sim::find_moment(config, choice_, options);
      });
    watched(fmt::format("replaying over {}", name), [&](const sim::ReplayOptions& options) {
      sim::inspect(config, *moment_, options, look);
    });
  }

 private:
  template <class Work>
  void watched(const std::string& title, Work work) {
    // A script tells nothing of its progress.
    with_progress(title, quiet_ || script_, work);
  }

  std::string text_;
  bool quiet_;
  std::optional<sim::PageSet> set_;
  std::optional<sim::workload::Plan> script_;
  sim::Choice choice_;
  std::optional<sim::Moment> moment_;
};

}  // namespace

void page_table_footprint(const Words& words) {
  Arguments arguments("page-table footprint TRACE|SCRIPT|SET [--page-tables KIND,...] [options]",
                      kFootprintText);
  arguments.positional(kFootprintSource, 1);
  arguments.options()                                  //
      ("page-tables,p", text_option("KIND|FILE,..."),  //
       "The kinds of page table to compare, or paths of plug-ins; all of 'mmusim list page-tables' "
       "if not given.")                                //
      ("machine,m", text_option("MACHINE|FILE"),       //
       "The machine to replay on; sets run.machine.")  //
      ("pid", text_option("PID,..."),
       "The process, by the trace's number; of several the first, and --dot draws them all.")  //
      ("at", text_option("N"), "Look after about N instructions, or N steps of a script.")     //
      ("seed", text_option("N"), "Of random sets; 1 if not given.")                            //
      ("dot", text_option("FILE"),                                                             //
       "Draw the page table for Graphviz ('dot -Tsvg'); several kinds and processes side by side. "
       "Of a large one samples: of each table's children the first and the last few, and all "
       "counted by level.")                                                            //
      ("accept-torn", "Replay a torn trace as far as it goes; sets run.accept_torn.")  //
      ("quiet,q", "No progress on stderr.");
  Documents::declare(arguments, "the numbers", "the numbers, a row a page table");
  Documents::declare_page(arguments);
  declare_configuration_options(arguments);
  const config::Schema schema = simulation_schema(arguments, words);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;

  const std::string& source_text = arguments.text(kFootprintSource);
  const bool is_set = sim::is_page_set(source_text);
  if (is_set && (arguments.has("pid") || arguments.has("at")))
    throw UsageError("--pid, --at", "a set of pages has no processes and no instructions");
  const std::vector<std::string> names = page_tables(arguments);
  std::vector<Setting> settings;
  if (!is_set && !is_script(source_text))
    settings.push_back({"run.trace", source_text, "the command line"});
  config::Config config = simulation_config(arguments, schema, settings);
  std::vector<config::Config> configs;
  for (const std::string& name : names) {
    config.set("machine.page_table", name, "--page-tables");
    configs.push_back(config);
  }
  std::vector<const config::Config*> all;
  all.reserve(configs.size());
  for (const config::Config& one : configs)
    all.push_back(&one);
  refuse_unread_keys(all);

  // Opened before the work, so that a mistyped name does not cost it.
  std::unique_ptr<OutputFile> dot;
  if (arguments.has("dot")) dot = std::make_unique<OutputFile>(arguments.text("dot"));
  Documents documents(arguments);

  const Words pids = arguments.has("pid") ? arguments.list("pid") : Words();
  Source source(arguments, pids.empty() ? nullptr : pids.data());
  if (pids.size() > 1 && !dot)
    throw UsageError("--pid", "the numbers are those of one process", "several are for --dot");
  const sim::MachineOptions machine = sim::MachineOptions::from(config);
  report::FootprintHeading heading{
      .machine = machine.name, .arch = machine.arch, .source = source_text, .what = ""};
  std::vector<report::NamedFootprint> footprints;
  std::vector<std::string> measured;
  std::vector<std::string> parts;  // of the picture
  for (const std::string& name : names) {
    config.set("machine.page_table", name, "--page-tables");
    std::optional<report::NamedFootprint> footprint;
    std::vector<std::string> drawn;
    const auto draw = [&](const pt::PageTable& table, const Source& of) {
      drawn.push_back(pt::draw_part(
          table,
          fmt::format("{}: {}{}{}", name, source_text, of.what().empty() ? "" : " ", of.what()),
          parts.size() + drawn.size()));
    };
    std::string why = failure_of([&] {
      source.look(config, name, [&](const sim::Inspected& seen) {
        heading.page = seen.page.log2();
        footprint = {.name = name,
                     .footprint = pt::measure(seen.table, seen.format, seen.page, seen.everything,
                                              config.size("cache.line")),
                     .machine_bytes = seen.allocator.bytes_in_use(),
                     .held_bytes = seen.allocator.held_bytes(),
                     .common_bytes = seen.common_bytes};
        if (dot) draw(seen.table, source);
      });
      for (size_t i = 1; i < pids.size(); ++i) {
        Source other(arguments, &pids[i]);
        other.look(config, name, [&](const sim::Inspected& seen) { draw(seen.table, other); });
      }
    });
    if (why.empty()) {
      footprints.push_back(std::move(footprint).value());
      measured.push_back(name);
      parts.insert(parts.end(), drawn.begin(), drawn.end());
    } else {
      error(fmt::format("{}: {}", name, why));
      heading.failed.push_back({name, std::move(why)});
    }
  }
  const auto failed = [&] {
    return Error("",
                 fmt::format("{} of {} page tables failed", heading.failed.size(), names.size()));
  };
  if (footprints.empty()) throw failed();
  heading.what = source.what();
  if (dot) {
    dot->write(pt::picture_of(parts));
    dot->commit();
  }
  documents.write(
      [&] {
        return report::footprint_json(heading, footprints, provenance_of(config, measured), config);
      },
      [&] { return report::footprint_csv(footprints); },
      [&] { return report::footprint_table(heading, footprints); });
  if (!heading.failed.empty()) throw failed();
}

}  // namespace mmusim::cli
