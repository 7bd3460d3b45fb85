// What a simulated PowerPC machine's MMU is made of: the keys ppc64.*.
//
// Plain data, read-only once it is read. The defaults are the PowerPC 970's, as in
// configs/machines/ppc970.cfg.
#ifndef MMUSIM_ARCH_PPC64_OPTIONS_H_
#define MMUSIM_ARCH_PPC64_OPTIONS_H_

#include <cstdint>
#include <vector>

#include "arch/ppc64/formats.h"
#include "config/keys.h"
#include "mmu/levels.h"

namespace mmusim::ppc64 {

enum Level : unsigned { kIerat, kDerat, kTlb };

inline constexpr const char* kLookupsText =
    "Lookups: one for each page that accesses touch; of the TLB, the ERATs' misses.";
inline constexpr const char* kHitsText =
    "Lookups that found the page, also those that then faulted.";
inline constexpr const char* kInvalidatedText =
    "Entries removed by tlbie and, of ERATs, by switches of address space.";
inline constexpr mmu::LevelCount kEratCounts[] = {
    {mmu::Of::Lookups, kLookupsText},
    {mmu::Of::Hits, kHitsText},
    {mmu::Of::Misses},
    {mmu::Of::Fills},
    {mmu::Of::Evictions},
    {mmu::Of::Invalidated, kInvalidatedText},
    {mmu::Of::Outside,
     "Accesses to addresses that are not user space's, for which there is no segment."},
    {mmu::Of::Retries},
    {mmu::Of::RetryMisses}};
inline constexpr mmu::LevelCount kTlbCounts[] = {{mmu::Of::Lookups, kLookupsText},
                                                 {mmu::Of::Hits, kHitsText},
                                                 {mmu::Of::Misses},
                                                 {mmu::Of::Fills},
                                                 {mmu::Of::Evictions},
                                                 {mmu::Of::Invalidated, kInvalidatedText},
                                                 {mmu::Of::RetryMisses}};
inline constexpr mmu::LevelDecl kTlbs[] = {
    {.name = "ierat",
     .shown = "instruction ERAT",
     .fetches = true,
     .counts = kEratCounts,
     .arrays = {{{"ppc64.ierat", "instruction ERAT", {128, 2, "4K"}}}}},
    {.name = "derat",
     .shown = "data ERAT",
     .data = true,
     .counts = kEratCounts,
     .arrays = {{{"ppc64.derat", "data ERAT", {128, 128, "4K"}}}}},
    {.name = "tlb",
     .shown = "TLB",
     .fetches = true,
     .data = true,
     .second = true,
     .needed = true,
     .counts = kTlbCounts,
     .arrays = {{{"ppc64.tlb", "TLB", {1024, 4, "4K,16M"}}}}}};

struct Options {
  mmu::Arrays tlb;  // by Level, one array each
  unsigned slb_entries = 64;
  bool tera_segments = false;
  PageShift page = k4K;
  bool mpss = false;        // pages larger than a segment's base page
  uint64_t htab_bytes = 0;  // 0: by Linux's rule
  bool coherent_icache = true;
  bool tlbie_lock = false;
  bool linear_map = true;  // the kernel's own accesses take entries of ERATs, SLB and TLB

  static const config::Keys<Options>& keys();
};

// The page sizes HPTEs may have, ascending, the base page first: with mpss those besides that can
// be encoded and the TLB holds.
std::vector<PageShift> actual_pages(const Options& options);

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_OPTIONS_H_
