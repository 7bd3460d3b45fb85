// The words of 64-bit PowerPC (Book III-S, hashed page table) and of its Linux, by name.
//
// Bits are numbered from the least significant; IBM's bit n of a doubleword is 63 - n here.
// Hashed page table entries (HPTEs) and SLB words as the Power ISA, book III-S, chapter 5, has
// them, with what Linux adds; page-table entries, VSIDs and the hash as in Linux 3.12,
// arch/powerpc/include/asm/{mmu-hash64,pte-hash64,pte-hash64-4k,pte-hash64-64k}.h. Pure functions.
#ifndef MMUSIM_ARCH_PPC64_FORMATS_H_
#define MMUSIM_ARCH_PPC64_FORMATS_H_

#include <cstdint>
#include <iterator>
#include <optional>

#include "base/bits.h"
#include "base/types.h"

namespace mmusim::ppc64 {

// Base pages, one of which a kernel is built for.
inline constexpr PageShift k4K{12};
inline constexpr PageShift k64K{16};
inline constexpr PageShift kLargePage{24};
inline constexpr unsigned kUserBits = 46;                   // of an effective address of user space
inline constexpr VirtAddr kLinearMap(uint64_t{0xc} << 60);  // the kernel's, of all memory
constexpr bool is_user(VirtAddr va) {
  return va.value() >> kUserBits == 0;
}

// --- Linux's page-table entry. The same whatever the base page is, but for what PteForm has.
namespace pte {
using Present = BitField<0>;
using User = BitField<1>;
using Exec = BitField<2>;
using Coherent = BitField<4>;
using Dirty = BitField<7>;
using Accessed = BitField<8>;
using Write = BitField<9>;
using Busy = BitField<11>;                     // locked by a handler
using Slot = BitField<12, 3>;                  // in its group: the hint ...
using Secondary = BitField<15>;                // ... of where
using Order = BitField<60, 4>;                 // the simulator's own: log2 of the base pages of the
                                               // superpage that this is one of; 0: of none
inline constexpr uint64_t kHpteFlags = 0x1fe;  // bits 8:1, which an HPTE has in the same places
}  // namespace pte

// Where a page-table entry has the rest. With 64K pages, bits 27:12 are one for each 4K piece that
// is hashed by itself; a page hashed whole has the first of them, and the hint in the others'
// place. pte::Order takes four bits of Linux's frame numbers, which no memory here is large enough
// to need.
struct PteForm {
  PageShift page;
  uint64_t hash_pte = 0;  // an HPTE may exist
  uint64_t special = 0;
  unsigned frame_shift = 0;  // of the frame's number, in base pages, up to bit 59
  uint64_t hint = 0;         // all bits that say whether and where there is an HPTE

  [[nodiscard]] constexpr uint64_t frame_mask() const {
    return ~pte::Order::kMask >> frame_shift << frame_shift;
  }
  [[nodiscard]] constexpr uint64_t frame_of(uint64_t entry) const {
    return (entry & frame_mask()) >> frame_shift;
  }
};
inline constexpr PteForm kPte4K{.page = k4K,
                                .hash_pte = uint64_t{1} << 10,
                                .special = uint64_t{1} << 16,
                                .frame_shift = 17,
                                .hint = 0xf400};
inline constexpr PteForm kPte64K{.page = k64K,
                                 .hash_pte = uint64_t{1} << 27,
                                 .special = uint64_t{1} << 10,
                                 .frame_shift = 30,
                                 .hint = 0x0fff'f000};
constexpr const PteForm& pte_form(PageShift page) {
  return page == k64K ? kPte64K : kPte4K;
}

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
using Frame = BitField<12, 48>;  // RPN; where L is set, its low bits say the page's size (LP)
using Referenced = BitField<8>;
using Changed = BitField<7>;
using Coherent = BitField<4>;  // M of WIMG
using NoExecute = BitField<2>;
using Protection = BitField<0, 2>;  // PP
inline constexpr uint64_t kBytes = 16;
inline constexpr unsigned kGroup = 8;  // HPTEs of a PTEG
inline constexpr uint64_t kGroupBytes = kGroup * kBytes;
}  // namespace hpte

// --- Page sizes. A segment has a base page size, by which virtual pages are numbered and hashed.
// An HPTE of it may be of a larger actual size where the processor can have several sizes in a
// segment (MPSS): then there is one for each base page touched, all with the one frame. Which sizes
// it is, L and LP say together. As POWER7 and POWER8 have them; up to the 970 the first of each
// base page.
struct PageEncoding {
  PageShift base;
  PageShift actual;
  uint64_t code = 0;  // LP, as far as the actual page has bits of the RPN for it

