#include "sim/replay.h"

namespace mmusim::sim {

void report_totals(const trace::Totals& totals, stats::Report& report) {
  report.add("run.instructions", totals.instructions, "instructions", "Instructions replayed.");
  report.add("run.blocks", totals.blocks, "blocks",
             "Block records replayed: straight runs of instructions.");
  report.add("run.loads", totals.loads, "accesses", "Loads replayed.", "run.instructions");
  report.add("run.stores", totals.stores, "accesses", "Stores replayed.", "run.instructions");
  report.add("run.modifies", totals.modifies, "accesses",
             "Read-modify-writes replayed; each is one access.", "run.instructions");
  report.add("run.events", totals.events, "events",
             "Events replayed: system calls, forks, execs, exits.");
}

}  // namespace mmusim::sim
