#include "sim/replay_loop.h"

#include <fmt/format.h>

namespace mmusim::sim {

VirtAddr WatchedAccess::pc() const {
  VirtAddr at = block->start;
  for (unsigned i = 0; i < instruction; ++i)
    at += block->lengths[i];
  return at;
}

void LoopCounters::report(stats::Report& report) const {
  report.add(
      "access.fetches", fetches, "lookups",
      "TLB look-ups for instruction fetches: one per instruction, two if it straddles pages.");
  report.add("access.data", data_accesses, "lookups",
             "TLB look-ups for data: one per load, store or read-modify-write, two if it straddles "
             "pages.");
  report.add("access.straddles", straddles, "accesses",
             "Fetches and data accesses that straddled pages.");
  report.add("access.refused", refused, "lookups",
             "Look-ups whose fault the kernel refused; the access was skipped.");
  report.add("access.retries", retries, "lookups",
             "Look-ups repeated after a page fault was fixed; not among the other look-ups.");
  if (instructions.size() < 2) return;
  for (size_t cpu = 0; cpu < instructions.size(); ++cpu)
    report.add(fmt::format("run.instructions.cpu{}", cpu), instructions[cpu], "instructions",
               "Instructions of threads while they ran on that CPU.", "run.instructions");
}

}  // namespace mmusim::sim
