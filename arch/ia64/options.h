// What a simulated IA-64 machine's MMU is made of: the keys ia64.*.
//
// Plain data, read-only once it is read. The defaults are Itanium 2's (Madison), as in
// configs/machines/itanium2-madison.cfg.
#ifndef MMUSIM_ARCH_IA64_OPTIONS_H_
#define MMUSIM_ARCH_IA64_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "arch/ia64/formats.h"
#include "arch/ia64/hash.h"
#include "base/bits.h"
#include "config/keys.h"
#include "mmu/levels.h"

namespace mmusim::ia64 {

enum Level : unsigned { kL1I, kL1D, kL2I, kL2D };

inline constexpr const char* kInvalidatedText =
    "Entries removed by purges, and by insertions of the same page.";
inline constexpr mmu::LevelCount kFirstCounts[] = {
    {mmu::Of::Lookups, "First-level lookups: one for each page that {} touch."},
    {mmu::Of::Hits, "Lookups that found the page, also those that then needed a handler."},
    {mmu::Of::Misses},
    {mmu::Of::Outside, "Accesses to addresses the processor does not implement, which no TLB sees.",
     "unimplemented"},
    {mmu::Of::Retries},
    {mmu::Of::RetryMisses},
    {mmu::Of::Fills},
    {mmu::Of::Evictions},
    {mmu::Of::Invalidated, kInvalidatedText}};
inline constexpr mmu::LevelCount kSecondCounts[] = {
    {mmu::Of::Lookups, "Lookups in the second level: the first-level misses of {}."},
    {mmu::Of::Hits},
    {mmu::Of::Misses,
     "Lookups that did not find the page, so that the walker or a handler was needed."},
    {mmu::Of::Retries, "Lookups for accesses repeated after a page fault; not among the lookups."},
    {mmu::Of::RetryMisses},
    {mmu::Of::Fills},
    {mmu::Of::Evictions},
    {mmu::Of::Invalidated, kInvalidatedText}};
inline constexpr const char* kEverySize = "4K,8K,16K,64K,256K,1M,4M,16M,64M,256M,1G,4G";
inline constexpr mmu::LevelDecl kTlbs[] = {
    {.name = "l1i",
     .shown = "first-level instruction TLB",
     .fetches = true,
     .counts = kFirstCounts,
     .arrays = {{{"ia64.l1i", "first-level instruction TLB", {32, 32, "4K"}}}}},
    {.name = "l1d",
     .shown = "first-level data TLB",
     .data = true,
     .counts = kFirstCounts,
     .arrays = {{{"ia64.l1d", "first-level data TLB", {32, 32, "4K"}}}}},
    {.name = "l2i",
     .shown = "second-level instruction TLB",
     .fetches = true,
     .second = true,
     .counts = kSecondCounts,
     .arrays = {{{"ia64.l2i", "second-level instruction TLB", {128, 128, kEverySize}}}}},
    {.name = "l2d",
     .shown = "second-level data TLB",
     .data = true,
     .second = true,
     .counts = kSecondCounts,
     .arrays = {{{"ia64.l2d", "second-level data TLB", {128, 128, kEverySize}}}}}};

enum class Walker : uint8_t {
  Long,        // reads a hash table of 32-byte entries that handlers fill
  Short,       // reads a linear table of 8-byte entries
  Off,         // handlers search the page table
  OffAsLinux,  // off; handlers read the linear table, which nothing maps: a nested miss each time
};

// Which entries of the long-format VHPT a superpage gets, which has one for each base page.
enum class VhptFill : uint8_t {
  Missed,   // its handler fills that of the page that missed
  All,      // it fills all of them
  AtFault,  // the kernel fills all of them when it has mapped the superpage
};

struct Options {
  Walker walker = Walker::Long;
  uint64_t vhpt_bytes = 0;  // of a machine that is made, never 0
  VhptFill superpage_fill = VhptFill::Missed;
  bool refuse_superpages = false;  // the short format's walker cannot insert their words
  bool chains = false;
  bool exchange = false;  // of what is found in a chain with what is in its slot
  bool folded_hash = false;
  uint64_t chain_entries = 4096;

  // By Level, one array each, if any. A side's last level holds the translation registers, and is
  // given here without what the kernel pins.
  mmu::Arrays tlb;

  unsigned levels = 3;
  unsigned va_msb = 60;
  unsigned rid_bits = 24;
  uint64_t hugetlb_bytes = 0;    // of region 4's pages; 0: such as all others
  std::optional<bool> swap_rid;  // nothing: in long format only
  bool smp = true;
  bool identity = true;
  uint64_t granule_bytes = uint64_t{16} << 20;
  unsigned instruction_registers = 64;
  unsigned data_registers = 64;

  // Translation registers the kernel takes: its text (I and D), PAL code (I), its stack (D) and,
  // in long format, the VHPT (D).
  [[nodiscard]] unsigned pinned_instruction() const { return 2; }
  [[nodiscard]] unsigned pinned_data() const { return walker == Walker::Long ? 3 : 2; }
  [[nodiscard]] mmu::Locked locked() const {
    const auto last = [this](Level level, Level second, unsigned pinned) {
      return level == second || tlb[second].empty() ? pinned : 0;
    };
    return {last(kL1I, kL2I, pinned_instruction()), last(kL1D, kL2D, pinned_data()),
            last(kL2I, kL2I, pinned_instruction()), last(kL2D, kL2D, pinned_data())};
  }
  [[nodiscard]] Pta pta() const;
  [[nodiscard]] unsigned granule() const { return log2_floor(granule_bytes); }
  [[nodiscard]] bool swaps_rid() const { return swap_rid.value_or(walker == Walker::Long); }
  // Of region 4, if it is another than the base page.
  [[nodiscard]] std::optional<PageShift> huge_page() const {
    if (hugetlb_bytes == 0) return std::nullopt;
    return PageShift(log2_floor(hugetlb_bytes));
  }
  [[nodiscard]] Hash hash() const { return {pta(), kPage, va_msb, folded_hash, huge_page()}; }
  // Whether the walker looks for anything.
  [[nodiscard]] bool walks() const { return walker == Walker::Long || walker == Walker::Short; }
  // Whether words of superpages are such as the walker refuses.
  [[nodiscard]] bool refuses() const { return walker == Walker::Short && refuse_superpages; }
  // Whether anybody reads the linear table, so that what it maps must be purged.
  [[nodiscard]] bool linear() const {
    return walker == Walker::Short || walker == Walker::OffAsLinux;
  }

  static const config::Keys<Options>& keys();
};

// 4K to 4G: what itc takes.
const std::vector<PageShift>& insertable_sizes();
// Bytes of a VHPT where nobody says, of a machine with so much memory: log2 of its base pages, in
// bytes, rounded down, up to a size that can be inserted, at least 4M (the LVHPT patches'
// compute_vhpt_size_non_numa).
uint64_t vhpt_bytes_for(uint64_t memory);

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_OPTIONS_H_
