// The bits of a 64-bit x86 paging-structure entry, and of a virtual address, by name.
//
// Intel SDM vol. 3A, section 4.5 (4-level and 5-level paging), tables 4-14 to 4-20; software bits
// as Linux uses them (arch/x86/include/asm/pgtable_types.h).
#ifndef MMUSIM_ARCH_X86_ENTRY_BITS_H_
#define MMUSIM_ARCH_X86_ENTRY_BITS_H_

#include "base/bits.h"
#include "base/types.h"

namespace mmusim::x86 {

using PresentBit = BitField<0>;
using WriteBit = BitField<1>;
using UserBit = BitField<2>;
using AccessedBit = BitField<5>;
using DirtyBit = BitField<6>;
using PageSizeBit = BitField<7>;       // PS above the lowest level; PAT in a PTE
using GlobalBit = BitField<8>;         // in a present leaf
using ProtNoneBit = BitField<8>;       // Linux, in an entry that is not present
using SpecialBit = BitField<9>;        // Linux, a software bit
using AddressBits = BitField<12, 40>;  // frame number: address bits 51:12
using NoExecuteBit = BitField<63>;

inline constexpr unsigned kIndexBits = 9;   // of the address, per level
inline constexpr unsigned kMostLevels = 5;  // PTE, PDE, PDPTE, PML4E, PML5E
using Pcid = uint16_t;                      // 12 bits

inline constexpr PageShift k4K{12};
inline constexpr PageShift k2M{21};
inline constexpr PageShift k1G{30};

// log2 of what an entry at `level` covers; 0 is the PTE.
constexpr unsigned shift_of_level(unsigned level) {
  return 12 + kIndexBits * level;
}
// Level at which a page of this size is a leaf.
constexpr unsigned level_of_size(PageShift size) {
  return (size.log2() - 12) / kIndexBits;
}

// Whether bits 63 .. N-1 of the address are all equal, N = 48 or 57 for 4 or 5 levels.
constexpr bool is_canonical(VirtAddr va, unsigned levels) {
  const unsigned unused = 64 - shift_of_level(levels);
  const auto shifted = static_cast<int64_t>(va.value() << unused);
  return static_cast<uint64_t>(shifted >> unused) == va.value();
}

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_ENTRY_BITS_H_
