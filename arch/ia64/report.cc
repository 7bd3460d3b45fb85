#include "arch/ia64/report.h"

#include <fmt/format.h>
#include <string>

#include "arch/ia64/tlbs.h"

namespace mmusim::ia64 {

namespace {

uint64_t kind_count(const MmuCounters& sum, AccessKind kind) {
  return sum.accesses[static_cast<unsigned>(kind)];
}

uint64_t data_count(const MmuCounters& sum) {
  return kind_count(sum, AccessKind::Load) + kind_count(sum, AccessKind::Store) +
         kind_count(sum, AccessKind::Modify);
}

void report_entries(const std::string& name, const LevelCounters& level, stats::Report& report) {
  report.add(name + ".fills", level.fills, "entries", "Entries made, for retries too.");
  report.add(name + ".evictions", level.evictions, "entries",
             "Entries that made room for another one.", name + ".fills");
  report.add(name + ".invalidated", level.invalidated, "entries",
             "Entries removed by purges, and by insertions of the same page.", name + ".fills");
}

void report_first_level(const std::string& name, const char* accesses, uint64_t lookups,
                        const SideCounters& side, const LevelCounters& level,
                        stats::Report& report) {
  report.add(name + ".lookups", lookups, "accesses",
             fmt::format("First-level lookups: one for each page that {} touch.", accesses));
  report.add(name + ".hits", lookups - side.misses - side.unimplemented, "accesses",
             "Lookups that found the page, also those that then needed a handler.",
             name + ".lookups");
  report.add(name + ".misses", side.misses, "accesses", "Lookups that did not find the page.",
             name + ".lookups");
  report.add(name + ".unimplemented", side.unimplemented, "accesses",
             "Accesses to addresses the processor does not implement, which no TLB sees.",
             name + ".lookups");
  report.add(name + ".retries", side.retry_lookups, "accesses",
             "Lookups of accesses repeated after a page fault; not among the lookups.");
  report.add(name + ".retry_misses", side.retry_misses, "accesses",
             "Retries that did not find the page; not among the misses.", name + ".retries");
  report_entries(name, level, report);
}

void report_second_level(const std::string& name, const SideCounters& side,
                         const LevelCounters& level, const char* whose, stats::Report& report) {
  report.add(name + ".lookups", side.misses, "accesses",
             fmt::format("Lookups in the second level: the first-level misses of {}.", whose));
  report.add(name + ".hits", side.misses - side.second_misses, "accesses",
             "Lookups that found the page.", name + ".lookups");
  report.add(name + ".misses", side.second_misses, "accesses",
             "Lookups that did not find the page, so that the walker or a handler was needed.",
             name + ".lookups");
  report.add(name + ".retries", side.retry_misses, "accesses",
             "Lookups for accesses repeated after a page fault; not among the lookups.");
  report.add(name + ".retry_misses", side.retry_second_misses, "accesses",
             "Retries that did not find the page; not among the misses.", name + ".retries");
  report_entries(name, level, report);
}

void report_faults(const MmuCounters& sum, stats::Report& report) {
  const auto add = [&](const char* name, mmu::FaultReason reason, const char* meaning) {
    report.add(name, sum.faults[static_cast<unsigned>(reason)], "faults", meaning);
  };
  add("fault.not_present", mmu::FaultReason::NotPresent,
      "Page faults because there was no translation; retries included.");
  add("fault.protection", mmu::FaultReason::Protection,
      "Page faults because the access rights did not allow the access; retries included.");
  add("fault.non_canonical", mmu::FaultReason::NonCanonical,
      "Faults for addresses the processor does not implement, or Linux's page tables have no "
      "place for.");
  add("fault.malformed", mmu::FaultReason::Malformed,
      "Faults because an entry had reserved fields set.");
}

}  // namespace

mmu::Summary summary_of(const Options& options, const MmuCounters& sum,
                        const mmu::PathReport& paths, const FlushCounters& flushes,
                        const mmu::CopyCounters& linear, uint64_t vhpt_bytes) {
  const SideCounters& fetch = sum.sides[0];
  const SideCounters& data = sum.sides[1];
  mmu::Summary s;
  s.fetch_lookups = kind_count(sum, AccessKind::Fetch);
  s.data_lookups = data_count(sum);
  s.first_fetch_misses = fetch.misses;
  s.first_data_misses = data.misses;
  s.last_fetch_misses = options.l2i.empty() ? fetch.misses : fetch.second_misses;
  s.last_data_misses = options.l2d.empty() ? data.misses : data.second_misses;
  s.hardware_walks = sum.walks;
  s.take(paths);
  if (options.walker == Walker::Long || linear.peak_bytes != 0) {
    s.soft_lookups = sum.walks;
    s.soft_hits = sum.walks_hit - sum.walks_absent;
  }
  s.soft_bytes = options.walker == Walker::Long ? vhpt_bytes : linear.peak_bytes;
  s.flushes = flushes.range_flushes + flushes.context_flushes + flushes.full_flushes;
  s.flushed_pages = flushes.ptc_local + flushes.ptc_global;
  s.emptied = flushes.emptied + flushes.wrap_purges;
  s.interrupts = flushes.interrupts;
  s.broadcasts = flushes.ptc_global;
  return s;
}

void report_mmu(const Options& options, const MmuCounters& sum, stats::Report& report) {
  const SideCounters& fetch = sum.sides[0];
  const SideCounters& data = sum.sides[1];
  report.add("tlb.l1d.loads", kind_count(sum, AccessKind::Load), "accesses", "Lookups for loads.",
             "tlb.l1d.lookups");
  report.add("tlb.l1d.stores", kind_count(sum, AccessKind::Store), "accesses",
             "Lookups for stores.", "tlb.l1d.lookups");
  report.add("tlb.l1d.modifies", kind_count(sum, AccessKind::Modify), "accesses",
             "Lookups for atomic read-modify-writes, translated once, as stores.",
             "tlb.l1d.lookups");
  report_first_level("tlb.l1i", "instruction fetches", kind_count(sum, AccessKind::Fetch), fetch,
                     sum.levels[kL1I], report);
  report_first_level("tlb.l1d", "loads, stores and modifies", data_count(sum), data,
                     sum.levels[kL1D], report);
  if (!options.l2i.empty())
    report_second_level("tlb.l2i", fetch, sum.levels[kL2I], "instruction fetches", report);
  if (!options.l2d.empty())
    report_second_level("tlb.l2d", data, sum.levels[kL2D], "data accesses", report);
  report.add("walker.walks", sum.walks, "walks", "Searches by the VHPT walker.");
  report.add("walker.inserted", sum.walks_hit, "walks", "... that inserted what they found.",
             "walker.walks");
  report.add("walker.absent", sum.walks_absent, "walks",
             "... which was a word that is not present.", "walker.inserted");
  report.add("walker.table_misses", sum.table_misses, "walks",
             "... that did not find the linear table's page in the DTLB.", "walker.walks");
  report.add("walker.refused", sum.walks_refused, "walks",
             "... that ended at another page's entry, or at one that cannot be inserted.",
             "walker.walks");
  report.add("identity.lookups", sum.identity_lookups, "accesses",
             "Accesses through region 7 by the kernel while it fixed faults.");
  report.add("identity.misses", sum.identity_misses, "accesses",
             "... for which the DTLB had no translation.", "identity.lookups");
  report_faults(sum, report);
}

namespace {

bool is_crowded(const VhptCounters& vhpt) {
  constexpr uint64_t kEnough = 1000;
  return vhpt.inserts >= kEnough && vhpt.replaced > vhpt.inserts / 2 &&
         vhpt.reached < vhpt.slots / 8;
}

}  // namespace

void report_flushes(const FlushCounters& flushes, uint64_t wraps, stats::Report& report) {
  report.add("switch.loads", flushes.switches, "events", "Loads of another address space.");
  report.add("switch.contexts", flushes.contexts, "contexts",
             "Contexts given out, each with region identifiers of its own.", "switch.loads");
  report.add("switch.wraps", wraps, "events",
             "Times contexts had run out and all CPUs had to empty their TLBs.", "switch.contexts");
  report.add("switch.wrap_purges", flushes.wrap_purges, "events", "CPUs emptied because of that.",
             "switch.wraps");
  report.add("flush.ranges", flushes.range_flushes, "events",
             "Flush requests carried out on a range.");
  report.add("flush.contexts", flushes.context_flushes, "events",
             "Flush requests that gave the address space a new context.");
  report.add("flush.ended", flushes.contexts_ended, "events",
             "Flush requests of address spaces that had died: the context is given up, nothing "
             "else.");
  report.add("flush.full", flushes.full_flushes, "events",
             "Flush requests carried out by emptying every TLB.");
  report.add("flush.ptc_local", flushes.ptc_local, "instructions",
             "Purges on the one CPU that ran the address space (ptc.l).");
  report.add("flush.ptc_global", flushes.ptc_global, "instructions",
             "Purges broadcast to all CPUs (ptc.ga).");
  report.add("flush.ptc_table", flushes.ptc_table, "instructions",
             "... of either, for pages of the linear table.");
  report.add("flush.interrupts", flushes.interrupts, "events",
             "Inter-processor interrupts sent to make other CPUs flush or take a new context.");
}

void report_soft_tlb(const Options& options, const MmuCounters& sum,
                     const mmu::CopyCounters& linear, uint64_t vhpt_bytes, stats::Report& report) {
  if (options.walker == Walker::Long) {
    const VhptCounters& vhpt = sum.vhpt;
    report.add("vhpt.lookups", vhpt.lookups, "lookups", "Entries the walker read.");
    report.add("vhpt.hits", vhpt.hits, "lookups", "... whose tag was the page's.", "vhpt.lookups");
    report.add("vhpt.inserts", vhpt.inserts, "entries", "Entries handlers wrote.");
    report.add("vhpt.replaced", vhpt.replaced, "entries", "... over another page's.",
               "vhpt.inserts");
    report.add("vhpt.slots", vhpt.slots, "slots", "Slots of all CPUs' tables.");
    report.add("vhpt.slots.reached", vhpt.reached, "slots", "... that were ever written.",
               "vhpt.slots");
    report.add("vhpt.crowded", is_crowded(vhpt) ? 1 : 0, "yes or no",
               "Whether pages drove each other out of few slots while most were never used: more "
               "than half of 1000 inserts or more replaced another page's entry, and less than an "
               "eighth of the slots were reached. Another ia64.vhpt.hash, or chains, would tell.");
    report.add("vhpt.chain_looks", vhpt.chain_looks, "entries",
               "Entries of collision chains compared; 0 without chains.");
    report.add("vhpt.chain_hits", vhpt.chain_hits, "lookups",
               "Searches of a chain that found the page.");
    report.add("vhpt.chain_evictions", vhpt.chain_evictions, "entries",
               "Entries of chains that made room for another slot's.");
    report.add("vhpt.purged", vhpt.purged, "entries", "Entries removed by flushes.",
               "vhpt.inserts");
    report.add("vhpt.cleared", vhpt.cleared, "events", "Times a whole table was cleared.");
    report.add("vhpt.bytes", vhpt_bytes, "bytes", "Memory of all CPUs' tables.");
  }
  if (options.walker == Walker::Short) {
    report.add("linear.lookups", sum.linear_lookups, "lookups",
               "Searches of the kernel's page table because its copy, the linear table, had "
               "nothing; 0 where the linear table is the page table's own.");
    report.add("linear.fills", sum.linear_fills, "entries",
               "... that found the page and copied it.", "linear.lookups");
    report.add("linear.joined", linear.joined, "tables",
               "Leaf tables taken from another address space's linear table, because the kernel's "
               "tables of that block are shared (kernel.shared_tables).");
    report.add("linear.left", linear.left, "tables",
               "... and given up again by a flush of a range that touched their block.",
               "linear.joined");
    report.add("linear.purged", linear.purged, "entries",
               "Words removed from copies by flushes of ranges.");
    report.add("linear.dropped", linear.dropped, "events",
               "Copies emptied whole by flushes of address spaces, or for want of memory.");
    report.add("linear.bytes.peak", linear.peak_bytes, "bytes",
               "Most memory the copies took at one time, beside the page tables' own.");
    if (linear.no_room != 0)
      report.add("linear.no_room", linear.no_room, "entries",
                 "Words there was no memory for in the copy, until the kernel had made some.");
  }
}

}  // namespace mmusim::ia64
