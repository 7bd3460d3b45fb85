// A look at one page table in the middle of a trace or script, or at one filled with a set of
// pages.
//
// For tools that want the table itself, not what a run counted. A trace is replayed as `replay`
// does it, a script run as `workload simulate` does, so the table has the history the program gave
// it: faults in their order, forks, unmappings.
#ifndef MMUSIM_SIM_INSPECT_H_
#define MMUSIM_SIM_INSPECT_H_

#include "config/schema.h"
#include "sim/moment.h"
#include "sim/page_set.h"
#include "sim/replay_result.h"

namespace mmusim::sim {

// The moment a choice means. Errors: Error when no process there has a page, or the
// end comes before it; and replay()'s.
Moment find_moment(const config::Config& config, const Choice& choice,
                   const ReplayOptions& options);

// Plays up to the moment and shows the page table of its process. Errors: replay()'s.
void inspect(const config::Config& config, const Moment& moment, const ReplayOptions& options,
             const Inspection& look);

// Shows a page table that maps a set of pages, made in the set's order. Errors: Error when
// simulated memory is exhausted; UsageError when the page table cannot map the set.
void inspect_set(const config::Config& config, const PageSet& set, const Inspection& look);

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_INSPECT_H_
