#include "arch/ppc64/report.h"

#include <fmt/format.h>
#include <string>

#include "arch/ppc64/tlbs.h"

namespace mmusim::ppc64 {

namespace {

uint64_t kind_count(const MmuCounters& sum, AccessKind kind) {
  return sum.accesses[static_cast<unsigned>(kind)];
}

uint64_t data_count(const MmuCounters& sum) {
  return kind_count(sum, AccessKind::Load) + kind_count(sum, AccessKind::Store) +
         kind_count(sum, AccessKind::Modify);
}

void report_array(const std::string& name, uint64_t lookups, uint64_t misses, uint64_t outside,
                  const LevelCounters& level, stats::Report& report) {
  report.add(name + ".lookups", lookups, "accesses",
             "Lookups: one for each page that accesses touch; of the TLB, the ERATs' misses.");
  report.add(name + ".hits", lookups - misses - outside, "accesses",
             "Lookups that found the page, also those that then faulted.", name + ".lookups");
  report.add(name + ".misses", misses, "accesses", "Lookups that did not find the page.",
             name + ".lookups");
  report.add(name + ".fills", level.fills, "entries", "Entries made, for retries too.");
  report.add(name + ".evictions", level.evictions, "entries",
             "Entries that made room for another one.", name + ".fills");
  report.add(name + ".invalidated", level.invalidated, "entries",
             "Entries removed by tlbie and, of ERATs, by switches of address space.",
             name + ".fills");
}

void report_erat(const std::string& name, uint64_t lookups, const SideCounters& side,
                 const LevelCounters& level, stats::Report& report) {
  report_array(name, lookups, side.misses, side.outside, level, report);
  report.add(name + ".outside", side.outside, "accesses",
             "Accesses to addresses that are not user space's, for which there is no segment.",
             name + ".lookups");
  report.add(name + ".retries", side.retry_lookups, "accesses",
             "Lookups of accesses repeated after a page fault; not among the lookups.");
  report.add(name + ".retry_misses", side.retry_misses, "accesses",
             "Retries that did not find the page; not among the misses.", name + ".retries");
}

}  // namespace

mmu::Summary summary_of(const MmuCounters& sum, const Htab& htab, const mmu::PathReport& paths,
                        const FlushCounters& flushes) {
  const HtabCounters& table = htab.counters();
  mmu::Summary s;
  s.fetch_lookups = kind_count(sum, AccessKind::Fetch);
  s.data_lookups = data_count(sum);
  s.first_fetch_misses = sum.sides[0].misses;
  s.first_data_misses = sum.sides[1].misses;
  s.last_fetch_misses = sum.sides[0].tlb_misses;
  s.last_data_misses = sum.sides[1].tlb_misses;
  s.hardware_walks = table.lookups + sum.linear.tlb_misses;
  s.take(paths);
  s.soft_lookups = table.lookups;
  s.soft_hits = table.primary_hits + table.secondary_hits;
  s.soft_bytes = htab.bytes();
  s.flushes = flushes.requests;
  s.flushed_pages = flushes.tlbie + flushes.tlbiel;
  s.broadcasts = flushes.tlbie;
  return s;
}

void report_mmu(const MmuCounters& sum, stats::Report& report) {
  const SideCounters& fetch = sum.sides[0];
  const SideCounters& data = sum.sides[1];
  report_erat("tlb.ierat", kind_count(sum, AccessKind::Fetch), fetch, sum.levels[kIerat], report);
  report_erat("tlb.derat", data_count(sum), data, sum.levels[kDerat], report);
  report_array("tlb.tlb", fetch.misses + data.misses, fetch.tlb_misses + data.tlb_misses, 0,
               sum.levels[kTlb], report);
  report.add("tlb.tlb.retry_misses", fetch.retry_tlb_misses + data.retry_tlb_misses, "accesses",
             "Retries that did not find the page; not among the misses.");
  report.add("slb.lookups", sum.slb.lookups, "lookups",
             "Searches of the segment lookaside buffer: one for each ERAT miss, retries and "
             "repetitions after hash faults included.");
  report.add("slb.misses", sum.slb.misses, "lookups",
             "... that found no segment, so that a handler made the entry.", "slb.lookups");
  report.add("slb.preloads", sum.slb.preloads, "entries", "Entries made ahead at switches.");
  report.add("slb.replaced", sum.slb.replaced, "entries", "Entries that made room for another.");
  report.add("slb.slbie", sum.slb.slbie, "instructions", "Entries removed one by one at switches.");
  report.add("slb.slbia", sum.slb.slbia, "instructions", "Switches that removed all at once.");
  report.add("hash.faults", sum.hash_faults, "faults",
             "Storage interrupts (0x300, 0x400): no usable entry in the hash table.");
  report.add("hash.fixed", sum.hash_faults_fixed, "faults",
             "... that the kernel's page table had the answer to.", "hash.faults");
  report.add("hash.preloads", sum.preloads, "pages",
             "Pages the kernel hashed right after a page fault.");
  const auto fault = [&](const char* name, mmu::FaultReason reason, const char* meaning) {
    report.add(name, sum.faults[static_cast<unsigned>(reason)], "faults", meaning);
  };
  fault("fault.not_present", mmu::FaultReason::NotPresent,
        "Page faults because there was no translation; retries included.");
  fault("fault.protection", mmu::FaultReason::Protection,
        "Page faults because the page table did not allow the access; retries included.");
  fault("fault.non_canonical", mmu::FaultReason::NonCanonical,
        "Faults for addresses that are not user space's.");
}

void report_linear(const LinearCounters& sum, stats::Report& report) {
  report.add("linear.lookups", sum.lookups, "accesses",
             "Lookups in the data ERAT for the kernel's own accesses, through its linear map: "
             "handlers' to page table and hash table, flushes' to the hash table, and for each "
             "fault it fixed the entry and the page; in no other count of lookups.");
  report.add("linear.misses", sum.misses, "accesses", "... that the ERAT did not know.",
             "linear.lookups");
  report.add("linear.fetch_lookups", sum.fetch_lookups, "pages",
             "Lookups in the instruction ERAT for the kernel's code: one for each page of it that "
             "a step of a handler runs in; in no other count of lookups.");
  report.add("linear.fetch_misses", sum.fetch_misses, "pages", "... that the ERAT did not know.",
             "linear.fetch_lookups");
  report.add("linear.slb_misses", sum.slb_misses, "lookups",
             "ERAT misses of either kind that found no segment, so that a handler made the entry; "
             "not among slb.misses.");
  report.add("linear.tlb_misses", sum.tlb_misses, "lookups",
             "ERAT misses of either kind that the TLB did not know: searches of the hash table, "
             "not among htab.lookups.");
}

void report_htab(const Htab& htab, stats::Report& report) {
  const HtabCounters& c = htab.counters();
  report.add("htab.lookups", c.lookups, "walks", "Searches by hardware.");
  report.add("htab.words", c.words, "doublewords",
             "Doublewords of entries those compared or took; a group is one line, and one of the "
             "walker's references.",
             "htab.lookups");
  report.add("htab.primary_hits", c.primary_hits, "walks", "... that ended in the primary group.",
             "htab.lookups");
  report.add("htab.secondary_hits", c.secondary_hits, "walks",
             "... that ended in the secondary group.", "htab.lookups");
  report.add("htab.inserts", c.inserts, "entries", "Entries made by handlers.");
  report.add("htab.secondary_inserts", c.secondary_inserts, "entries",
             "... in the secondary group, the primary one being full.", "htab.inserts");
  report.add("htab.evictions", c.evictions, "entries",
             "Entries that made room, both groups being full; without a tlbie.", "htab.inserts");
  report.add("htab.updates", c.updates, "entries", "Changes of protection.");
  report.add("htab.updates_missed", c.updates_missed, "entries",
             "Hints that led to another page's entry, the page's having been evicted.");
  report.add("htab.invalidated", c.invalidated, "entries", "Entries removed by flushes.");
  report.add("htab.invalidates_missed", c.invalidates_missed, "entries",
             "Pages flushed whose entry had been evicted.");
  report.add("htab.referenced_set", c.referenced_set, "bits", "R bits set by hardware.");
  report.add("htab.changed_set", c.changed_set, "bits", "C bits set by hardware.");
  report.add("htab.used", htab.used(), "entries", "Entries in use, but for bolted ones.");
  report.add("htab.used.peak", c.used_peak, "entries", "... at most.");
  report.add("htab.bolted", c.bolted, "entries", "Entries of the kernel's linear map.");
  report.add("htab.bytes", htab.bytes(), "bytes", "Size of the hash table.");
}

void report_flushes(const FlushCounters& flushes, stats::Report& report) {
  report.add("switch.loads", flushes.switches, "events", "Loads of another address space.");
  report.add("switch.contexts", flushes.contexts, "events", "Contexts given out.");
  report.add("flush.requests", flushes.requests, "events", "Flush requests.");
  report.add("flush.batches", flushes.batches, "events",
             "Batches of at most 192 pages that were flushed together.");
  report.add("flush.tlbie", flushes.tlbie, "instructions",
             "Pages removed from all CPUs' TLBs, by flushes and changes of protection.");
  report.add("flush.tlbiel", flushes.tlbiel, "instructions",
             "... from the one CPU's the address space has run on.");
}

}  // namespace mmusim::ppc64
