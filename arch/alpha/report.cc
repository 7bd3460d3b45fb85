#include "arch/alpha/report.h"

#include <fmt/format.h>
#include <string>

#include "arch/alpha/tlbs.h"

namespace mmusim::alpha {

namespace {

uint64_t kind_count(const MmuCounters& sum, AccessKind kind) {
  return sum.accesses[static_cast<unsigned>(kind)];
}

uint64_t data_count(const MmuCounters& sum) {
  return kind_count(sum, AccessKind::Load) + kind_count(sum, AccessKind::Store) +
         kind_count(sum, AccessKind::Modify);
}

void report_side(const std::string& name, const char* accesses, uint64_t lookups,
                 const SideCounters& side, const LevelCounters& level, stats::Report& report) {
  report.add(name + ".lookups", lookups, "accesses",
             fmt::format("Lookups: one for each page that {} touch.", accesses));
  report.add(name + ".hits", lookups - side.misses - side.outside, "accesses",
             "Lookups that found the page, also those that then faulted.", name + ".lookups");
  report.add(name + ".misses", side.misses, "accesses", "Lookups that did not find the page.",
             name + ".lookups");
  report.add(name + ".outside", side.outside, "accesses",
             "Accesses to addresses that are not user space's.", name + ".lookups");
  report.add(name + ".retries", side.retry_lookups, "accesses",
             "Lookups of accesses repeated after a page fault; not among the lookups.");
  report.add(name + ".retry_misses", side.retry_misses, "accesses",
             "Retries that did not find the page; not among the misses.", name + ".retries");
  report.add(name + ".fills", level.fills, "entries",
             "Entries made, for retries and the linear page table too.");
  report.add(name + ".evictions", level.evictions, "entries",
             "Entries that made room for another one.", name + ".fills");
  report.add(name + ".invalidated", level.invalidated, "entries",
             "Entries removed by tbis and by roll-overs of address space numbers.",
             name + ".fills");
}

}  // namespace

mmu::Summary summary_of(const MmuCounters& sum, const mmu::PathReport& paths,
                        const FlushCounters& flushes) {
  mmu::Summary s;
  s.fetch_lookups = kind_count(sum, AccessKind::Fetch);
  s.data_lookups = data_count(sum);
  s.first_fetch_misses = s.last_fetch_misses = sum.sides[0].misses;
  s.first_data_misses = s.last_data_misses = sum.sides[1].misses;
  s.take(paths);
  s.flushes = flushes.page_flushes + flushes.space_flushes;
  s.flushed_pages = flushes.invalidates;
  s.emptied = flushes.renewals + flushes.roll_overs;
  s.interrupts = flushes.interrupts;
  return s;
}

void report_mmu(const MmuCounters& sum, stats::Report& report) {
  report_side("tlb.itb", "instruction fetches", kind_count(sum, AccessKind::Fetch), sum.sides[0],
              sum.levels[0], report);
  report_side("tlb.dtb", "loads, stores and modifies", data_count(sum), sum.sides[1], sum.levels[1],
              report);
  report.add("table.loads", sum.table_loads, "loads",
             "Loads by PALcode from the linear virtual page table, one for each miss; 0 where the "
             "page table has none.");
  report.add("table.misses", sum.table_misses, "loads",
             "... that did not find the table's page in the DTB.", "table.loads");
  const auto cause = [&](const char* name, Cause which, const char* meaning) {
    report.add(name, sum.causes[static_cast<unsigned>(which)], "faults", meaning);
  };
  cause("cause.not_valid", Cause::NotValid, "Calls of the kernel because the entry is not valid.");
  cause("cause.access_violation", Cause::AccessViolation,
        "... because URE or UWE is clear (a page not accessed yet, or clean), or the address is "
        "not user space's.");
  cause("cause.fault_on_read", Cause::OnRead, "... because FOR is set.");
  cause("cause.fault_on_write", Cause::OnWrite, "... because FOW is set.");
  cause("cause.fault_on_execute", Cause::OnExecute, "... because FOE is set.");
  const auto fault = [&](const char* name, mmu::FaultReason reason, const char* meaning) {
    report.add(name, sum.faults[static_cast<unsigned>(reason)], "faults", meaning);
  };
  fault("fault.not_present", mmu::FaultReason::NotPresent,
        "Page faults because there was no translation; retries included.");
  fault("fault.protection", mmu::FaultReason::Protection,
        "Page faults because the entry did not allow the access; retries included.");
  fault("fault.non_canonical", mmu::FaultReason::NonCanonical,
        "Faults for addresses that are not user space's.");
}

void report_flushes(const FlushCounters& flushes, stats::Report& report) {
  report.add("switch.loads", flushes.switches, "events", "Loads of another address space.");
  report.add("switch.numbers", flushes.numbers, "numbers",
             "Address space numbers given out, at switches and by flushes.");
  report.add("switch.roll_overs", flushes.roll_overs, "events",
             "CPUs emptied because all numbers had been given out.", "switch.numbers");
  report.add("flush.pages", flushes.page_flushes, "events", "Flush requests for one page.");
  report.add("flush.spaces", flushes.space_flushes, "events",
             "Flush requests for more, which gave the address space a new number.");
  report.add("flush.renewals", flushes.renewals, "events",
             "New numbers taken by CPUs that ran the address space when it was flushed.",
             "flush.spaces");
  report.add("flush.tbis", flushes.invalidates, "instructions",
             "Invalidations of one page, on all CPUs, by flushes and by faults that found the "
             "entry sufficient or made it so.");
  report.add("flush.interrupts", flushes.interrupts, "events",
             "Inter-processor interrupts sent to make other CPUs flush.");
}

}  // namespace mmusim::alpha
