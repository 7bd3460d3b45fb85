// The ways the processors of the family translate, told apart by the levels of their tables: what
// everything that depends on them goes by.
//
//   2  32-bit paging: indexes of 10 bits, entries of 4 bytes, leaves of 4K and (PSE) 4M
//   3  PAE: 2 + 9 + 9 bits, entries of 8 bytes, leaves of 4K and 2M. The four entries of the
//   highest
//      level, PDPTEs, are in registers loaded with CR3: no walk reads them in memory.
//   4  4-level paging: 9 bits each, leaves of 4K, 2M and, if the processor has them, 1G
//   5  5-level paging
//
// Intel SDM vol. 3A, 4.1.1 and 4.3 to 4.5. Levels are numbered from the leaf level up: 0 is the
// PTE.
#ifndef MMUSIM_ARCH_X86_PAGING_H_
#define MMUSIM_ARCH_X86_PAGING_H_

#include <cstdint>

#include "base/types.h"

namespace mmusim::x86 {

inline constexpr unsigned kMostLevels = 5;  // PTE, PDE, PDPTE, PML4E, PML5E
inline constexpr unsigned kPdptes = 4;      // registers, with PAE

inline constexpr PageShift k4K{12};
inline constexpr PageShift k2M{21};
inline constexpr PageShift k4M{22};
inline constexpr PageShift k1G{30};

struct Paging {
  unsigned levels = 4;

  [[nodiscard]] constexpr bool is_pae() const { return levels == 3; }
  [[nodiscard]] constexpr bool is_long() const { return levels >= 4; }
  [[nodiscard]] constexpr unsigned entry_bytes() const { return levels == 2 ? 4 : 8; }
  // Of every level but PAE's highest.
  [[nodiscard]] constexpr unsigned index_bits() const { return levels == 2 ? 10 : 9; }
  // Levels a walk that knows nothing reads.
  [[nodiscard]] constexpr unsigned walked() const { return is_pae() ? 2 : levels; }
  // 32-bit paging has no bit that refuses fetches.
  [[nodiscard]] constexpr bool has_no_execute() const { return levels != 2; }
  // What an entry's address can reach, whatever the processor can; PSE-36 is not modelled.
  [[nodiscard]] constexpr unsigned most_physical_bits() const { return levels == 2 ? 32 : 52; }

  // log2 of what an entry at `level` covers.
  [[nodiscard]] constexpr unsigned shift(unsigned level) const { return 12 + index_bits() * level; }
  [[nodiscard]] constexpr uint64_t index(VirtAddr va, unsigned level) const {
    return va.value() >> shift(level) & ((uint64_t{1} << index_bits()) - 1);
  }
  // Level at which a page of this size is a leaf.
  [[nodiscard]] constexpr unsigned level_of_size(PageShift size) const {
    unsigned level = 0;
    for (const unsigned above : {1u, 2u})  // the highest that has leaves
      level += size.log2() >= shift(above) ? 1 : 0;
    return level;
  }

  // Whether there is such an address: with four or five levels, canonical (all bits from the
  // highest translated one up are equal, bit 47 or 56); else within 4 GiB.
  [[nodiscard]] constexpr bool has_address(VirtAddr va) const {
    if (!is_long()) return va.value() >> 32 == 0;
    const unsigned unused = 64 - shift(levels);
    const auto shifted = static_cast<int64_t>(va.value() << unused);
    return static_cast<uint64_t>(shifted >> unused) == va.value();
  }
};

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_PAGING_H_
