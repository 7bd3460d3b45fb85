// The words of IA-64's virtual memory, by field: translation word, ITIR, region register, PTA, and
// the tag of a long-format VHPT entry.
//
// Intel Itanium Architecture Software Developer's Manual (SDM) rev. 2.3, vol. 2, chapter 4: 4.1.1.1
// and figures 4-5 to 4-10 (formats), 4.1.6 (VHPT). Software bits as Linux has them
// (arch/ia64/include/asm/pgtable.h), and one field of the simulator's own: `PageSizeField`, the
// log2 of a leaf's size in ignored bits 58:53 of the translation word, from which handlers build
// ITIR.
#ifndef MMUSIM_ARCH_IA64_FORMATS_H_
#define MMUSIM_ARCH_IA64_FORMATS_H_

#include <cstdint>

#include "base/bits.h"
#include "base/types.h"

namespace mmusim::ia64 {

inline constexpr PageShift kPage{14};  // Linux's base page here; one of 4K, 8K, 16K, 64K
inline constexpr unsigned kRegions = 8;
inline constexpr unsigned kHugeRegion = 4;  // the one that Linux has hugetlb pages in
inline constexpr unsigned kRegionShift = 61;

using Rid = uint32_t;  // at most 24 bits

// --- Translation word: first operand of itc and itr, short-format VHPT entry, word 0 of a
// long-format one, and Linux's PTE.
using PresentBit = BitField<0>;
using MemoryAttributeField = BitField<2, 3>;  // 0 WB, 4 UC, 5 UCE, 6 WC, 7 NaTPage
using AccessedBit = BitField<5>;
using DirtyBit = BitField<6>;
using PrivilegeField = BitField<7, 2>;
using AccessRightsField = BitField<9, 3>;
using FrameField = BitField<12, 38>;  // 49:12, always in units of 4K
using ExceptionDeferralBit = BitField<52>;
// 63:53 are ignored by the hardware.
using PageSizeField = BitField<53, 6>;  // the simulator's
using SpecialBit = BitField<59>;        // the simulator's: maps a frame the kernel does not count
using ProtNoneBit = BitField<63>;       // Linux, in an entry that is not present

inline constexpr uint64_t kReservedInTranslation = uint64_t{1} << 1 | uint64_t{3} << 50;

// A reserved attribute, by which a superpage's word is no walker's to insert.
inline constexpr uint64_t kRefusedAttribute = 1;
constexpr bool is_refused(uint64_t translation) {
  return MemoryAttributeField::get(translation) == kRefusedAttribute;
}
// The word as a handler inserts it.
constexpr uint64_t accepted(uint64_t translation) {
  return is_refused(translation) ? MemoryAttributeField::set(translation, 0) : translation;
}

// Whether the hardware can insert the word: nothing but P counts where P is 0.
constexpr bool is_insertable(uint64_t translation) {
  if (PresentBit::get(translation) == 0) return true;
  const uint64_t attribute = MemoryAttributeField::get(translation);
  return (translation & kReservedInTranslation) == 0 && (attribute == 0 || attribute >= 4);
}

// --- ITIR: second operand of itc and itr; word 1 of a long-format entry.
using ItirSizeField = BitField<2, 6>;
using ItirKeyField = BitField<8, 24>;
// Linux checks no keys: the default, the RID, is left in.
constexpr uint64_t make_itir(PageShift size, Rid key) {
  return ItirKeyField::set(ItirSizeField::set(0, size.log2()), key);
}

// --- Region register.
struct RegionRegister {
  bool walker = false;     // ve
  PageShift preferred{0};  // ps
  Rid rid = 0;
  [[nodiscard]] constexpr uint64_t word() const {
    return uint64_t{walker} | uint64_t{preferred.log2()} << 2 | uint64_t{rid} << 8;
  }
};

// --- PTA, the page table address.
struct Pta {
  bool walker = false;  // ve
  bool long_format = false;
  unsigned size = 15;  // log2 of the table's bytes
  VirtAddr base;
  [[nodiscard]] constexpr uint64_t word() const {
    return uint64_t{walker} | uint64_t{size} << 2 | uint64_t{long_format} << 8 |
           (base.value() & ~uint64_t{0x7fff});
  }
};

// --- Long-format VHPT entry: four words.
inline constexpr unsigned kVhptEntryBytes = 32;
inline constexpr unsigned kVhptItir = 8;  // offsets
inline constexpr unsigned kVhptTag = 16;
inline constexpr unsigned kVhptChain = 24;
using TagInvalidBit = BitField<63>;
using TagField = BitField<0, 63>;

constexpr unsigned region_of(VirtAddr va) {
  return static_cast<unsigned>(va.value() >> kRegionShift);
}
constexpr VirtAddr region_base(unsigned region) {
  return VirtAddr(uint64_t{region} << kRegionShift);
}

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_FORMATS_H_
