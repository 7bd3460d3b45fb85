#include "mmu/summary.h"

#include <fmt/format.h>

namespace mmusim::mmu {

namespace {

void report_cycles(const Summary& s, const mem::ReferenceSink& sink, stats::Report& report) {
  const Cycles cycles = cycles_of(s, sink);
  const auto part = [&report](const char* name, uint64_t value, const char* meaning) {
    report.add(fmt::format("mmu.cycles.{}", name), value, "cycles", meaning, "mmu.cycles");
  };
  part("next_level", cycles.next_level,
       "First-level misses that a further level answered, times cost.next_level.");
  part("walks", cycles.walks, "mmu.walks times cost.walk.");
  part("traps", cycles.traps, "mmu.traps times cost.trap.");
  part("instructions", cycles.instructions, "mmu.handler.instructions times cost.instruction.");
  part("walker", cycles.walker, "References of hardware walkers.");
  part("handler", cycles.handler, "References of software handlers, their code included.");
  report.add("mmu.miss_cycles", cycles.misses(), "cycles",
             "What TLB misses cost: the sum of mmu.cycles.next_level, .walks, .traps, "
             ".instructions, .walker and .handler.",
             "mmu.cycles");
  part("faults", cycles.faults,
       "What entering the kernel's page-fault code and leaving it costs: mmu.faults.traps "
       "times cost.trap, mmu.faults.instructions times cost.instruction, and with caches the "
       "fetches of that code.");
  part("kernel", cycles.kernel,
       "The kernel's references to page tables: faults, fork, munmap, ...");
  part("flushes", cycles.flushes,
       "mmu.flushed_pages times cost.flush.page, and mmu.emptied times cost.flush.all.");
  if (s.cpus > 1) {
    report.add("mmu.broadcasts", s.broadcasts, "instructions",
               "Purges that the hardware sent to all CPUs by itself: ptc.ga, tlbie.",
               "mmu.flushes");
    part("interrupts", cycles.interrupts, "mmu.interrupts times cost.interrupt.");
    part("broadcasts", cycles.broadcasts, "mmu.broadcasts times cost.broadcast.");
  }
  report.add("mmu.cycles", cycles.all(), "cycles",
             "What translation cost: the sum of mmu.cycles.*. Of the kernel's work it holds the "
             "entries of faults and the references to page tables, not its instructions.");
}

}  // namespace

Cycles cycles_of(const Summary& s, const mem::ReferenceSink& sink) {
  using mem::Origin;
  const mem::CostTable& costs = sink.costs();
  const uint64_t first = s.first_fetch_misses + s.first_data_misses;
  const uint64_t last = s.last_fetch_misses + s.last_data_misses;
  return {.next_level = (first - last) * costs.next_level,
          .walks = s.hardware_walks * costs.walk,
          .traps = s.traps * costs.trap,
          .instructions = s.handler_instructions * costs.instruction,
          .walker = sink.cycles(Origin::Walker),
          .handler = sink.cycles(Origin::Handler) + sink.cycles(Origin::HandlerCode),
          .faults = s.fault_traps * costs.trap + s.fault_instructions * costs.instruction +
                    sink.cycles(Origin::FaultCode),
          .kernel = sink.cycles(Origin::Kernel),
          .flushes = s.flushed_pages * costs.flush_page + s.emptied * costs.flush_all,
          .interrupts = s.cpus > 1 ? s.interrupts * costs.interrupt : 0,
          .broadcasts = s.cpus > 1 ? s.broadcasts * costs.broadcast : 0};
}

void report_summary(const Summary& s, const mem::ReferenceSink& sink, stats::Report& report) {
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
             "Interruptions of the miss path; those only a page fault takes are not among them.");
  report.add("mmu.handler.instructions", s.handler_instructions, "instructions",
             "Instructions of software TLB-miss handlers.");
  report.add("mmu.faults", s.faults, "faults",
             "Page faults: entries into the kernel's page-fault code, for accesses it then refused "
             "too.");
  report.add("mmu.faults.traps", s.fault_traps, "events",
             "Interruptions taken to get there, beside those of the miss path.", "mmu.faults");
  report.add("mmu.faults.instructions", s.fault_instructions, "instructions",
             "Instructions from where a miss handler gives up, or the exception is taken, to the "
             "kernel's page-fault code, and from its end back to the program.",
             "mmu.faults");
  report.add(
      "mmu.soft.lookups", s.soft_lookups, "lookups",
      "Lookups of the software TLB: VHPT, hash table, TSB, or the radix copy a walker reads.");
  report.add("mmu.soft.hits", s.soft_hits, "lookups", "... that found the page.",
             "mmu.soft.lookups");
  report.state("mmu.soft.bytes", s.soft_bytes, "bytes",
               "Most memory of the software TLB, beside the page tables' own.");
  report.add("mmu.flushes", s.flushes, "events", "Flushes the kernel asked for.");
  report.add("mmu.flushed_pages", s.flushed_pages, "pages",
             "Single pages purged by them, on all CPUs.", "mmu.flushes");
  report.add("mmu.emptied", s.emptied, "events",
             "Times a CPU emptied its TLBs, of an address space or whole (by a new number for it "
             "too): for flushes, and so that numbers which tag entries can be used anew. Loading "
             "another address space is not among them.",
             "mmu.flushes");
  report.add("mmu.interrupts", s.interrupts, "events",
             "Inter-processor interrupts sent to make other CPUs flush.", "mmu.flushes");

  report_cycles(s, sink, report);
}

}  // namespace mmusim::mmu
