#include "arch/sparc64/report.h"

#include <string>

#include "arch/sparc64/tlbs.h"

namespace mmusim::sparc64 {

namespace {

uint64_t kind_count(const MmuCounters& sum, AccessKind kind) {
  return sum.accesses[static_cast<unsigned>(kind)];
}

uint64_t data_count(const MmuCounters& sum) {
  return kind_count(sum, AccessKind::Load) + kind_count(sum, AccessKind::Store) +
         kind_count(sum, AccessKind::Modify);
}

void report_tlb(const std::string& name, uint64_t lookups, const SideCounters& side,
                stats::Report& report) {
  report.add(name + ".lookups", lookups, "accesses",
             "Lookups: one for each page that accesses touch.");
  report.add(name + ".hits", lookups - side.misses - side.outside, "accesses",
             "Lookups that found the page, also stores that were then not allowed.",
             name + ".lookups");
  report.add(name + ".misses", side.misses, "accesses",
             "Lookups that did not find the page: a trap each.", name + ".lookups");
  report.add(name + ".outside", side.outside, "accesses",
             "Accesses to addresses in the hole, which no TLB sees.", name + ".lookups");
  report.add(name + ".retries", side.retry_lookups, "accesses",
             "Lookups of accesses repeated after a page fault; not among the lookups.");
  report.add(name + ".retry_misses", side.retry_misses, "accesses",
             "Retries that did not find the page; not among the misses.", name + ".retries");
  report.add(name + ".fills", side.fills, "entries",
             "Entries loaded, for retries and for the kernel's linear mapping too.");
  report.add(name + ".evictions", side.evictions, "entries",
             "Entries that made room for another one.", name + ".fills");
  report.add(name + ".invalidated", side.invalidated, "entries", "Entries demapped.",
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
  s.soft_lookups = sum.tsb_lookups;
  s.soft_hits = sum.tsb_hits + sum.huge_hits;
  s.soft_bytes = flushes.tsb_bytes_peak;
  s.flushes = flushes.requests;
  s.flushed_pages = flushes.demaps;
  s.emptied = flushes.context_demaps + flushes.end_demaps;
  s.interrupts = flushes.cross_calls;
  return s;
}

void report_mmu(const MmuCounters& sum, stats::Report& report) {
  report_tlb("tlb.itlb", kind_count(sum, AccessKind::Fetch), sum.sides[0], report);
  report_tlb("tlb.dtlb", data_count(sum), sum.sides[1], report);
  report.add("linear.lookups", sum.linear_lookups, "accesses",
             "Accesses through the kernel's linear mapping while it fixed faults.");
  report.add("linear.misses", sum.linear_misses, "accesses",
             "... for which the data TLB had no entry.", "linear.lookups");
  report.add("linear.tsb_hits", sum.linear_tsb_hits, "accesses", "... but the kernel's TSB had.",
             "linear.misses");
  const auto fault = [&](const char* name, mmu::FaultReason reason, const char* meaning) {
    report.add(name, sum.faults[static_cast<unsigned>(reason)], "faults", meaning);
  };
  fault("fault.not_present", mmu::FaultReason::NotPresent,
        "Page faults because there was no valid entry, or it was old; retries included.");
  fault("fault.protection", mmu::FaultReason::Protection,
        "Page faults of stores without W, to clean pages too, and of fetches from what is not "
        "executable; retries included.");
  fault("fault.non_canonical", mmu::FaultReason::NonCanonical, "Faults for addresses in the hole.");
}

void report_tsbs(const MmuCounters& sum, const FlushCounters& flushes, stats::Report& report) {
  report.add("tsb.lookups", sum.tsb_lookups, "lookups",
             "Looks into the TSB of base pages; retries included.");
  report.add("tsb.hits", sum.tsb_hits, "lookups", "... that found the page.", "tsb.lookups");
  report.add("tsb.huge.lookups", sum.huge_lookups, "lookups",
             "Looks into the TSB of huge pages, after one in vain into the other.");
  report.add("tsb.huge.hits", sum.huge_hits, "lookups", "... that found the page.",
             "tsb.huge.lookups");
  report.add("tsb.walks", sum.walks, "walks", "Walks of the page table by miss handlers.");
  report.add("tsb.updates", sum.updates, "pages",
             "Pages the kernel put into a TSB right after it had fixed a fault.");
  report.add("tsb.flushed", flushes.tsb_flushed, "entries", "Entries that flushes made invalid.");
  report.add("tsb.made", flushes.tsb_made, "events", "First TSBs of address spaces.");
  report.add("tsb.grown", flushes.tsb_grown, "events",
             "Times resident memory asked for a larger one.");
  report.add("tsb.copied", flushes.tsb_copied, "entries", "Entries put at new places by that.");
  report.add("tsb.failed", flushes.tsb_failed, "events",
             "Times there was no memory for a TSB, so that the old one stays for good.");
  report.add("tsb.bytes", flushes.tsb_bytes, "bytes", "Memory of all address spaces' TSBs.");
  report.add("tsb.bytes.peak", flushes.tsb_bytes_peak, "bytes", "... at most.");
}

void report_flushes(const FlushCounters& flushes, stats::Report& report) {
  report.add("switch.loads", flushes.switches, "events", "Loads of another address space.");
  report.add("switch.contexts", flushes.contexts, "contexts", "Context numbers given out.",
             "switch.loads");
  report.add("switch.demaps", flushes.context_demaps, "events",
             "Contexts demapped because a CPU ran an address space for the first time under that "
             "number.",
             "switch.loads");
  report.add("switch.wraps", flushes.wraps, "events",
             "Times numbers had run out and all began anew.", "switch.contexts");
  report.add("flush.requests", flushes.requests, "events", "Flush requests.");
  report.add("flush.batches", flushes.batches, "events",
             "Batches of at most 192 pages of one size that were flushed together.");
  report.add("flush.pages", flushes.pages, "pages",
             "Pages flushed: of those requested, what had been loaded and was changed.");
  report.add("flush.demaps", flushes.demaps, "instructions",
             "Pages demapped, on all CPUs that ran the address space.");
  report.add("flush.cross_calls", flushes.cross_calls, "events",
             "Cross-calls that made other CPUs demap pages or load a new TSB.");
  report.add("flush.ends", flushes.ends, "events",
             "Requests when nothing of an address space was left, done without a batch.");
}

}  // namespace mmusim::sparc64
