// run: what a configuration file says.
#include "cli/command.h"
#include "cli/simulate.h"

namespace mmusim::cli {

void run(const Words& words) {
  Arguments arguments("run CONFIG [--section.key=VALUE ...] [-o DIR] [options]",
                      "Runs the experiment that a config file describes: run.trace names the "
                      "trace, run.machine the\nmachine, and any other key may be set. CONFIG is a "
                      "path, or a name 'mmusim list experiments' shows.\nLater settings win: "
                      "defaults, machine file, CONFIG, command line.");
  arguments.positional("CONFIG", 1);
  declare_simulation_options(arguments);
  const config::Schema schema = simulation_schema(arguments, words);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;
  simulate(arguments, simulation_config(arguments, schema));
}

}  // namespace mmusim::cli
