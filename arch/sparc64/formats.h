// The words of SPARC V9 sun4u (UltraSPARC I to III) and of its Linux, by name.
//
// Bits are numbered from the least significant. The TTE's data word and the tag target as the
// UltraSPARC I & II User's Manual (802-7220), 6.2 and 6.9, and the UltraSPARC III Cu User's Manual,
// chapter 13, have them; the bits left to software, and the TSB's entries, as in Linux 3.18,
// arch/sparc/include/asm/{pgtable_64,tsb}.h. Linux's page-table entry is the TTE's data word. Pure
// functions.
#ifndef MMUSIM_ARCH_SPARC64_FORMATS_H_
#define MMUSIM_ARCH_SPARC64_FORMATS_H_

#include <array>
#include <cstdint>

#include "base/bits.h"
#include "base/types.h"

namespace mmusim::sparc64 {

inline constexpr PageShift kPage{13};
inline constexpr PageShift kLargePage{22};  // the largest the TLBs know
inline constexpr PageShift kHugePage{23};   // Linux's: two of those
// By size code.
inline constexpr std::array<PageShift, 4> kSizes = {PageShift{13}, PageShift{16}, PageShift{19},
                                                    PageShift{22}};

// --- TTE, data word
namespace tte {
using Valid = BitField<63>;
using Size = BitField<61, 2>;
using NoFault = BitField<60>;
using InvertEndian = BitField<59>;
using Special = BitField<57>;    // Linux, of Soft2
using Huge = BitField<56>;       // Linux, of Soft2: a leaf of kHugePage
using Frame = BitField<13, 30>;  // PA 42:13
using Exec = BitField<12>;       // Linux, of Soft, down to Present
using Modified = BitField<11>;
using Accessed = BitField<10>;
using Read = BitField<9>;
using Write = BitField<8>;
using Present = BitField<7>;
using Locked = BitField<6>;
using CacheablePhysical = BitField<5>;
using CacheableVirtual = BitField<4>;
using SideEffect = BitField<3>;
using Privileged = BitField<2>;
using Writable = BitField<1>;  // W: what the hardware goes by
using Global = BitField<0>;
}  // namespace tte

// The largest size the hardware has that is not larger than `leaf`.
constexpr unsigned size_code_of(PageShift leaf) {
  unsigned code = 0;
  while (code + 1 < kSizes.size() && kSizes[code + 1] <= leaf)
    ++code;
  return code;
}
constexpr PageShift size_of(uint64_t tte) {
  return kSizes[tte::Size::get(tte)];
}
// What the TLBs go by: a data TLB's entry can be read, and stored to with W; an instruction TLB's
// can be fetched from, Linux having looked at its bit before.
constexpr Rights data_rights(uint64_t tte) {
  return Rights(Rights::kRead | Rights::kUser |
                (tte::Writable::get(tte) != 0 ? unsigned{Rights::kWrite} : 0u));
}
constexpr Rights fetch_rights() {
  return Rights(Rights::kExec | Rights::kUser);
}

// --- TSB: entries of a tag and a TTE's data word
namespace tsb {
using Global = BitField<63>;       // of the hardware's tag target; here always 0 ...
using Context = BitField<48, 13>;  // ... as is this, each address space having a TSB of its own
using Lock = BitField<47>;         // Linux
using Invalid = BitField<46>;      // Linux
using Address = BitField<0, 42>;   // VA 63:22
inline constexpr uint64_t kEntryBytes = 16;
inline constexpr uint64_t kLeastEntries = 512;  // size code 0
inline constexpr unsigned kSizeCodes = 8;       // Linux: 8K to 1M
constexpr uint64_t bytes_of(unsigned code) {
  return kLeastEntries * kEntryBytes << code;
}
constexpr uint64_t tag_of(VirtAddr va) {
  return Address::get(va.value() >> 22);
}
}  // namespace tsb

// --- Addresses
using Context = uint32_t;  // 13 bits; 0 is the kernel's
inline constexpr unsigned kContextBits = 13;
// The hole of 44-bit addresses, which Linux keeps 4G away from.
inline constexpr VirtAddr kHoleBegin{0x0000'0800'0000'0000};
inline constexpr VirtAddr kHoleEnd{0xffff'f800'0000'0000};
inline constexpr uint64_t kHoleMargin = uint64_t{1} << 32;
inline constexpr VirtAddr kTaskEnd{0xffff'fffc'0000'0000};
constexpr bool in_hole(VirtAddr va) {
  return va >= kHoleBegin && va < kHoleEnd;
}
// The kernel's own, in its context.
inline constexpr VirtAddr kLinearMap{0xffff'f800'0000'0000};
inline constexpr VirtAddr kImage{0x0000'0000'0040'0000};
inline constexpr VirtAddr kTsbMap{0x0000'0000'0800'0000};      // of 8K pages' TSB
inline constexpr VirtAddr kHugeTsbMap{0x0000'0000'0840'0000};  // of 4M pages'
// Linear mapping: cacheable, privileged, writable, in pages of 4M.
constexpr uint64_t linear_tte(PhysAddr address) {
  uint64_t word = tte::Valid::kMask | tte::Size::set(0, size_code_of(kLargePage)) |
                  tte::CacheablePhysical::kMask | tte::CacheableVirtual::kMask |
                  tte::Privileged::kMask | tte::Writable::kMask;
  word |= address.value() & ~kLargePage.offset_mask() & tte::Frame::kMask;
  return word;
}

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_FORMATS_H_
