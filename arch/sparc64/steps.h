// What the miss path of a sun4u machine consists of: the traps of the MMU and Linux's handlers.
//
// The hardware walks nothing, so every step is software. Instructions are counted in Linux's
// source, arch/sparc/kernel/{itlb_miss,dtlb_miss,dtlb_prot,tsb,ktlb}.S and include/asm/tsb.h
// of 3.17, delay slots included, for an SMP kernel on sun4u with huge pages, along the path taken:
// a step's own number is that of its shortest path, `more` has what others take besides, and the
// last number how much code the longest has, as far as it is not the kernel's C code. The
// walk itself is not in the numbers but added by what it reads, 5 instructions a word of a radix
// table; so is the fourth level, which 3.18 brought. Saving and restoring registers around the
// kernel's C code (etrap, rtrap) is the fault's, not the miss path's. Numbers marked "assumed" are
// estimates: C code, or a handler that Linux does not have.
#ifndef MMUSIM_ARCH_SPARC64_STEPS_H_
#define MMUSIM_ARCH_SPARC64_STEPS_H_

#include <array>

#include "mmu/miss_path.h"

namespace mmusim::sparc64 {

enum Step : unsigned {
  kInstructionMiss,
  kDataMiss,
  kInstructionWalk,
  kDataWalk,
  kTsbMiss,
  kHugeProbe,
  kHugeMiss,
  kWalk,
  kHugeLeaf,
  kTsbInsert,
  kReload,
  kExecCheck,
  kInstructionLoad,
  kDataLoad,
  kProtection,
  kInstructionFault,
  kDataFault,
  kPageFault,
  kUpdate,
  kKernelMiss,
  kKernelTte,
  kSwitch,
  kSwitchMap,
  kSteps
};

inline constexpr std::array<mmu::Step, kSteps> kStepList = {{
    {"itlb_miss", "fast_instruction_access_MMU_miss (0x64): the TSB is looked up", 10, true},
    {"dtlb_miss", "fast_data_access_MMU_miss (0x68): the TSB is looked up", 10, true},
    {"itlb_walk", "fast_instruction_access_MMU_miss (0x64): no TSB, the page table is walked", 18,
     true, false,
     47},  // assumed: tag access 8, per-CPU block and root 9, what a walk needs besides 1
    {"dtlb_walk", "fast_data_access_MMU_miss (0x68): no TSB, the page table is walked", 18, true,
     false, 47},  // assumed, likewise
    {"tsb_miss", "Not in the TSB: the address, the per-CPU block", 18},
    {"tsb_huge", "The TSB of huge pages is looked up", 14},
    {"tsb_huge_miss", "Not in it either: registers are made again", 9},
    {"walk", "The page table is walked, by physical addresses", 3, false, false, 37},
    {"huge_leaf", "A huge page: the entry of the huge TSB is taken instead", 12, false, false, 20},
    {"tsb_insert", "The TSB's entry is locked and written", 13},
    {"tlb_reload", "Which TLB it is for", 3},
    {"exec_check", "The executable bit, which the hardware has not, is tested", 4},
    {"itlb_load", "The instruction TLB is loaded; the instruction is retried", 2},
    {"dtlb_load", "The data TLB is loaded; the instruction is retried", 2},
    {"dtlb_prot", "fast_data_access_protection (0x6c): a store without W, into the kernel's C code",
     19, true, true},
    {"itlb_fault", "No valid entry, or not executable: into the kernel's C code", 14, false, true},
    {"dtlb_fault", "No valid entry: into the kernel's C code", 19, false, true},
    mmu::page_fault("etrap and rtrap: registers are saved for the kernel's C code, and restored",
                    173, false),
    {"update_mmu_cache", "The kernel puts a page it has just mapped into the TSB", 48},  // assumed
    {"ktlb_miss",
     "fast_data_access_MMU_miss (0x68), the kernel's linear mapping: its TSB is looked up", 20,
     true},
    {"ktlb_tte", "Not in it: the entry is made from the address and written", 20},
    {"tsb_switch", "At a switch of address space, the TSB registers and the root", 31, false, false,
     32},
    {"tsb_map", "... and the locked entry of the data TLB that maps a TSB", 8, false, false, 10},
}};

// Instructions of a walk beyond the step's own, by where it ends.
struct WalkInstructions {
  unsigned invalid;  // at an entry that is none
  unsigned leaf;
  unsigned huge_leaf;
};
namespace more {
// In all, over Linux's four levels: 8, 13 and 18 where the PGD, the PUD or the PMD is empty; an
// invalid PTE 29, a valid one, found not to be huge, 34; a huge page, at the PMD, 32.
inline constexpr WalkInstructions kWalk{6, 11, 14};
// Without TSBs there is no question which of them it is for.
inline constexpr WalkInstructions kWalkAtOnce{6, 6, 9};
inline constexpr unsigned kHugeSetup = 8;     // into the kernel, which makes the TSB of huge pages
inline constexpr unsigned kHugeRegister = 1;  // at a switch, that of huge pages is read
inline constexpr unsigned kFirstMap = 2;      // mapping the first TSB: whether there is another
}  // namespace more

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_STEPS_H_
