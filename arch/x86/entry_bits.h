// The bits of an x86 paging-structure entry by name.
//
// The 4-byte entries of 32-bit paging are the lower half of the others, without the uppermost bits.
// Intel SDM vol. 3A, sections 4.3 (32-bit paging, tables 4-4 to 4-6), 4.4 (PAE, tables 4-8 to 4-11)
// and 4.5 (4-level and 5-level paging, tables 4-14 to 4-20); software bits as Linux uses them
// (arch/x86/include/asm/pgtable_types.h).
#ifndef MMUSIM_ARCH_X86_ENTRY_BITS_H_
#define MMUSIM_ARCH_X86_ENTRY_BITS_H_

#include "arch/x86/paging.h"
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

// A PAE PDPTE has P, PWT, PCD (0, 3, 4), three ignored bits (11:9) and the address: no rights, no
// A. These must be 0, besides address bits above MAXPHYADDR.
inline constexpr uint64_t kPdpteReserved = BitField<1, 2>::kMask | BitField<5, 4>::kMask;

using Pcid = uint16_t;  // 12 bits

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_ENTRY_BITS_H_
