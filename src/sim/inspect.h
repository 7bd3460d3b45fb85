// A look at one page table in the middle of a trace or script, or at one filled with a set of
// pages.
//
// For tools that want the table itself, not what a run counted. A trace is replayed as `replay`
// does it, a script run as `workload simulate` does, so the table has the history the program gave
// it: faults in their order, forks, unmappings.
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
#include "sim/workload/plan.h"

namespace mmusim::sim {

// A point of a trace or script, and the process to look at.
struct Moment {
  // What is played: this script, which must outlive the moment; null: the trace run.trace names.
  const workload::Plan* script = nullptr;
  uint64_t steps = 0;         // done by then: of a trace, batches
  uint64_t instructions = 0;  // of a trace
  Pid pid;
  uint64_t pages = 0;  // resident in that process

  // "process 12 after 1,000 instructions"
  [[nodiscard]] std::string text() const;
};

struct Choice {
  const workload::Plan* script = nullptr;  // as in Moment
  std::optional<Pid> pid;                  // else the process with most pages
  // After so many instructions, or steps of a script; else when it has most pages.
  std::optional<uint64_t> at;
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

// Plays up to the moment and shows the page table of its process. Errors: replay()'s.
void inspect(const config::Config& config, const Moment& moment, const ReplayOptions& options,
             const Inspection& look);

// Shows a page table that maps a set of pages, made in the set's order. Errors: Error when
// simulated memory is exhausted; UsageError when the page table cannot map the set.
void inspect_set(const config::Config& config, const PageSet& set, const Inspection& look);

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_INSPECT_H_
