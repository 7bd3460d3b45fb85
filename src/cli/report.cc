// report: results of other commands, as one page.
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <iterator>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/input_file.h"
#include "base/output_file.h"
#include "base/output_over.h"
#include "base/units.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/log.h"
#include "cli/output.h"
#include "report/page.h"
#include "report/read_results.h"
#include "sweep/read_folder.h"
#include "sweep/store.h"

namespace mmusim::cli {
namespace {

constexpr const char* kReportText =
    "Makes one page of HTML of results: figures of what translation costs, of sweeps, curves and "
    "footprints, with the tables behind them, the configurations' differences and where all came "
    "from. It needs no network, has light and dark colours and prints; figures can be saved as "
    "SVG, and their data as CSV. It takes the folders of 'mmusim sweep' and 'mmusim run -o', and "
    "what --json of replay, run, compare, curve, page-table footprint and of other commands that "
    "write tables has written.";
constexpr const char* kResults = "DIR|JSON";

template <class List>
void append(List& list, List&& more) {
  std::move(more.begin(), more.end(), std::back_inserter(list));
}

void add(report::ReadResults& all, report::ReadResults&& more) {
  append(all.runs, std::move(more.runs));
  append(all.failed, std::move(more.failed));
  append(all.footprints, std::move(more.footprints));
  append(all.documents, std::move(more.documents));
}

// What 'mmusim run -o' has written.
std::string results_of_run(const std::string& folder) {
  return folder + "/results.json";
}

// A page in the place of what it is made of; other arguments were compared with it before.
void refuse_page_over(const std::string& page, const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) return;
  if (sweep::is_sweep(folder) && sweep::Store::keeps(folder, page))
    throw UsageError("--output", fmt::format("'{}' is the sweep's own", page), "name another file");
  refuse_output_over({results_of_run(folder)}, page);
}

void read_named(const std::string& name, report::ReadResults& results) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_directory(name, error)) {
    report::read_results(read_file(name), name, results);
    return;
  }
  if (sweep::is_sweep(name)) {
    add(results, sweep::read_folder(name, warn));
    return;
  }
  const std::string file = results_of_run(name);
  if (!fs::exists(file, error))
    throw Error(name, "holds no results of 'mmusim sweep' or 'mmusim run -o'");
  report::read_results(read_file(file), file, results);
}

}  // namespace

void report(const Words& words) {
  Arguments arguments("report DIR|JSON ... -o FILE", kReportText);
  arguments.positional(kResults, -1);
  arguments.options()("output,o", text_option("FILE"), "The page (.html).");
  if (!arguments.parse(words)) return;
  if (!arguments.has("output"))
    throw UsageError("", "--output is missing", "name the page with -o FILE");

  for (const std::string& name : arguments.texts(kResults))
    refuse_page_over(arguments.text("output"), name);
  OutputFile file(arguments.text("output"));
  report::ReadResults results;
  for (const std::string& name : arguments.texts(kResults))
    read_named(name, results);
  if (results.empty()) throw Error("", "there are no results to report");
  const size_t runs = results.runs.size();
  const size_t failed = results.failed.size();
  const size_t documents = results.documents.size() + results.footprints.size();
  file.write(report::page_of(std::move(results)));
  file.commit();
  print(fmt::format("{}: {}{}{}\n", file.path(), format_counted(runs, "run"),
                    failed == 0 ? "" : fmt::format(", {} failed", format_count(failed)),
                    documents == 0 ? "" : ", " + format_counted(documents, "further document")));
}

}  // namespace mmusim::cli
