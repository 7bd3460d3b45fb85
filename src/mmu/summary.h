// What every architecture counts under the same names, so that machines can be put side by side:
// the counters mmu.*, and what a translation costs in cycles.
//
// Denominators are the program's own: instructions, and the look-ups of the first level. Retries
// after faults are in walks, handler runs and references, since the machine makes them all the
// same; not in the misses. Cycles are events times the cost.* keys, worked out at the end; the
// simulator is no model of a pipeline. What TLB misses cost, page faults' entries, the kernel's
// work on page tables and flushes are parts of their own. Plain data.
#ifndef MMUSIM_MMU_SUMMARY_H_
#define MMUSIM_MMU_SUMMARY_H_

#include <cstdint>

#include "mem/sink.h"
#include "mmu/miss_path.h"
#include "stats/report.h"

namespace mmusim::mmu {

struct Summary {
  uint64_t fetch_lookups = 0;
  uint64_t data_lookups = 0;
  uint64_t first_fetch_misses = 0;  // of the first level
  uint64_t first_data_misses = 0;
  uint64_t last_fetch_misses = 0;  // of the last TLB level: what a walk or a handler is needed for
  uint64_t last_data_misses = 0;
  uint64_t hardware_walks = 0;  // begun by a hardware walker of any kind
  uint64_t traps = 0;           // interruptions taken by the miss path
  uint64_t handler_instructions = 0;
  uint64_t faults = 0;       // ends of the miss path in the kernel's page-fault code
  uint64_t fault_traps = 0;  // interruptions taken to get there
  uint64_t fault_instructions = 0;
  uint64_t soft_lookups = 0;  // of the software TLB: VHPT, hash table, TSB, radix copy
  uint64_t soft_hits = 0;
  uint64_t soft_bytes = 0;     // its memory at its largest
  uint64_t flushes = 0;        // requests of the kernel
  uint64_t flushed_pages = 0;  // purges of single pages those came to, on all CPUs
  // Times a CPU emptied its TLBs, of an address space or whole: for them, and so that numbers which
  // tag entries can be used anew.
  uint64_t emptied = 0;
  unsigned cpus = 1;
  uint64_t interrupts = 0;  // sent to other CPUs
  uint64_t broadcasts = 0;  // purges the hardware sent to all CPUs by itself: ptc.ga, tlbie

  void take(const PathReport& paths) {
    traps = paths.traps();
    handler_instructions = paths.instructions();
    faults = paths.faults();
    fault_traps = paths.fault_traps();
    fault_instructions = paths.fault_instructions();
  }
};

// What that costs so far.
struct Cycles {
  uint64_t next_level = 0;  // first-level misses that a further level answered
  uint64_t walks = 0;
  uint64_t traps = 0;
  uint64_t instructions = 0;  // of handlers
  uint64_t walker = 0;        // references of hardware walkers
  uint64_t handler = 0;       // references of handlers, their code included
  uint64_t faults = 0;        // into the kernel's page-fault code, and back
  uint64_t kernel = 0;        // references of the kernel
  uint64_t flushes = 0;
  uint64_t interrupts = 0;  // 0 where there is one CPU, as broadcasts
  uint64_t broadcasts = 0;

  [[nodiscard]] uint64_t misses() const {
    return next_level + walks + traps + instructions + walker + handler;
  }
  // The kernel's work, but for entering it.
  [[nodiscard]] uint64_t kernel_work() const { return kernel + flushes + interrupts + broadcasts; }
  [[nodiscard]] uint64_t all() const { return misses() + faults + kernel_work(); }
};
Cycles cycles_of(const Summary& summary, const mem::ReferenceSink& sink);

// Adds the counters mmu.*. Where there is one CPU nothing is said, or charged, of telling others.
void report_summary(const Summary& summary, const mem::ReferenceSink& sink, stats::Report& report);

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_SUMMARY_H_
