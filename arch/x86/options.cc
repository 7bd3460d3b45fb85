#include "arch/x86/options.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/bits.h"
#include "base/error.h"

namespace mmusim::x86 {

namespace {

struct ArrayKeys {
  const char* prefix;
  const char* what;
  tlb::GeometryDefaults defaults;
  std::vector<tlb::Geometry> Options::*level;
};

// In the order they are probed.
constexpr unsigned kArrays = 10;
const ArrayKeys kArrayKeys[kArrays] = {
    {"tlb.l1i", "first-level instruction TLB", {128, 8, "4K"}, &Options::l1i},
    {"tlb.l1i.large", "first-level instruction TLB for large pages", {8, 8, "2M"}, &Options::l1i},
    {"tlb.l1i.huge", "first-level instruction TLB for huge pages", {0, 1, "1G"}, &Options::l1i},
    {"tlb.l1d", "first-level data TLB", {64, 4, "4K"}, &Options::l1d},
    {"tlb.l1d.large", "first-level data TLB for large pages", {32, 4, "2M"}, &Options::l1d},
    {"tlb.l1d.huge", "first-level data TLB for huge pages", {4, 4, "1G"}, &Options::l1d},
    {"tlb.l2",
     "second-level TLB (data only where there is a tlb.l2i)",
     {1536, 12, "4K,2M"},
     &Options::l2},
    {"tlb.l2.huge", "second-level TLB for huge pages", {16, 4, "1G"}, &Options::l2},
    {"tlb.l2i", "second-level instruction TLB", {0, 8, "4K,2M"}, &Options::l2i},
    {"tlb.l2i.huge", "second-level instruction TLB for huge pages", {0, 1, "1G"}, &Options::l2i},
};

struct WalkCacheKey {
  const char* name;
  const char* what;
  unsigned level;
  uint64_t entries;
};
const WalkCacheKey kWalkCacheKeys[] = {
    {"psc.pde.entries", "PDE cache (skips to the page table)", 1, 32},
    {"psc.pdpte.entries", "PDPTE cache (skips to the page directory)", 2, 4},
    {"psc.pml4e.entries", "PML4E cache (skips to the page-directory-pointer table)", 3, 2},
    {"psc.pml5e.entries", "PML5E cache (five levels only)", 4, 2},
};

void require_base_pages(const std::vector<tlb::Geometry>& arrays, const char* key) {
  if (std::none_of(arrays.begin(), arrays.end(),
                   [](const tlb::Geometry& array) { return array.holds(k4K); }))
    throw UsageError(fmt::format("{}.pages", key), "no array of this level holds 4K pages",
                     "every page must have a place: give one array 4K");
}

}  // namespace

void declare(config::Schema& schema) {
  for (const ArrayKeys& array : kArrayKeys)
    tlb::declare_geometry(schema, array.prefix, array.what, array.defaults);
  for (const WalkCacheKey& cache : kWalkCacheKeys)
    schema.number(cache.name, cache.entries,
                  fmt::format("Entries of the {}, fully associative, LRU; 0: none.", cache.what), 0,
                  4096);
  schema.flag("tlb.l2.fetches", true,
              "Whether fetches use the second-level TLB where there is no tlb.l2i.");
  schema.number("paging.levels", 4,
                "Levels of the page table: of x86_64 4 or 5, of i386 2 (10 + 10 bits) or 3 (PAE).",
                2, kMostLevels);
  schema.choice(
      "paging.walk", "copy", {"copy", "native"},
      "Over a page table that is not in the hardware's format. copy: the hardware walks a "
      "copy that is, filled by page faults; native: it walks the page table as it is, "
      "with as many tables in one walk cache as the psc.* have entries, if the page table "
      "has tables to remember.");
  schema.flag("paging.gigabyte_pages", true,
              "Whether a PDPTE can map a 1G page (with 4 or 5 levels).");
  schema.number("paging.physical_bits", 46,
                "Width of a physical address in bits (MAXPHYADDR), of which entries of 2 levels "
                "hold 32; entries with address bits above it are malformed.",
                32, 52);
  schema.flag(
      "x86.direct_map", true,
      "Whether the kernel's accesses to an entry and its page, for each fault it fixes, are looked "
      "up in the data TLB, in its mapping of memory.");
  schema.flag("x86.pcid", true,
              "Whether the kernel uses PCIDs, which there are with 4 or 5 levels; without, every "
              "switch of address space empties the TLBs of all but global entries.");
  schema.number("x86.pcid_slots", 6,
                "Address spaces each CPU keeps translations of (PCIDs in use); Linux: 6.", 1, 4094);
  schema.number("x86.flush_ceiling", 33,
                "Pages up to which a range is flushed page by page with INVLPG, above which the "
                "whole address space is flushed; Linux: 33.");
  schema.number(
      "x86.shadow.prefill", 1,
      "Pages, a power of two, of the aligned block around one put into the copy of a page "
      "table the hardware cannot walk, of which those used before come along; 1: none; "
      "KVM: 8.",
      1, 64);
}

Options read_options(const config::Config& config, unsigned least, unsigned most) {
  Options options;
  options.paging.levels = static_cast<unsigned>(config.number("paging.levels"));
  const Paging paging = options.paging;
  if (paging.levels < least || paging.levels > most)
    throw UsageError("paging.levels",
                     fmt::format("page tables of {} levels are not this architecture's, which have "
                                 "{} or {}",
                                 paging.levels, least, most),
                     "set paging.levels, or machine.arch: i386 has 2 or 3, x86_64 4 or 5");
  options.gigabyte_pages = paging.is_long() && config.flag("paging.gigabyte_pages");
  options.physical_bits = std::min(static_cast<unsigned>(config.number("paging.physical_bits")),
                                   paging.most_physical_bits());
  // Entries for pages of a size the machine does not have stay empty.
  for (const ArrayKeys& keys : kArrayKeys) {
    const tlb::Geometry array = tlb::read_geometry(config, keys.prefix, {k4K, k2M, k4M, k1G});
    if (array.exists()) (options.*keys.level).push_back(array);
  }
  require_base_pages(options.l1i, "tlb.l1i");
  require_base_pages(options.l1d, "tlb.l1d");
  options.l2_fetches = config.flag("tlb.l2.fetches");
  if (!options.l2.empty()) require_base_pages(options.l2, "tlb.l2");
  if (!options.l2i.empty()) require_base_pages(options.l2i, "tlb.l2i");
  for (const WalkCacheKey& cache : kWalkCacheKeys)
    options.walk_cache[cache.level] = static_cast<uint32_t>(config.number(cache.name));
  options.native_walk = config.choice("paging.walk") == "native";
  options.direct_map = config.flag("x86.direct_map");
  options.pcid = paging.is_long() && config.flag("x86.pcid");
  options.pcid_slots = static_cast<unsigned>(config.number("x86.pcid_slots"));
  options.flush_ceiling = config.number("x86.flush_ceiling");
  options.shadow_prefill = static_cast<unsigned>(config.number("x86.shadow.prefill"));
  if (!is_power_of_two(options.shadow_prefill))
    throw UsageError("x86.shadow.prefill", "a block is a power of two of pages");
  return options;
}

}  // namespace mmusim::x86
