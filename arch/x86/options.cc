#include "arch/x86/options.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iterator>
#include <vector>

#include "base/bits.h"
#include "base/error.h"

namespace mmusim::x86 {

namespace {

using mmu::Of;

// With addresses of 32 bits; longer ones have a hole, whose addresses are counted too.
constexpr mmu::LevelCount kFirstCounts[] = {
    {Of::Lookups, "First-level lookups: one for each page that {} touch."},
    {Of::Hits,
     "Lookups that found the page, also those that were then refused or needed the dirty bit set."},
    {Of::Misses},
    {Of::Retries},
    {Of::RetryMisses},
    {Of::Fills},
    {Of::Evictions},
    {Of::Invalidated, "Entries removed by flushes and page faults."}};
constexpr auto kLongFirstCounts = [] {
  std::array<mmu::LevelCount, std::size(kFirstCounts) + 1> counts{};
  std::copy_n(kFirstCounts, 3, counts.begin());
  counts[3] = {Of::Outside, "Accesses to addresses that are not canonical, which no TLB sees.",
               "non_canonical"};
  std::copy(kFirstCounts + 3, std::end(kFirstCounts), counts.begin() + 4);
  return counts;
}();
constexpr mmu::LevelCount kSecondCounts[] = {
    {Of::Lookups, "Lookups in the second level: the first-level misses of {}."},
    {Of::Hits},
    {Of::Misses, "Lookups that did not find the page, so that a walk was needed."},
    {Of::Retries, "Lookups for accesses repeated after a page fault; not among the lookups."},
    {Of::RetryMisses},
    {Of::Fills},
    {Of::Evictions},
    {Of::Invalidated, "Entries removed by flushes and page faults."}};

constexpr std::array<mmu::LevelDecl, kLevels> tlbs_of(bool is_long, bool split) {
  const std::span<const mmu::LevelCount> first =
      is_long ? std::span<const mmu::LevelCount>(kLongFirstCounts) : kFirstCounts;
  return {
      {{.name = "l1i",
        .shown = "first-level instruction TLB",
        .fetches = true,
        .counts = first,
        .arrays = {{{"tlb.l1i", "first-level instruction TLB", {128, 8, "4K"}},
                    {"tlb.l1i.large", "first-level instruction TLB for large pages", {8, 8, "2M"}},
                    {"tlb.l1i.huge", "first-level instruction TLB for huge pages", {0, 1, "1G"}}}}},
       {.name = "l1d",
        .shown = "first-level data TLB",
        .data = true,
        .counts = first,
        .arrays = {{{"tlb.l1d", "first-level data TLB", {64, 4, "4K"}},
                    {"tlb.l1d.large", "first-level data TLB for large pages", {32, 4, "2M"}},
                    {"tlb.l1d.huge", "first-level data TLB for huge pages", {4, 4, "1G"}}}}},
       {.name = "l2",
        .shown = "second-level TLB",
        .fetches = !split,
        .data = true,
        .second = true,
        .counts = kSecondCounts,
        .arrays = {{{"tlb.l2",
                     "second-level TLB (data only where there is a tlb.l2i)",
                     {1536, 12, "4K,2M"}},
                    {"tlb.l2.huge", "second-level TLB for huge pages", {16, 4, "1G"}}}}},
       {.name = "l2i",
        .shown = "second-level TLB",
        .fetches = true,
        .second = true,
        .counts = kSecondCounts,
        .arrays = {
            {{"tlb.l2i", "second-level instruction TLB", {0, 8, "4K,2M"}},
             {"tlb.l2i.huge", "second-level instruction TLB for huge pages", {0, 1, "1G"}}}}}}};
}

struct WalkCacheKey {
  const char* name;
  const char* what;
  unsigned level;
};
const WalkCacheKey kWalkCacheKeys[] = {
    {"psc.pde.entries", "PDE cache (skips to the page table)", 1},
    {"psc.pdpte.entries", "PDPTE cache (skips to the page directory)", 2},
    {"psc.pml4e.entries", "PML4E cache (skips to the page-directory-pointer table)", 3},
    {"psc.pml5e.entries", "PML5E cache (five levels only)", 4},
};

// What the way of paging has no use for is off. Entries for pages of a size the machine does not
// have stay empty.
void settle(const config::Config& /*config*/, Options& options) {
  const Paging paging = options.paging;
  options.gigabyte_pages = paging.is_long() && options.gigabyte_pages;
  options.pcid = paging.is_long() && options.pcid;
  options.physical_bits = std::min(options.physical_bits, paging.most_physical_bits());
}

}  // namespace

constexpr std::array<std::array<std::array<mmu::LevelDecl, kLevels>, 2>, 2> kTlbs = {
    {{tlbs_of(false, false), tlbs_of(false, true)}, {tlbs_of(true, false), tlbs_of(true, true)}}};

const config::Keys<Options>& Options::keys() {
  static const config::Keys<Options> kKeys = [] {
    auto keys = mmu::level_keys(kTlbs[0][0], &Options::tlb, {k4K, k2M, k4M, k1G}, k4K);
    for (const WalkCacheKey& cache : kWalkCacheKeys)
      keys.number(
          cache.name, [level = cache.level](auto& o) -> auto& { return o.walk_cache[level]; },
          fmt::format("Entries of the {}, fully associative, LRU; 0: none.", cache.what), 0, 4096);
    keys.flag("tlb.l2.fetches", &Options::l2_fetches,
              "Whether fetches use the second-level TLB where there is no tlb.l2i.")
        .number(
            "paging.levels", [](auto& o) -> auto& { return o.paging.levels; },
            "Levels of the page table: of x86_64 4 or 5, of i386 2 (10 + 10 bits) or 3 (PAE).", 2,
            kMostLevels)
        .choice("paging.walk", &Options::native_walk, {{"copy", false}, {"native", true}},
                "Over a page table that is not in the hardware's format. copy: the hardware walks "
                "a copy that is, filled by page faults; native: it walks the page table as it is, "
                "with as many tables in one walk cache as the psc.* have entries, if the page "
                "table has tables to remember.")
        .flag("paging.gigabyte_pages", &Options::gigabyte_pages,
              "Whether a PDPTE can map a 1G page (with 4 or 5 levels).")
        .number("paging.physical_bits", &Options::physical_bits,
                "Width of a physical address in bits (MAXPHYADDR), of which entries of 2 levels "
                "hold 32; entries with address bits above it are malformed.",
                32, 52)
        .flag("x86.direct_map", &Options::direct_map,
              "Whether the kernel's accesses to an entry and its page, for each fault it fixes, "
              "are looked up in the data TLB, in its mapping of memory.")
        .flag("x86.pcid", &Options::pcid,
              "Whether the kernel uses PCIDs, which there are with 4 or 5 levels; without, every "
              "switch of address space empties the TLBs of all but global entries.")
        .number("x86.pcid_slots", &Options::pcid_slots,
                "Address spaces each CPU keeps translations of (PCIDs in use); Linux: 6.", 1, 4094)
        .number("x86.flush_ceiling", &Options::flush_ceiling,
                "Pages up to which a range is flushed page by page with INVLPG, above which the "
                "whole address space is flushed; Linux: 33.")
        .number("x86.shadow.prefill", &Options::shadow_prefill,
                "Pages, a power of two, of the aligned block around one put into the copy of a "
                "page table the hardware cannot walk, of which those used before come along; 1: "
                "none; KVM: 8.",
                1, 64)
        .power_of_two("x86.shadow.prefill", &Options::shadow_prefill,
                      "blocks are found by bits of an address")
        .part(nullptr, settle);
    return keys;
  }();
  return kKeys;
}

Options read_options(const config::Config& config, unsigned least, unsigned most) {
  const Options options = Options::keys().read(config);
  if (options.paging.levels < least || options.paging.levels > most)
    throw UsageError("paging.levels",
                     fmt::format("page tables of {} levels are not this architecture's, which have "
                                 "{} or {}",
                                 options.paging.levels, least, most),
                     "set paging.levels, or machine.arch: i386 has 2 or 3, x86_64 4 or 5");
  return options;
}

}  // namespace mmusim::x86
