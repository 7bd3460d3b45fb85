// replay: a trace on one machine.
#include "cli/command.h"
#include "cli/simulate.h"

namespace mmusim::cli {

void replay(const Words& words) {
  Arguments arguments("replay TRACE [--machine MACHINE|FILE] [--page-table KIND|FILE] [options]",
                      "Takes every reference and memory event of a trace (.mmt) through a "
                      "simulated machine and\nprints what its translations cost.");
  arguments.positional("TRACE", 1);
  declare_simulation_options(arguments);
  const config::Schema schema = simulation_schema(arguments, words);
  arguments.keys(schema);
  if (!arguments.parse(words)) return;
  simulate(arguments, simulation_config(arguments, schema));
}

}  // namespace mmusim::cli
