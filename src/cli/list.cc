// list: what there is to choose from: machines, page tables, keys, counters.
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/config_files.h"
#include "cli/configuration.h"
#include "cli/documents.h"
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

void print_files(const char* kind, const char* ending) {
  for (const ConfigFile& file : config_files(kind, ending))
    print_item(file.name, file.summary.empty() ? file.path : file.summary);
}

void list_files(const char* kind, const Words& words) {
  Arguments arguments(fmt::format("list {}", kind),
                      fmt::format("The files in configs/{}, by name.", kind));
  if (!arguments.parse(words)) return;
  print_files(kind, ".cfg");
}

void list_machines(const Words& words) {
  list_files("machines", words);
}
void list_experiments(const Words& words) {
  Arguments arguments(
      "list experiments",
      "The files in configs/experiments, by name: those for 'mmusim run' (.cfg) and "
      "those for 'mmusim sweep'\n(.sweep).");
  if (!arguments.parse(words)) return;
  print("To run:\n");
  print_files("experiments", ".cfg");
  print("\nTo sweep:\n");
  print_files("experiments", ".sweep");
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
  Arguments arguments("list counters [--machine NAME|FILE] [options]",
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
  Arguments arguments("list keys [--machine NAME|FILE] [--page-table KIND|FILE]",
                      "Every configuration key with its default, and its meaning. With --machine: "
                      "those this machine\n"
                      "reads, with its values.");
  arguments.options()("machine,m", text_option("NAME|FILE"), "Only the keys of this machine.")  //
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
    {"page-tables", "Page tables of the simulated kernel, for --page-table", list_page_tables},
    {"architectures", "Architectures, for machine.arch", list_architectures},
    {"formats", "Formats that can be imported or exported", list_formats},
    {"experiments", "Experiments, for 'mmusim run' and 'mmusim sweep'", list_experiments},
    {"counters", "What a replay counts", list_counters},
    {"keys", "Configuration keys", list_keys},
};

}  // namespace

void list(const Words& words) {
  if (!words.empty() && (words.front() == "--help" || words.front() == "-h")) {
    print("usage: mmusim list WHAT\n\n");
    for (const Command& what : kLists)
      print(fmt::format("  {:<14} {}\n", what.name, what.summary));
    return;
  }
  dispatch(kLists, words, "list", "'mmusim list --help' shows what there is");
}

}  // namespace mmusim::cli
