// What the miss path of an IA-64 machine consists of: the hardware's walker, and the handlers of
// Linux with their interruption vectors.
//
// Instructions are those of the handlers' source, all paths not taken included (SMP, three levels
// of page tables): arch/ia64/kernel/ivt.S of Linux 3.12 for the short format; I. Wienand's patches
// "LVHPT" (linux-mm, May 2006) for the long one. A walk of the page table is not in the number but
// added by what it reads, 5 instructions a word of a radix table: vhpt_miss is 56 in all with three
// words, 42 where it finds no page and leaves for page_fault before it looks again, the long
// format's tlb_miss 50, its dirty_bit 34. With the walker off Linux's alternate vectors go on as
// the TLB vectors do, 6 instructions later. Into the kernel's fault code it is page_fault's own 13,
// and the saving of registers it goes through: SAVE_MIN_WITH_COVER, some 60, and SAVE_REST,
// some 45. Numbers marked "assumed" are estimates, no source being known.
#ifndef MMUSIM_ARCH_IA64_STEPS_H_
#define MMUSIM_ARCH_IA64_STEPS_H_

#include <array>

#include "mmu/miss_path.h"

namespace mmusim::ia64 {

enum Step : unsigned {
  kWalk,
  kVhptTranslation,
  kInstructionMiss,
  kDataMiss,
  kInstructionMissLong,
  kDataMissLong,
  kChainSearch,
  kInstructionAlternate,
  kDataAlternate,
  kInstructionAlternateLinear,
  kDataAlternateLinear,
  kIdentity,
  kNestedMiss,
  kPageNotPresent,
  kPageNotPresentCopy,
  kInstructionRights,
  kDataRights,
  kInstructionAccessed,
  kDataAccessed,
  kDirty,
  kVhptUpdate,
  kLinearFill,
  kPageFault,
  kSteps
};

inline constexpr std::array<mmu::Step, kSteps> kStepList = {{
    {"walk", "The VHPT walker looks for the address", 0},
    {"vhpt_translation",
     "VHPT Translation vector (0x0000): the page of the linear table is not in "
     "the DTLB",
     27, true, false, 56},
    {"itlb_miss", "Instruction TLB vector (0x0400), short format", 16, true},
    {"dtlb_miss", "Data TLB vector (0x0800), short format", 16, true},
    {"itlb_miss_long", "Instruction TLB vector (0x0400), long format", 35, true, false, 50},
    {"dtlb_miss_long", "Data TLB vector (0x0800), long format", 35, true, false, 50},
    {"chain_search", "A look for the page along the slot's collision chain", 4},  // assumed
    {"alt_itlb", "Alternate Instruction TLB vector (0x0c00): walker off, software walk", 29, true,
     false, 44},  // assumed: the long format's without what it does to the VHPT
    {"alt_dtlb", "Alternate Data TLB vector (0x1000): walker off, software walk", 29, true, false,
     44},
    {"alt_itlb_linear",
     "Alternate Instruction TLB vector (0x0c00): walker off; thash, then as the Instruction TLB "
     "vector",
     22, true},
    {"alt_dtlb_linear",
     "Alternate Data TLB vector (0x1000): walker off; thash, then as the Data TLB vector", 22,
     true},
    {"alt_identity", "Alternate Data TLB vector (0x1000): region 7, a granule of physical memory",
     31, true},
    {"nested_dtlb", "Data Nested TLB vector (0x1400): the handler's own load missed", 16, true,
     false, 31},
    {"page_not_present", "Page Not Present vector (0x5000): the entry is purged", 7, true, true},
    {"page_not_present_copy",
     "Page Not Present vector (0x5000): the entry is purged; the kernel's page table may have the "
     "page",
     7, true},
    {"iaccess_rights", "Instruction Access Rights vector (0x5200)", 5, true, true},  // assumed
    {"daccess_rights", "Data Access Rights vector (0x5300)", 5, true, true},         // assumed
    {"iaccess_bit", "Instruction Access-Bit vector (0x2400)", 21, true},
    {"daccess_bit", "Data Access-Bit vector (0x2800)", 21, true},
    {"dirty_bit", "Dirty-Bit vector (0x2000)", 21, true},
    {"vhpt_update", "The slot of the long-format VHPT is found and rewritten", 13},
    {"linear_fill", "The kernel's page table is searched and the linear table filled", 20, false,
     false, 35},  // assumed
    mmu::page_fault("Registers are saved; into the kernel's page-fault code", 120, false),
}};

// Of vhpt_translation, beyond its own, where the page is there: the linear table's page is
// inserted, and the entries looked at again.
inline constexpr unsigned kVhptPresent = 14;

// Of dtlb_miss and itlb_miss, where the word is a superpage's: ITIR is built of its size, and the
// attribute put right. Assumed.
inline constexpr unsigned kBuildItir = 5;
// Of dtlb_miss_long and itlb_miss_long, for each further entry of a superpage: thash and ttag of
// its page, four stores, the loop. Assumed.
inline constexpr unsigned kVhptPart = 10;

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_STEPS_H_
