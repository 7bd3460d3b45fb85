// What the miss path of a PowerPC machine consists of: the hardware's walk of the hash table, and
// the handlers of Linux with their interrupt vectors.
//
// Instructions are those of Linux 3.12, arch/powerpc/kernel/{exceptions-64s,entry_64}.S, irq.c,
// mm/{slb_low,hash_low_64}.S and, where it is C, mm/{hash_utils_64,hash_native_64,slice,mem,
// hugetlbpage}.c, counted in what GCC 12 makes of them for g5_defconfig, on the path taken
// (README). A step's own number is that of its shortest path; what other paths take besides is in
// `more`, and how much code the longest has the last number. The walk of the page table is not in
// the number but added by what it reads.
#ifndef MMUSIM_ARCH_PPC64_STEPS_H_
#define MMUSIM_ARCH_PPC64_STEPS_H_

#include <array>
#include <span>

#include "arch/ppc64/formats.h"
#include "mmu/miss_path.h"

namespace mmusim::ppc64 {

enum Step : unsigned {
  kWalk,
  kInstructionSegment,
  kDataSegment,
  kSlbPreload,
  kInstructionStorage,
  kDataStorage,
  kHashPage,
  kHashPreload,
  kHashEntry,
  kUpdatePp,
  kInsert,
  kEvict,
  kRetry,
  kPageFault,
  kLinearWalk,
  kLinearSegment,
  kSteps
};

inline constexpr std::array<mmu::Step, kSteps> kStepList = {{
    {"walk", "The hardware searches the hash table, primary and secondary group", 0},
    {"islb_miss", "Instruction Segment interrupt (0x480): an SLB entry is made", 90, true, false,
     106},
    {"dslb_miss", "Data Segment interrupt (0x380): an SLB entry is made", 90, true, false, 106},
    {"slb_preload", "An SLB entry is made ahead, at a context switch", 53, false, false, 69},
    {"isi", "Instruction Storage interrupt (0x400): registers are saved", 110, true},
    {"dsi", "Data Storage interrupt (0x300): registers are saved", 115, true},
    {"hash_page", "hash_page: the kernel's page table is searched", 120, false, false, 205},
    {"hash_preload", "update_mmu_cache: the kernel hashes a page it has just mapped", 178, false,
     false, 207},
    {"hash_entry", "__hash_page_4K or 64K: the entry is marked busy, HPTE and hash worked out", 58,
     false, false, 86},
    {"updatepp", "The page's HPTE is looked at, its protection changed, and the TLB entry removed",
     101, false, false, 130},
    {"insert", "An HPTE is made", 69, false, false, 87},
    {"evict", "An HPTE makes room", 45, false, false, 60},
    {"hash_done", "Registers are restored, and the instruction is retried", 89},
    mmu::page_fault("Into the kernel's page-fault code, and back to the program", 70, false),
    {"linear_walk", "The hardware searches the hash table, for an access of the kernel's", 0},
    {"linear_slb", "Data Segment interrupt (0x380) in the kernel: an SLB entry of its linear map",
     71, true},
}};

// Instructions beyond a step's own.
namespace more {
// An SLB entry of user space.
inline constexpr unsigned kWrapped = 1;      // the round-robin begins again
inline constexpr unsigned kRemembered = 5;   // there was room to note it for slbie
inline constexpr unsigned kHighSegment = 3;  // the slice's page size is found above 4G
inline constexpr unsigned kTeraSegment = 7;  // a segment of 1T
// hash_page, which takes 114, 120 or 125 where there is no table.
inline constexpr unsigned kEmptyEntry = 8;  // an entry that is not present
inline constexpr unsigned kNoRight = 11;    // one that does not allow the access
inline constexpr unsigned kAllowed = 27;
inline constexpr unsigned kAllowed64K = 29;  // ... and of a kernel of 64K pages besides
// __hash_page_4K
inline constexpr unsigned kTeraHash = 1;
inline constexpr unsigned k64KHash = 2;
inline constexpr unsigned kLazyIcache = 25;  // hash_page_do_lazy_icache, of a page that is clean
// native_hpte_updatepp
inline constexpr unsigned kUpdated = 12;
inline constexpr unsigned kNotValid = 2;
inline constexpr unsigned kLocal = 4;  // tlbiel
inline constexpr unsigned kTlbieLock =
    12;  // assumed: native_tlbie_lock, taken at once, and released
inline constexpr unsigned kSecondary = 1;  // the hash is complemented; in evictions too
// native_hpte_insert, native_hpte_remove
inline constexpr unsigned kTakenPlace = 7;
inline constexpr unsigned kFullGroup = 85;
inline constexpr unsigned kLargeInsert = 11;
inline constexpr unsigned kPassedOver = 14;

// hash_page and hash_preload: page size, segment size and VSID of the address.
constexpr unsigned segment_of(VirtAddr va, bool has_tera) {
  const unsigned slice = va.value() >> 32 != 0 ? 2 : 0;
  const unsigned size = va.value() >> 40 == 0 ? 0 : has_tera ? 6 : 7;
  return slice + size;
}
}  // namespace more

// Without the kernel's own translations the last two are never taken, nor listed.
constexpr std::span<const mmu::Step> steps_of(bool linear_map) {
  return std::span(kStepList).first(linear_map ? kSteps : kLinearWalk);
}

// SLB entries are made in real mode. Storage interrupts get there too, but go on with translation
// on after some instructions.
constexpr bool runs_translated(unsigned step) {
  return step != kInstructionSegment && step != kDataSegment && step != kLinearSegment;
}

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_STEPS_H_
