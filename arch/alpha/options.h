// What a simulated Alpha's MMU is made of: the keys alpha.*.
//
// Plain data, read-only once it is read. The defaults are the 21264's, as in
// configs/machines/alpha-21264.cfg.
#ifndef MMUSIM_ARCH_ALPHA_OPTIONS_H_
#define MMUSIM_ARCH_ALPHA_OPTIONS_H_

#include "arch/alpha/formats.h"
#include "config/keys.h"
#include "mmu/levels.h"

namespace mmusim::alpha {

enum Level : unsigned { kItb, kDtb };

inline constexpr mmu::LevelCount kTlbCounts[] = {
    {mmu::Of::Lookups, "Lookups: one for each page that {} touch."},
    {mmu::Of::Hits, "Lookups that found the page, also those that then faulted."},
    {mmu::Of::Misses},
    {mmu::Of::Outside},
    {mmu::Of::Retries},
    {mmu::Of::RetryMisses},
    {mmu::Of::Fills, "Entries made, for retries and the linear page table too."},
    {mmu::Of::Evictions},
    {mmu::Of::Invalidated, "Entries removed by tbis and by roll-overs of address space numbers."}};
inline constexpr tlb::GeometryDefaults kTlbDefaults{128, 128, "8K,64K,512K,4M"};
inline constexpr mmu::LevelDecl kTlbs[] = {
    {.name = "itb",
     .shown = "ITB",
     .fetches = true,
     .counts = kTlbCounts,
     .arrays = {{{"alpha.itb", "instruction translation buffer (ITB)", kTlbDefaults}}}},
    {.name = "dtb",
     .shown = "DTB",
     .data = true,
     .counts = kTlbCounts,
     .arrays = {{{"alpha.dtb", "data translation buffer (DTB)", kTlbDefaults}}}}};

struct Options {
  mmu::Arrays tlb;  // by Level, one array each
  unsigned asn_bits = kMostAsnBits;
  bool linear_table = true;
  bool code_takes_number = false;  // when a page of it is flushed

  [[nodiscard]] Asn most_asn() const { return (Asn{1} << asn_bits) - 1; }  // MAX_ASN
  static const config::Keys<Options>& keys();
};

}  // namespace mmusim::alpha

#endif  // MMUSIM_ARCH_ALPHA_OPTIONS_H_
