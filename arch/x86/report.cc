#include "arch/x86/report.h"

#include <fmt/format.h>
#include <numeric>
#include <string>

#include "arch/x86/tlbs.h"

namespace mmusim::x86 {

namespace {

uint64_t kind_count(const MmuCounters& sum, AccessKind kind) {
  return sum.accesses[static_cast<unsigned>(kind)];
}

void report_first_level(const Options& options, const std::string& name, const char* accesses,
                        uint64_t lookups, const SideCounters& side, const LevelCounters& level,
                        stats::Report& report) {
  report.add(name + ".lookups", lookups, "accesses",
             fmt::format("First-level lookups: one for each page that {} touch.", accesses));
  report.add(name + ".hits", lookups - side.misses - side.non_canonical, "accesses",
             "Lookups that found the page, also those that were then refused or needed the dirty "
             "bit set.",
             name + ".lookups");
  report.add(name + ".misses", side.misses, "accesses", "Lookups that did not find the page.",
             name + ".lookups");
  if (options.paging.is_long())
    report.add(name + ".non_canonical", side.non_canonical, "accesses",
               "Accesses to addresses that are not canonical, which no TLB sees.",
               name + ".lookups");
  report.add(name + ".retries", side.retry_lookups, "accesses",
             "Lookups of accesses repeated after a page fault; not among the lookups.");
  report.add(name + ".retry_misses", side.retry_misses, "accesses",
             "Retries that did not find the page; not among the misses.", name + ".retries");
  report.add(name + ".fills", level.fills, "entries", "Entries made, for retries too.");
  report.add(name + ".evictions", level.evictions, "entries",
             "Entries that made room for another one.", name + ".fills");
  report.add(name + ".invalidated", level.invalidated, "entries",
             "Entries removed by flushes and page faults.", name + ".fills");
}

void report_second_level(const std::string& name, const SideCounters& side,
                         const LevelCounters& level, const char* whose, stats::Report& report) {
  report.add(name + ".lookups", side.misses, "accesses",
             fmt::format("Lookups in the second level: the first-level misses of {}.", whose));
  report.add(name + ".hits", side.misses - side.second_misses, "accesses",
             "Lookups that found the page.", name + ".lookups");
  report.add(name + ".misses", side.second_misses, "accesses",
             "Lookups that did not find the page, so that a walk was needed.", name + ".lookups");
  report.add(name + ".retries", side.retry_misses, "accesses",
             "Lookups for accesses repeated after a page fault; not among the lookups.");
  report.add(name + ".retry_misses", side.retry_second_misses, "accesses",
             "Retries that did not find the page; not among the misses.", name + ".retries");
  report.add(name + ".fills", level.fills, "entries", "Entries made, for retries too.");
  report.add(name + ".evictions", level.evictions, "entries",
             "Entries that made room for another one.", name + ".fills");
  report.add(name + ".invalidated", level.invalidated, "entries",
             "Entries removed by flushes and page faults.", name + ".fills");
}

void report_leaves(const Paging& paging, const MmuCounters& sum, stats::Report& report) {
  report.add("walker.leaves.4k", sum.leaves[0], "walks",
             "Walks after a miss that ended in a leaf of 4 KiB.", "walker.walks");
  const unsigned large = paging.shift(1) == k4M.log2() ? 4 : 2;
  report.add(fmt::format("walker.leaves.{}m", large), sum.leaves[1], "walks",
             fmt::format("Walks after a miss that ended in a leaf of {} MiB.", large),
             "walker.walks");
  if (paging.is_long())
    report.add("walker.leaves.1g", sum.leaves[2], "walks",
               "Walks after a miss that ended in a leaf of 1 GiB.", "walker.walks");
}

void report_updates(uint64_t accessed, uint64_t dirty, uint64_t updates, stats::Report& report) {
  report.add("walker.accessed_set", accessed, "bits", "Accessed bits set, at all levels.",
             "walker.walks");
  report.add("walker.dirty_set", dirty, "bits", "Dirty bits set.", "walker.walks");
  report.add("walker.updates", updates, "references",
             "Locked writes of entries; one may set both bits.", "walker.walks");
}

uint64_t sum_of(const std::array<uint64_t, mmu::kMostRadixLevels>& by_level) {
  return std::accumulate(by_level.begin(), by_level.end(), uint64_t{0});
}

void report_native_walker(const Options& options, const MmuCounters& sum, stats::Report& report) {
  const mmu::NativeWalkCounters& native = sum.native;
  const uint64_t kernels = sum_of(sum.walker.started);
  report.add("walker.walks", native.walks + kernels, "walks",
             "Page walks: for misses, retries after a page fault, and dirty assists.");
  report.add("walker.dirty_assists", sum.dirty_assists, "walks",
             "Walks because a store found an entry whose dirty bit was not set.", "walker.walks");
  report.add("walker.kernel_walks", kernels, "walks",
             "Walks of the kernel's own tables, in x86's format: its mapping of memory, its gate.",
             "walker.walks");
  report.add("walker.loads", native.loads + sum_of(sum.walker.loads), "references",
             "Page-table words read by walks.", "walker.walks");
  report.add("walker.beside", native.beside, "references",
             "... at the same time as the one before.", "walker.loads");
  report.add("walker.longest", native.longest, "references",
             "Most words one walk of a program's page table read.");
  report.add("walker.table_cache_hits", native.from_table, "walks",
             "Walks that began at a table found in the walk cache.", "walker.walks");
  report.add("walker.from_root", native.walks - native.from_table, "walks",
             "Walks of a program's page table that found nothing in the walk cache.",
             "walker.walks");
  report_leaves(options.paging, sum, report);
  report_updates(native.accessed_set + sum_of(sum.walker.accessed_set),
                 native.dirty_set + sum.walker.dirty_set, native.updates + sum.walker.updates,
                 report);
}

void report_walker(const Options& options, const MmuCounters& sum, stats::Report& report) {
  constexpr const char* kEntry[] = {"pte", "pde", "pdpte", "pml4e", "pml5e"};
  const mmu::RadixWalkCounters& walker = sum.walker;
  uint64_t walks = 0;
  uint64_t loads = 0;
  const Paging paging = options.paging;
  for (unsigned level = 0; level < paging.walked(); ++level) {
    walks += walker.started[level];
    loads += walker.loads[level];
  }
  report.add("walker.walks", walks, "walks",
             "Page walks: for misses, retries after a page fault, and dirty assists.");
  report.add("walker.dirty_assists", sum.dirty_assists, "walks",
             "Walks because a store found an entry whose dirty bit was not set.", "walker.walks");
  report.add("walker.loads", loads, "references", "Page-table entries read by walks.",
             "walker.walks");
  for (unsigned level = 0; level < paging.walked(); ++level)
    report.add(fmt::format("walker.loads.{}", kEntry[level]), walker.loads[level], "references",
               fmt::format("Entries of level {} (0 is the lowest) read by walks.", level),
               "walker.loads");
  for (unsigned level = 1; level < paging.walked(); ++level)
    report.add(fmt::format("walker.{}_cache_hits", kEntry[level]), walker.started[level - 1],
               "walks",
               fmt::format("Walks that began below a {} found in its paging-structure cache.",
                           kEntry[level]),
               "walker.walks");
  report.add("walker.from_root", walker.started[paging.walked() - 1], "walks",
             "Walks that found nothing in the paging-structure caches.", "walker.walks");
  report_leaves(paging, sum, report);
  report_updates(sum_of(walker.accessed_set), walker.dirty_set, walker.updates, report);
  if (paging.is_pae())
    report.add("walker.pdpte_loads", sum.pdpte_loads, "references",
               "PDPTEs read into their registers, four whenever CR3 is loaded; not among the loads "
               "of walks.");
}

void report_faults(const Options& options, const MmuCounters& sum, stats::Report& report) {
  const auto add = [&](const char* name, mmu::FaultReason reason, const char* meaning) {
    report.add(name, sum.faults[static_cast<unsigned>(reason)], "faults", meaning);
  };
  add("fault.not_present", mmu::FaultReason::NotPresent,
      "Page faults because there was no translation; retries included.");
  add("fault.protection", mmu::FaultReason::Protection,
      "Page faults because the translation did not allow the access; retries included.");
  if (options.paging.is_long())
    add("fault.non_canonical", mmu::FaultReason::NonCanonical,
        "General-protection faults for addresses that are not canonical.");
  add("fault.malformed", mmu::FaultReason::Malformed,
      "Page faults because an entry had reserved bits set or led outside table memory.");
}

}  // namespace

void report_mmu(const Options& options, const MmuCounters& sum, stats::Report& report) {
  const SideCounters& fetch = sum.sides[0];
  const SideCounters& data = sum.sides[1];
  const uint64_t loads = kind_count(sum, AccessKind::Load);
  const uint64_t stores = kind_count(sum, AccessKind::Store);
  const uint64_t modifies = kind_count(sum, AccessKind::Modify);
  report.add("tlb.l1d.loads", loads, "accesses", "Lookups for loads.", "tlb.l1d.lookups");
  report.add("tlb.l1d.stores", stores, "accesses", "Lookups for stores.", "tlb.l1d.lookups");
  report.add("tlb.l1d.modifies", modifies, "accesses",
             "Lookups for atomic read-modify-writes, translated once, as stores.",
             "tlb.l1d.lookups");
  report_first_level(options, "tlb.l1i", "instruction fetches", kind_count(sum, AccessKind::Fetch),
                     fetch, sum.levels[kL1I], report);
  report_first_level(options, "tlb.l1d", "loads, stores and modifies", loads + stores + modifies,
                     data, sum.levels[kL1D], report);
  const bool split = options.split_l2();
  if (!options.l2.empty()) {
    SideCounters both = data;
    if (!split) both.add(fetch);
    report_second_level("tlb.l2", both, sum.levels[kL2],
                        split ? "data accesses" : "fetches and data accesses", report);
    if (!split) {
      report.add("tlb.l2.fetch_misses", fetch.second_misses, "accesses",
                 "Second-level misses of instruction fetches.", "tlb.l1i.misses");
      report.add("tlb.l2.data_misses", data.second_misses, "accesses",
                 "Second-level misses of data accesses.", "tlb.l1d.misses");
    }
  }
  if (!options.l2i.empty())
    report_second_level("tlb.l2i", fetch, sum.levels[kL2I], "instruction fetches", report);
  if (options.native_walk)
    report_native_walker(options, sum, report);
  else
    report_walker(options, sum, report);
  report_faults(options, sum, report);
  if (!options.direct_map) return;
  report.add(
      "direct.lookups", sum.direct_lookups, "accesses",
      "Lookups in the data TLB for the kernel's own accesses: two for each fault it fixed, to "
      "the entry and to the page; in no other count of lookups.");
  report.add("direct.misses", sum.direct_misses, "accesses",
             "... that no level knew: walks of the kernel's tables.", "direct.lookups");
  if (options.paging.is_long()) return;
  report.add("direct.kmaps", sum.kmaps, "events",
             "Pages above 896 MiB the kernel mapped for such an access: a PTE written before and "
             "cleared after it, two more of the lookups, and an INVLPG.",
             "direct.lookups");
}

mmu::Summary summary_of(const Options& options, const MmuCounters& sum,
                        const FlushCounters& flushes, const mmu::ShadowCounters& shadows,
                        const mmu::PathReport& path) {
  const SideCounters& fetch = sum.sides[0];
  const SideCounters& data = sum.sides[1];
  const bool one_level = options.l2.empty();
  mmu::Summary s;
  s.fetch_lookups = kind_count(sum, AccessKind::Fetch);
  s.data_lookups = kind_count(sum, AccessKind::Load) + kind_count(sum, AccessKind::Store) +
                   kind_count(sum, AccessKind::Modify);
  s.first_fetch_misses = fetch.misses;
  s.first_data_misses = data.misses;
  const bool fetches_end = options.l2i.empty() && (one_level || !options.l2_fetches);
  s.last_fetch_misses = fetches_end ? fetch.misses : fetch.second_misses;
  s.last_data_misses = one_level ? data.misses : data.second_misses;
  s.hardware_walks = sum_of(sum.walker.started) + sum.native.walks;
  s.take(path);
  if (shadows.copies.peak_bytes != 0) {
    s.soft_lookups = s.hardware_walks;
    s.soft_hits = s.hardware_walks - shadows.lookups;
  }
  s.soft_bytes = shadows.copies.peak_bytes;
  s.flushes = flushes.page_flushes + flushes.full_flushes;
  s.flushed_pages = flushes.invlpg;
  s.emptied = flushes.emptied;
  s.interrupts = flushes.interrupts;
  return s;
}

void report_flushes(const Options& options, const FlushCounters& flushes, const MmuCounters& sum,
                    stats::Report& report) {
  report.add("switch.loads", flushes.switches, "events", "Loads of another address space.");
  report.add("switch.pcid_kept", flushes.switches_kept, "events",
             "Switches that found their PCID's translations up to date and kept them.",
             "switch.loads");
  report.add("switch.pcid_stale", flushes.switches_stale, "events",
             "Switches that found their PCID behind a flush, and flushed it.", "switch.loads");
  report.add("switch.pcid_taken", flushes.switches_taken, "events",
             "Switches that had no PCID and took over a flushed one; all of them where PCIDs are "
             "not used.",
             "switch.loads");
  report.add("flush.by_page", flushes.page_flushes, "events",
             "Flush requests carried out page by page.");
  report.add("flush.full", flushes.full_flushes, "events",
             "Flush requests carried out on the whole address space.");
  report.add("flush.deferred", flushes.deferred_flushes, "events",
             "PCIDs that a request left to be flushed when next loaded.");
  report.add("flush.invlpg", flushes.invlpg, "instructions", "INVLPG instructions, on all CPUs.",
             "flush.by_page");
  report.add("flush.pcid_invalidations", flushes.pcid_invalidations, "events",
             "Whole PCIDs flushed, on all CPUs, by requests and by switches.");
  report.add("flush.interrupts", flushes.interrupts, "events",
             "Inter-processor interrupts sent to make other CPUs flush.");
  if (options.native_walk)
    report.add("flush.replaced_tables", flushes.replaced_tables, "events",
               "Flushes of a page because the page table replaced a table, of the same "
               "translations, where a walk could have begun.",
               "flush.by_page");
  if (options.paging.is_pae() && !options.native_walk)
    report.add("flush.pdpte_reloads", sum.pdpte_reloads, "events",
               "Times CR3 was loaded again because the kernel had changed a PDPTE.");
}

void report_idle(const FlushCounters& flushes, stats::Report& report) {
  report.add("flush.idle_spared", flushes.idle_spared, "events",
             "Idle CPUs with the address space loaded that a request left alone.");
  report.add("flush.idle_left", flushes.idle_left, "events",
             "... that were interrupted and left it, because page tables were freed.");
  report.add("flush.strangers", flushes.strangers, "events",
             "Interrupts to CPUs that had loaded another address space since, and had nothing to "
             "flush: because page tables were freed.",
             "mmu.interrupts");
  report.add("flush.idle_caught_up", flushes.idle_caught_up, "events",
             "CPUs that flushed on coming back from idling.", "flush.idle_spared");
}

void report_shadows(const mmu::ShadowCounters& shadows, stats::Report& report) {
  report.add(
      "shadow.lookups", shadows.lookups, "faults",
      "Page faults for which the kernel's page table was looked up, because the hardware walks "
      "a copy of it; 0 where it reads the page table itself.");
  report.add("shadow.fills", shadows.fills, "faults",
             "... that found what the access needed and put it into the copy.", "shadow.lookups");
  report.add("shadow.dirty_fills", shadows.dirty_fills, "faults",
             "Entries made writable at the first store to a page.", "shadow.fills");
  report.add("shadow.preloads", shadows.preloads, "entries",
             "Entries put into the copy by the kernel's own page-fault handling.");
  report.add("shadow.prefills", shadows.prefills, "entries",
             "Neighbours, used before, put into the copy along with those (x86.shadow.prefill).");
  report.add("shadow.joined", shadows.copies.joined, "tables",
             "Tables of the copy taken from another address space's, because the kernel's tables "
             "of that block are shared (kernel.shared_tables).");
  report.add("shadow.left", shadows.copies.left, "tables",
             "... and given up again by a flush of a range that touched their block.",
             "shadow.joined");
  report.add("shadow.purged", shadows.copies.purged, "entries",
             "Entries removed from the copy by flushes of ranges.");
  report.add("shadow.dropped", shadows.copies.dropped, "events",
             "Copies emptied whole by flushes of address spaces, or for want of memory.");
  report.add("shadow.bytes.peak", shadows.copies.peak_bytes, "bytes",
             "Most memory the copies took at one time, beside the page tables' own.");
  if (shadows.copies.no_room != 0)
    report.add("shadow.no_room", shadows.copies.no_room, "entries",
               "Entries there was no memory for in the copy, until the kernel had made some.");
}

}  // namespace mmusim::x86