  [[nodiscard]] constexpr uint64_t mask() const {
    const unsigned bits = actual.log2() - k4K.log2();
    return (uint64_t{1} << (bits < 8 ? bits : 8)) - 1;
  }
};
inline constexpr PageEncoding kPageEncodings[] = {
    {k4K, k4K, 0},     {k4K, k64K, 0x7},        {k4K, kLargePage, 0x38},
    {k64K, k64K, 0x1}, {k64K, kLargePage, 0x8}, {kLargePage, kLargePage, 0}};
// Null: no HPTE can be so.
constexpr const PageEncoding* encoding_of(PageShift base, PageShift actual) {
  for (const PageEncoding& one : kPageEncodings)
    if (one.base == base && one.actual == actual) return &one;
  return nullptr;
}
// What an HPTE says of its page's size, if it is in a segment of that base page; nothing: it is in
// another's.
constexpr std::optional<PageShift> actual_page(uint64_t first, uint64_t second, PageShift base) {
  if (hpte::Large::get(first) == 0) return base == k4K ? std::optional(k4K) : std::nullopt;
  for (const PageEncoding& one : kPageEncodings)
    if (one.base == base && one.actual != k4K &&
        (hpte::Frame::get(second) & one.mask()) == one.code)
      return one.actual;
  return std::nullopt;
}

// --- SLB entry, as slbmte takes it
namespace slb {
using Valid = BitField<27>;  // of the ESID word, which has the slot in its low bits
using Index = BitField<0, 12>;
using SegmentSize = BitField<62, 2>;  // of the VSID word
using KeySupervisor = BitField<11>;   // Ks
using KeyProblem = BitField<10>;      // Kp
using Large = BitField<8>;            // L
using Class = BitField<7>;            // C: of user space
using PageSize = BitField<4, 2>;      // LP: with L, 0 is 16M and 1 is 64K
// What slbmte is given for segments of base pages of this size.
constexpr uint64_t page_size_bits(PageShift page) {
  return page == k64K ? Large::kMask | PageSize::set(0, 1) : 0;
}
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
// ... in the kernel's linear map, of kFirstKernelContext, all of whose segments are of 1T where
// there are any.
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
// `entry`: of the part of `actual` size, which the form's base pages can have.
constexpr uint64_t hpte_second(uint64_t entry, const PteForm& form, PageShift actual) {
  const uint64_t frame = form.frame_of(entry) << (form.page.log2() - k4K.log2());
  return hpte::Frame::set(hpte_flags(entry), frame | encoding_of(form.page, actual)->code);
}
// The first frame of an HPTE's page, in base pages.
constexpr Pfn hpte_frame(uint64_t second, PageShift actual, PageShift base) {
  const uint64_t first = hpte::Frame::get(second) >> (actual.log2() - k4K.log2());
  return Pfn(first << (actual.log2() - base.log2()));
}
// L of an HPTE of a page of that actual size.
constexpr uint64_t hpte_large(PageShift actual) {
  return actual == k4K ? 0 : hpte::Large::kMask;
}

// What user code may do by an HPTE (Kp = 1, and PP has bit 0 of its three clear).
inline constexpr unsigned kMay[] = {0, Rights::kRead | Rights::kUser,  // by PP
                                    Rights::kRead | Rights::kWrite | Rights::kUser,
                                    Rights::kRead | Rights::kUser};
constexpr Rights rights_of(uint64_t second) {
  const unsigned bits = kMay[hpte::Protection::get(second)];
  if (bits == 0 || hpte::NoExecute::get(second) != 0) return Rights(bits);
  return Rights(bits | Rights::kExec);
}

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_FORMATS_H_
