// What a simulated sun4u machine's MMU is made of: the keys sparc64.*.
//
// Each side has a fully associative TLB, which holds the kernel's locked entries too, and may have
// set-associative ones beside it, each of one page size (UltraSPARC III: T128, T512). Plain data,
// read-only once it is read. The defaults are UltraSPARC I's, as in
// configs/machines/ultrasparc-i.cfg.
#ifndef MMUSIM_ARCH_SPARC64_OPTIONS_H_
#define MMUSIM_ARCH_SPARC64_OPTIONS_H_

#include <cstdint>

#include "arch/sparc64/formats.h"
#include "base/bits.h"
#include "config/keys.h"
#include "mmu/levels.h"

namespace mmusim::sparc64 {

enum Level : unsigned { kItlb, kDtlb };

inline constexpr mmu::LevelCount kTlbCounts[] = {
    {mmu::Of::Lookups, "Lookups: one for each page that accesses touch."},
    {mmu::Of::Hits, "Lookups that found the page, also stores that were then not allowed."},
    {mmu::Of::Misses, "Lookups that did not find the page: a trap each."},
    {mmu::Of::Outside, "Accesses to addresses in the hole, which no TLB sees."},
    {mmu::Of::Retries},
    {mmu::Of::RetryMisses},
    {mmu::Of::Fills, "Entries loaded, for retries and for the kernel's linear mapping too."},
    {mmu::Of::Evictions},
    {mmu::Of::Invalidated, "Entries demapped."}};
// The fully associative array first.
inline constexpr mmu::LevelDecl kTlbs[] = {
    {.name = "itlb",
     .shown = "instruction TLB",
     .fetches = true,
     .counts = kTlbCounts,
     .arrays = {{{"sparc64.itlb", "fully associative instruction TLB", {64, 64, "8K,64K,512K,4M"}},
                 {"sparc64.itlb.set0", "set-associative instruction TLB", {0, 2, "8K"}}}}},
    {.name = "dtlb",
     .shown = "data TLB",
     .data = true,
     .counts = kTlbCounts,
     .arrays = {{{"sparc64.dtlb", "fully associative data TLB", {64, 64, "8K,64K,512K,4M"}},
                 {"sparc64.dtlb.set0", "set-associative data TLB", {0, 2, "8K"}},
                 {"sparc64.dtlb.set1", "second set-associative data TLB", {0, 2, "8K"}}}}}};

enum class TsbMode : uint8_t {
  None,  // handlers walk the page table
  One,   // one for each address space, of all page sizes
  Two,   // as Linux: another for huge pages, once there are any
};

struct Options {
  mmu::Arrays tlb;             // by Level; the fully associative array last
  unsigned image_entries = 2;  // locked 4M entries of the kernel's image, on each side
  TsbMode tsb = TsbMode::Two;
  bool tsb_physical = false;
  uint64_t tsb_least = tsb::bytes_of(0);
  uint64_t tsb_largest = tsb::bytes_of(tsb::kSizeCodes - 1);
  bool linear_map = true;
  unsigned va_bits = 44;
  unsigned physical_bits = 41;

  [[nodiscard]] unsigned tsb_count() const {
    return tsb == TsbMode::None ? 0 : tsb == TsbMode::One ? 1 : 2;
  }
  // Size codes.
  [[nodiscard]] unsigned tsb_first() const { return log2_floor(tsb_least / tsb::bytes_of(0)); }
  [[nodiscard]] unsigned tsb_most() const { return log2_floor(tsb_largest / tsb::bytes_of(0)); }
  // Most locked entries there can be, in the fully associative TLBs.
  [[nodiscard]] unsigned locked_fetch() const { return image_entries; }
  [[nodiscard]] unsigned locked_data() const {
    return image_entries + (tsb_physical ? 0 : tsb_count());
  }

  static const config::Keys<Options>& keys();
};

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_OPTIONS_H_
