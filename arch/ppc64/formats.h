// The words of 64-bit PowerPC (Book III-S, hashed page table) and of its Linux, by name.
//
// Bits are numbered from the least significant; IBM's bit n of a doubleword is 63 - n here.
// Hashed page table entries (HPTEs) and SLB words as the Power ISA, book III-S, chapter 5, has
// them, with what Linux adds; page-table entries, VSIDs and the hash as in Linux 3.12,
// arch/powerpc/include/asm/{mmu-hash64,pte-hash64,pte-hash64-4k}.h. Pure functions.
#ifndef MMUSIM_ARCH_PPC64_FORMATS_H_
#define MMUSIM_ARCH_PPC64_FORMATS_H_

#include <cstdint>

#include "base/bits.h"
#include "base/types.h"

namespace mmusim::ppc64 {

inline constexpr PageShift kPage{12};
inline constexpr PageShift kLargePage{24};
inline constexpr unsigned kUserBits = 46;  // of an effective address of user space
constexpr bool is_user(VirtAddr va) {
  return va.value() >> kUserBits == 0;
}

// --- Linux's page-table entry, 4K pages
namespace pte {
using Present = BitField<0>;
using User = BitField<1>;
using Exec = BitField<2>;
using Coherent = BitField<4>;
using Dirty = BitField<7>;
using Accessed = BitField<8>;
using Write = BitField<9>;
using HashPte = BitField<10>;    // an HPTE may exist
using Slot = BitField<12, 3>;    // in its group: the hint ...
using Secondary = BitField<15>;  // ... of where
using Special = BitField<16>;
using Frame = BitField<17, 47>;
inline constexpr uint64_t kHint = HashPte::kMask | Slot::kMask | Secondary::kMask;
inline constexpr uint64_t kHpteFlags = 0x1fe;  // bits 8:1, which an HPTE has in the same places
}  // namespace pte

// --- Hashed page table entry
namespace hpte {
// First doubleword
using SegmentSize = BitField<62, 2>;  // B: 0 256M, 1 1T
using Avpn = BitField<7, 55>;         // the virtual address without its low 23 bits
using Bolted = BitField<4>;           // Linux: not to be evicted
using Lock = BitField<3>;             // Linux
using Large = BitField<2>;            // L
using Hash = BitField<1>;             // H: found by the secondary hash
using Valid = BitField<0>;
inline constexpr uint64_t kCompared = SegmentSize::kMask | Avpn::kMask;
// Second doubleword
using Frame = BitField<12, 48>;  // RPN
using Referenced = BitField<8>;
using Changed = BitField<7>;
using Coherent = BitField<4>;  // M of WIMG
using NoExecute = BitField<2>;
using Protection = BitField<0, 2>;  // PP
inline constexpr uint64_t kBytes = 16;
inline constexpr unsigned kGroup = 8;  // HPTEs of a PTEG
}  // namespace hpte

// --- SLB entry, as slbmte takes it
namespace slb {
using Valid = BitField<27>;  // of the ESID word, which has the slot in its low bits
using Index = BitField<0, 12>;
using SegmentSize = BitField<62, 2>;  // of the VSID word
using KeySupervisor = BitField<11>;   // Ks
using KeyProblem = BitField<10>;      // Kp
using Large = BitField<8>;            // L
using Class = BitField<7>;            // C: of user space
}  // namespace slb

// --- Segments
using Context = uint32_t;  // Linux's number of an address space
inline constexpr Context kLastUserContext = (1u << 19) - 5;
inline constexpr Context kFirstKernelContext = 0x7fffc;  // of the region of addresses 0xc...

struct Segment {
  uint64_t vsid = 0;
  bool tera = false;  // of 1T; else 256M
  [[nodiscard]] constexpr unsigned shift() const { return tera ? 40 : 28; }
  bool operator==(const Segment&) const = default;
};

// x * 12538073 modulo 2^bits - 1, without a division.
constexpr uint64_t scramble(uint64_t proto, unsigned bits) {
  constexpr uint64_t kMultiplier = 12538073;
  const uint64_t modulus = (uint64_t{1} << bits) - 1;
  uint64_t x = proto * kMultiplier;
  x = (x >> bits) + (x & modulus);
  return (x + ((x + 1) >> bits)) & modulus;
}

// The segment `va` lies in. Linux has 1T segments from 1T up, where the processor has them.
constexpr Segment user_segment(VirtAddr va, Context context, bool has_tera) {
  const bool tera = has_tera && va.value() >> 40 != 0;
  if (tera) return {scramble(uint64_t{context} << 6 | (va.value() >> 40 & 0x3f), 25), true};
  return {scramble(uint64_t{context} << 18 | (va.value() >> 28 & 0x3ffff), 37), false};
}
// ... in the kernel's linear map, all of whose segments are of 1T where there are any.
constexpr Segment linear_segment(VirtAddr va, bool has_tera) {
  if (has_tera)
    return {scramble(uint64_t{kFirstKernelContext} << 6 | (va.value() >> 40 & 0x3f), 25), true};
  return {scramble(uint64_t{kFirstKernelContext} << 18 | (va.value() >> 28 & 0x3ffff), 37), false};
}

// Virtual page number in units of 4K: VSID, then the page within the segment.
constexpr uint64_t vpn_of(VirtAddr va, const Segment& segment) {
  const uint64_t offset = va.value() & ((uint64_t{1} << segment.shift()) - 1);
  return segment.vsid << (segment.shift() - 12) | offset >> 12;
}

// The primary hash; the secondary one is its complement. `page`: the segment's base page size.
constexpr uint64_t hash_of(VirtAddr va, const Segment& segment, PageShift page) {
  const uint64_t offset = va.value() & ((uint64_t{1} << segment.shift()) - 1);
  uint64_t hash = segment.vsid ^ offset >> page.log2();
  if (segment.tera) hash ^= segment.vsid << 25;
  return hash & 0x7f'ffff'ffff;
}

// B and AVPN of an HPTE's first doubleword.
constexpr uint64_t compared_of(VirtAddr va, const Segment& segment, PageShift page) {
  const uint64_t implied = page.log2() > 23 ? (uint64_t{1} << (page.log2() - 23)) - 1 : 0;
  const uint64_t avpn = vpn_of(va, segment) >> (23 - 12) & ~implied;
  return hpte::SegmentSize::set(hpte::Avpn::set(0, avpn), segment.tera ? 1 : 0);
}

// The second doubleword of the HPTE Linux makes of a page-table entry: clean pages are read-only,
// so that the first store faults; C is always set.
constexpr uint64_t hpte_flags(uint64_t entry) {
  uint64_t flags = (entry & pte::kHpteFlags) ^ pte::Exec::kMask;
  const bool writable = pte::Write::get(entry) != 0 && pte::Dirty::get(entry) != 0;
  if (pte::User::get(entry) != 0 && !writable) flags |= 1;
  return flags | hpte::Changed::kMask;
}
constexpr uint64_t hpte_second(uint64_t entry) {
  return hpte::Frame::set(hpte_flags(entry), pte::Frame::get(entry));
}

// What user code may do by an HPTE (Kp = 1, and PP has bit 0 of its three clear).
constexpr Rights rights_of(uint64_t second) {
  constexpr unsigned kMay[] = {0, Rights::kRead | Rights::kUser,
                               Rights::kRead | Rights::kWrite | Rights::kUser,
                               Rights::kRead | Rights::kUser};
  const unsigned bits = kMay[hpte::Protection::get(second)];
  if (bits == 0 || hpte::NoExecute::get(second) != 0) return Rights(bits);
  return Rights(bits | Rights::kExec);
}

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_FORMATS_H_
