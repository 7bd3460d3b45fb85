// A point of a trace or script, and what can be looked at there.
#ifndef MMUSIM_SIM_MOMENT_H_
#define MMUSIM_SIM_MOMENT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/types.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"
#include "sim/workload/plan.h"

namespace mmusim::sim {

// The point, and the process to look at.
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

struct Inspected {
  pt::PageTable& table;
  const pt::EntryFormat& format;        // of its entries
  const pt::TableAllocator& allocator;  // of all page tables of the machine
  uint64_t common_bytes = 0;            // of tables that belong to no address space alone
  PageShift page;
  VirtRange everything;  // the user addresses
};
using Inspection = std::function<void(const Inspected&)>;

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_MOMENT_H_
