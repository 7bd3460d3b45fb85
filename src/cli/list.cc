// list: what there is to choose from: machines, page tables, keys, counters.
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/configuration.h"
#include "cli/documents.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/simulate.h"
#include "config/options.h"
#include "pt/page_table.h"
#include "report/wrap.h"
#include "sim/architectures.h"
#include "sim/simulation.h"
#include "stats/results.h"
#include "trace/exporter.h"
#include "trace/importer.h"

namespace mmusim::cli {
namespace {

constexpr size_t kNameWidth = 25;
constexpr size_t kIndent = 4;  // of a meaning below a name

void print_item(const std::string& name, const std::string& text) {
  print(report::beside(name, text, kNameWidth));
}

void print_files(const Kind& kind) {
  for (const NamedFile& file : named_files(kind))
    print_item(file.name, file.summary.empty() ? file.path : file.summary);
}

void list_files(const char* placeholder, const Words& words) {
  const Kind& kind = kind_of_placeholder(placeholder);
  Arguments arguments(
      fmt::format("list {}", kind.list),
      fmt::format("The files in {} that end in {}, by name.", kind.folder, kind.ending));
  if (!arguments.parse(words)) return;
  print_files(kind);
}

void list_machines(const Words& words) {
  list_files("MACHINE", words);
}
void list_traces(const Words& words) {
  list_files("TRACE", words);
}
void list_scripts(const Words& words) {
  list_files("SCRIPT", words);
}
void list_experiments(const Words& words) {
  list_files("CONFIG", words);
}
void list_sweeps(const Words& words) {
  list_files("SWEEP", words);
}

void list_page_tables(const Words& words) {
  Arguments arguments("list page-tables", "The page tables a simulated kernel can have.");
  if (!arguments.parse(words)) return;
  for (const pt::Backend& backend : pt::backends())
    print_item(backend.name, backend.summary);
}

void list_architectures(const Words& words) {
  Arguments arguments("list architectures", "The architectures that can be simulated.");
  if (!arguments.parse(words)) return;
  for (const sim::Architecture& architecture : sim::all_architectures())
    print_item(architecture.name, architecture.summary);
}

void list_formats(const Words& words) {
  Arguments arguments("list formats",
                      "The recordings that 'mmusim trace import' can turn into a trace, and what "
                      "'mmusim trace export'\ncan make of one.");
  if (!arguments.parse(words)) return;
  print("To import:\n");
  for (const trace::Importer& importer : trace::importers())
    print_item(importer.name, importer.summary);
  print("\nTo export:\n");
  for (const trace::Exporter& exporter : trace::exporters())
    print_item(exporter.name, exporter.summary);
}

void list_counters(const Words& words) {
  Arguments arguments("list counters [--machine MACHINE|FILE] [options]",
                      "Every counter that a replay on this machine reports, with its unit, what it "
                      "is divided by, and its meaning.");
  Documents::declare(arguments, "the counters, with values of 0,", "the counters, a row each");
  declare_machine_options(arguments);
  const config::Schema schema = simulation_schema(arguments, words);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;
  const config::Config config = simulation_config(arguments, schema);
  refuse_unread_keys({&config});
  Documents documents(arguments);
  const stats::Report catalog = sim::catalog(config);
  documents.write(
      [&] { return stats::results_json(provenance_of(config), config, catalog); },
      [&] { return stats::counters_csv(catalog); },
      [&] {
        std::string text;
        for (const stats::Counter& counter : catalog.counters()) {
          const std::string per =
              counter.denominator.empty() ? "" : fmt::format(", per {}", counter.denominator);
          text += report::beside(counter.name, fmt::format("({}{})", counter.unit, per), kIndent) +
                  report::beside("", counter.meaning, kIndent);
        }
        return text;
      });
}

void list_keys(const Words& words) {
  Arguments arguments("list keys [--machine MACHINE|FILE] [--page-table KIND|FILE]",
                      "Every configuration key with its default, and its meaning. With --machine: "
                      "those this machine\n"
                      "reads, with its values.");
  arguments.options()("machine,m", text_option("MACHINE|FILE"),
                      "Only the keys of this machine.")  //
      ("page-table,p", text_option("KIND|FILE"),
       "With the keys of this page table, or of this plug-in.");
  declare_configuration_options(arguments);
  const config::Schema schema = simulation_schema(arguments, words);
  if (!arguments.parse(words)) return;
  const config::Config config = simulation_config(arguments, schema);
  std::vector<const config::Key*> keys;
  if (arguments.has("machine")) {
    keys = sim::keys_read(config);
  } else {
    for (const config::Key& key : schema.keys())
      keys.push_back(&key);
  }
  for (const config::Key* key : keys)
    print(
        fmt::format("{} = {}\n", key->name,
                    arguments.has("machine") ? config.value_text(key->name) : key->default_value) +
        report::beside("", config::describe(*key), kIndent));
}

constexpr Command kLists[] = {
    {"machines", "Machines to simulate, for --machine", list_machines},
    {"traces", "Traces that are shipped, to replay", list_traces},
    {"scripts", "Workload scripts, for 'mmusim workload' and 'mmusim compare'", list_scripts},
    {"page-tables", "Page tables of the simulated kernel, for --page-table", list_page_tables},
    {"architectures", "Architectures, for machine.arch", list_architectures},
    {"formats", "Formats that can be imported or exported", list_formats},
    {"experiments", "Experiments, for 'mmusim run'", list_experiments},
    {"sweeps", "Descriptions of sweeps, for 'mmusim sweep'", list_sweeps},
    {"counters", "What a replay counts", list_counters},
    {"keys", "Configuration keys", list_keys},
};

}  // namespace

std::span<const Command> lists() {
  return kLists;
}

}  // namespace mmusim::cli
