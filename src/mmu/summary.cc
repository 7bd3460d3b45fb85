#include "mmu/summary.h"

namespace mmusim::mmu {

void report_summary(const Summary& s, const mem::ReferenceSink& sink, stats::Report& report) {
  const mem::CostTable& costs = sink.costs();
  report.add("mmu.fetch_lookups", s.fetch_lookups, "accesses",
             "Instruction fetches looked up in the first-level TLB.");
  report.add("mmu.data_lookups", s.data_lookups, "accesses",
             "Data accesses looked up in the first-level TLB.");
  report.add("mmu.first.fetch_misses", s.first_fetch_misses, "accesses",
             "Fetches the first level did not know.", "mmu.fetch_lookups");
  report.add("mmu.first.data_misses", s.first_data_misses, "accesses",
             "Data accesses the first level did not know.", "mmu.data_lookups");
  report.add("mmu.last.fetch_misses", s.last_fetch_misses, "accesses", "Fetches no TLB level knew.",
             "mmu.fetch_lookups");
  report.add("mmu.last.data_misses", s.last_data_misses, "accesses",
             "Data accesses no TLB level knew.", "mmu.data_lookups");
  report.add("mmu.walks", s.hardware_walks, "walks",
             "Searches by a hardware walker, of whatever table; retries included.");
  report.add("mmu.traps", s.traps, "events",
             "Interruptions of the miss path, before the kernel's fault handling.");
  report.add("mmu.handler.instructions", s.handler_instructions, "instructions",
             "Instructions of software TLB-miss handlers.");
  report.add(
      "mmu.soft.lookups", s.soft_lookups, "lookups",
      "Lookups of the software TLB: VHPT, hash table, TSB, or the radix copy a walker reads.");
  report.add("mmu.soft.hits", s.soft_hits, "lookups", "... that found the page.",
             "mmu.soft.lookups");
  report.add("mmu.soft.bytes", s.soft_bytes, "bytes",
             "Most memory of the software TLB, beside the page tables' own.");
  report.add("mmu.flushes", s.flushes, "events", "Flushes the kernel asked for.");
  report.add("mmu.flushed_pages", s.flushed_pages, "pages",
             "Single pages purged by them, on all CPUs.", "mmu.flushes");
  report.add("mmu.interrupts", s.interrupts, "events",
             "Inter-processor interrupts sent to make other CPUs flush.", "mmu.flushes");

  uint64_t interrupts = 0;
  uint64_t broadcasts = 0;
  if (s.cpus > 1) {
    interrupts = s.interrupts * costs.interrupt;
    broadcasts = s.broadcasts * costs.broadcast;
    report.add("mmu.broadcasts", s.broadcasts, "instructions",
               "Purges that the hardware sent to all CPUs by itself: ptc.ga, tlbie.",
               "mmu.flushes");
    report.add("mmu.cycles.interrupts", interrupts, "cycles",
               "mmu.interrupts times cost.interrupt.", "mmu.cycles");
    report.add("mmu.cycles.broadcasts", broadcasts, "cycles",
               "mmu.broadcasts times cost.broadcast.", "mmu.cycles");
  }
  const uint64_t first = s.first_fetch_misses + s.first_data_misses;
  const uint64_t last = s.last_fetch_misses + s.last_data_misses;
  const uint64_t next_level = (first - last) * costs.next_level;
  const uint64_t traps = s.traps * costs.trap;
  const uint64_t instructions = s.handler_instructions * costs.instruction;
  const uint64_t walker = sink.cycles(mem::Origin::Walker);
  const uint64_t handler =
      sink.cycles(mem::Origin::Handler) + sink.cycles(mem::Origin::HandlerCode);
  report.add("mmu.cycles.next_level", next_level, "cycles",
             "First-level misses that a further level answered, times cost.next_level.",
             "mmu.cycles");
  report.add("mmu.cycles.traps", traps, "cycles", "mmu.traps times cost.trap.", "mmu.cycles");
  report.add("mmu.cycles.instructions", instructions, "cycles",
             "mmu.handler.instructions times cost.instruction.", "mmu.cycles");
  report.add("mmu.cycles.walker", walker, "cycles", "References of hardware walkers.",
             "mmu.cycles");
  report.add("mmu.cycles.handler", handler, "cycles",
             "References of software handlers, their code included.", "mmu.cycles");
  report.add("mmu.cycles",
             next_level + traps + instructions + walker + handler + interrupts + broadcasts,
             "cycles",
             "What translation cost: the sum of mmu.cycles.*. The kernel's faults are not in it.");
}

}  // namespace mmusim::mmu
