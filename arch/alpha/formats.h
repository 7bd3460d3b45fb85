// The words and addresses of Alpha's virtual memory: page-table entry, granularity hint, and the
// address at which the linear virtual page table has a page's entry.
//
// Fields as Linux (arch/alpha/include/asm/pgtable.h) and the 21164PC's and 21264's hardware
// reference manuals (ITB_PTE, DTB_PTE, VA_FORM) have them; software bits as Linux has them, and one
// of the simulator's own, `Special`.
#ifndef MMUSIM_ARCH_ALPHA_FORMATS_H_
#define MMUSIM_ARCH_ALPHA_FORMATS_H_

#include <cstdint>

#include "base/bits.h"
#include "base/types.h"

namespace mmusim::alpha {

inline constexpr PageShift kPage{13};
inline constexpr unsigned kLevels = 3;
inline constexpr unsigned kIndexBits = 10;  // 8K of 8-byte entries
inline constexpr unsigned kVaBits = 43;     // implemented, sign-extended
// Linux's TASK_SIZE: half of what 43 bits can say that is not the kernel's.
inline constexpr unsigned kUserBits = 42;
constexpr bool is_user(VirtAddr va) {
  return va.value() >> kUserBits == 0;
}

using Asn = uint32_t;
inline constexpr unsigned kMostAsnBits = 8;

// --- Page-table entry, the same at all three levels.
namespace pte {
using Valid = BitField<0>;
using FaultOnRead = BitField<1>;
using FaultOnWrite = BitField<2>;
using FaultOnExecute = BitField<3>;
using AddressSpaceMatch = BitField<4>;
using Hint = BitField<5, 2>;  // GH: aligned group of 8^GH pages translated alike
using KernelRead = BitField<8>;
using UserRead = BitField<9>;  // and execute
using KernelWrite = BitField<12>;
using UserWrite = BitField<13>;
// 31:16 are software's.
using Dirty = BitField<17>;     // Linux
using Accessed = BitField<18>;  // Linux
using Special = BitField<20>;   // the simulator's: maps a frame the kernel does not count
using Frame = BitField<32, 32>;

inline constexpr uint64_t kFaultOnAny =
    FaultOnRead::kMask | FaultOnWrite::kMask | FaultOnExecute::kMask;
// Linux keeps track of use by what the hardware may do: set and cleared together.
inline constexpr uint64_t kDirtyBits = Dirty::kMask | KernelWrite::kMask | UserWrite::kMask;
inline constexpr uint64_t kAccessBits = Accessed::kMask | KernelRead::kMask | UserRead::kMask;
inline constexpr uint64_t kTable = Valid::kMask | kDirtyBits | kAccessBits;  // entry of a table
}  // namespace pte

inline constexpr unsigned kHintBits = 3;  // a step of GH is eight times as many pages
inline constexpr unsigned kMostHint = 3;
constexpr PageShift group_size(uint64_t hint) {
  return PageShift(kPage.log2() + kHintBits * static_cast<unsigned>(hint));
}
constexpr PageShift group_of(uint64_t entry) {
  return group_size(pte::Hint::get(entry));
}
// The largest group that fits in a leaf of this size.
constexpr unsigned hint_for(PageShift leaf) {
  const unsigned hint = (leaf.log2() - kPage.log2()) / kHintBits;
  return hint < kMostHint ? hint : kMostHint;
}

// --- The linear virtual page table. Linux's last entry of the root table maps the root table
// itself, so that all entries of the lowest level appear in a row from VPTB on (VA_FORM).
inline constexpr VirtAddr kVptb{0xffff'fffe'0000'0000};
constexpr VirtAddr entry_address(VirtAddr va) {
  constexpr uint64_t kPages = (uint64_t{1} << (kVaBits - kPage.log2())) - 1;
  return kVptb + (((va.value() >> kPage.log2()) & kPages) << 3);
}

}  // namespace mmusim::alpha

#endif  // MMUSIM_ARCH_ALPHA_FORMATS_H_
