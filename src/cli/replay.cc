#include "cli/command.h"
#include "cli/simulate.h"

namespace mmusim::cli {

void replay(const Words& words) {
  const config::Schema schema = simulation_schema();
  Arguments arguments("replay TRACE [--machine NAME|FILE] [--page-table KIND] [options]",
                      "Takes every reference and memory event of a trace (.mmt) through a "
                      "simulated machine and\nprints what its translations cost.");
  arguments.positional("TRACE", 1);
  declare_simulation_options(arguments, schema);
  if (!arguments.parse(words)) return;
  simulate(arguments, simulation_config(arguments, schema, "", arguments.text("TRACE")));
}

}  // namespace mmusim::cli
