#include "report/rates.h"

namespace mmusim::report {

uint64_t value_or_0(const stats::Report& report, std::string_view name) {
  const stats::Counter* const counter = report.find(name);
  return counter == nullptr ? 0 : counter->value;
}

uint64_t Rate::of(const stats::Report& report) const {
  uint64_t sum = 0;
  for (const char* const name : counters)
    sum += value_or_0(report, name);
  return sum;
}

const std::vector<RateGroup>& rate_groups() {
  static const std::vector<RateGroup> kGroups = {
      {"TLB misses",
       {{"first I", "first_level_fetch_misses", {"mmu.first.fetch_misses"}},
        {"first D", "first_level_data_misses", {"mmu.first.data_misses"}},
        {"last I", "last_level_fetch_misses", {"mmu.last.fetch_misses"}},
        {"last D", "last_level_data_misses", {"mmu.last.data_misses"}}}},
      {"Miss path",
       {{"walks", "walks", {"mmu.walks"}},
        {"traps", "traps", {"mmu.traps"}},
        {"handler instr", "handler_instructions", {"mmu.handler.instructions"}},
        {"walker refs", "walker_references", {"refs.walker"}},
        {"handler refs", "handler_references", {"refs.handler"}}}},
      {"Kernel",
       {{"faults", "faults", {"kernel.faults.minor", "kernel.faults.major"}},
        {"entries", "fault_entries", {"mmu.faults"}},
        {"entry instr", "fault_instructions", {"mmu.faults.instructions"}},
        {"table refs", "kernel_references", {"refs.kernel"}}}},
      {"Flushes",
       {{"requests", "flushes", {"mmu.flushes"}},
        {"pages", "flushed_pages", {"mmu.flushed_pages"}},
        {"TLBs emptied", "emptied", {"mmu.emptied"}},
        {"interrupts", "interrupts", {"mmu.interrupts"}}}},
      {"Memory at most",
       {{"page tables", "page_table_bytes", {"kernel.page_tables.peak"}},
        {"software TLB", "software_tlb_bytes", {"mmu.soft.bytes"}}}},
  };
  return kGroups;
}

std::span<const Rate> cycle_rates() {
  static const std::vector<Rate> kCycles = {
      {"total", "cycles", {"mmu.cycles"}},
      {"TLB misses", "cycles_misses", {"mmu.miss_cycles"}},
      {"fault entries", "cycles_faults", {"mmu.cycles.faults"}},
      {"kernel refs", "cycles_kernel", {"mmu.cycles.kernel"}},
      {"flushes", "cycles_flushes", {"mmu.cycles.flushes"}},
      {"interrupts", "cycles_interrupts", {"mmu.cycles.interrupts"}},
      {"broadcasts", "cycles_broadcasts", {"mmu.cycles.broadcasts"}}};
  return kCycles;
}

std::span<const Rate> miss_cycle_rates() {
  static const std::vector<Rate> kMissCycles = {
      {"total", "cycles_misses", {"mmu.miss_cycles"}},
      {"next level", "cycles_next_level", {"mmu.cycles.next_level"}},
      {"walks", "cycles_walks", {"mmu.cycles.walks"}},
      {"walker refs", "cycles_walker", {"mmu.cycles.walker"}},
      {"traps", "cycles_traps", {"mmu.cycles.traps"}},
      {"instr", "cycles_instructions", {"mmu.cycles.instructions"}},
      {"handler refs", "cycles_handler", {"mmu.cycles.handler"}}};
  return kMissCycles;
}

Work work_of(const stats::Report& report) {
  const uint64_t instructions = value_or_0(report, "run.instructions");
  if (instructions != 0) return {"instructions", instructions};
  return {"accesses",
          value_or_0(report, "mmu.fetch_lookups") + value_or_0(report, "mmu.data_lookups")};
}

}  // namespace mmusim::report
