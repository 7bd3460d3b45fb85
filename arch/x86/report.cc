#include "arch/x86/report.h"

#include <fmt/format.h>
#include <numeric>
#include <string>

#include "mmu/levels.h"

namespace mmusim::x86 {

namespace {

void report_leaves(const Paging& paging, const Mmu::Counters& sum, stats::Report& report) {
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

void report_native_walker(const Options& options, const Mmu::Counters& sum, stats::Report& report) {
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
  report.state("walker.longest", native.longest, "references",
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

void report_walker(const Options& options, const Mmu::Counters& sum, stats::Report& report) {
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

constexpr mmu::FaultDecl kNotPresent{
    mmu::FaultReason::NotPresent,
    "Page faults because there was no translation; retries included."};
constexpr mmu::FaultDecl kProtection{
    mmu::FaultReason::Protection,
    "Page faults because the translation did not allow the access; retries included."};
constexpr mmu::FaultDecl kNonCanonical{
    mmu::FaultReason::NonCanonical,
    "General-protection faults for addresses that are not canonical."};
constexpr mmu::FaultDecl kMalformed{
    mmu::FaultReason::Malformed,
    "Page faults because an entry had reserved bits set or led outside table memory."};
constexpr mmu::FaultDecl kLongFaults[] = {kNotPresent, kProtection, kNonCanonical, kMalformed};
constexpr mmu::FaultDecl kFaults[] = {kNotPresent, kProtection, kMalformed};

}  // namespace

uint64_t walks_of(const Mmu::Counters& sum) {
  return sum_of(sum.walker.started) + sum.native.walks;
}

void report_mmu(const Options& options, const Mmu::Counters& sum, stats::Report& report) {
  mmu::report_data_kinds("tlb.l1d", sum, report);
  mmu::report_levels(options.levels(), options.tlb, sum, report);
  if (!options.tlb[kL2].empty() && !options.split_l2()) {
    report.add("tlb.l2.fetch_misses", sum.sides[mmu::kFetches].second_misses, "accesses",
               "Second-level misses of instruction fetches.", "tlb.l1i.misses");
    report.add("tlb.l2.data_misses", sum.sides[mmu::kData].second_misses, "accesses",
               "Second-level misses of data accesses.", "tlb.l1d.misses");
  }
  if (options.native_walk)
    report_native_walker(options, sum, report);
  else
    report_walker(options, sum, report);
  if (options.paging.is_long())
    mmu::report_faults(kLongFaults, sum, report);
  else
    mmu::report_faults(kFaults, sum, report);
  if (!options.direct_map) return;
  stats::report<DirectCounts>(sum, report);
  if (!options.paging.is_long()) stats::report<KmapCounts>(sum, report);
}

}  // namespace mmusim::x86
