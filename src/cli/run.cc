#include "cli/command.h"
#include "cli/config_files.h"
#include "cli/simulate.h"

namespace mmusim::cli {

void run(const Words& words) {
  const config::Schema schema = simulation_schema();
  Arguments arguments("run CONFIG [--section.key=VALUE ...] [-o DIR] [options]",
                      "Runs the experiment that a config file describes: run.trace names the "
                      "trace, run.machine the\nmachine, and any other key may be set. CONFIG is a "
                      "path, or a name 'mmusim list experiments' shows.\nLater settings win: "
                      "defaults, machine file, CONFIG, command line.");
  arguments.positional("CONFIG", 1);
  declare_simulation_options(arguments, schema);
  if (!arguments.parse(words)) return;
  const std::string file = find_config_file("experiments", arguments.text("CONFIG"), "CONFIG");
  simulate(arguments, simulation_config(arguments, schema, file, ""));
}

}  // namespace mmusim::cli
