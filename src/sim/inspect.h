// A look at one page table in the middle of a replay, or at one filled with a set of pages.
//
// For tools that want the table itself, not what a run counted. A trace is replayed as `replay`
// does it, so the table has the history the program gave it: faults in their order, forks,
// unmappings.
#ifndef MMUSIM_SIM_INSPECT_H_
#define MMUSIM_SIM_INSPECT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/types.h"
#include "config/schema.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"
#include "sim/page_set.h"
#include "sim/simulation.h"

namespace mmusim::sim {

// A point of a trace, and the process to look at.
struct Moment {
  uint64_t batches = 0;  // replayed by then
  uint64_t instructions = 0;
  Pid pid;
  uint64_t pages = 0;  // resident in that process
};

struct Choice {
  std::optional<Pid> pid;                // else the process with most pages
  std::optional<uint64_t> instructions;  // after so many; else when it has most pages
};

// The moment a choice means. Errors: Error when no process there has a page; and replay()'s.
Moment find_moment(const config::Config& config, const Choice& choice,
                   const ReplayOptions& options);

struct Inspected {
  pt::PageTable& table;
  const pt::TableAllocator& allocator;  // of all page tables of the machine
  uint64_t common_bytes = 0;            // of tables that belong to no address space alone
  PageShift page;
  VirtRange everything;  // the user addresses
};
using Inspection = std::function<void(const Inspected&)>;

// Replays up to the moment and shows the page table of its process. Errors: replay()'s.
void inspect(const config::Config& config, const Moment& moment, const ReplayOptions& options,
             const Inspection& look);

// Shows a page table that maps a set of pages, made in the set's order. Errors: Error when
// simulated memory is exhausted; UsageError when the page table cannot map the set.
void inspect_set(const config::Config& config, const PageSet& set, const Inspection& look);

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_INSPECT_H_
