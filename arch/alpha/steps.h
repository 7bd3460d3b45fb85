// What the miss path of an Alpha consists of: PALcode, entered by traps of the processor.
//
// Instructions are those of Digital's OSF/1 PALcode for the 21164 as published with simulators
// (osfpal.S), counted on the path taken, padding included: a data miss is 10 + 5, one that misses
// again on the page table's page 46 in all. The 21264's PALcode is taken to be as long. Where the
// page table has no linear leaf tables, PALcode of the simulator's own searches it; that is not in
// the number but added by what it reads, and its code is taken to be as long as with three words.
// "assumed": no source.
//
// Steps that end in the operating system end where it begins (entMM). What it does there to save
// and restore registers, until PAL_rti, is counted in Linux 3.12's arch/alpha/kernel/entry.S: to
// the call of do_page_fault 39, and 43 from there back to a user program with nothing else to do.
#ifndef MMUSIM_ARCH_ALPHA_STEPS_H_
#define MMUSIM_ARCH_ALPHA_STEPS_H_

#include <array>

#include "mmu/miss_path.h"

namespace mmusim::alpha {

enum Step : unsigned {
  kItbMiss,
  kItbFill,
  kDtbMiss,
  kDtbFill,
  kDouble,
  kDoubleSecond,
  kDoubleFill,
  kDoubleInvalid,
  kItbWalk,
  kDtbWalk,
  kInvalidFetch,
  kInvalidLoad,
  kInvalidStore,
  kFaultOnExecute,
  kFetchAccess,
  kLoadFault,
  kStoreFault,
  kPageFault,
  kSteps
};

inline constexpr std::array<mmu::Step, kSteps> kStepList = {{
    {"itb_miss", "ITBMISS: the entry is loaded from the linear page table and looked at", 10, true},
    {"itb_fill", "The entry is written to the ITB; back to the program", 5},
    {"dtb_miss", "DTBMISS_SINGLE: the entry is loaded from the linear page table and looked at", 10,
     true},
    {"dtb_fill", "The entry is written to the DTB; back to the program", 5},
    {"dtb_double",
     "DTBMISS_DOUBLE: the page of the linear page table is not in the DTB; the root table is read "
     "by its physical address",
     16, true},
    {"dtb_double_second", "... then the second-level table", 6},
    {"dtb_double_fill", "The page table's page is written to the DTB; the load is repeated", 9},
    {"dtb_double_invalid", "There is no such page table: back with an entry made up, not valid", 9},
    {"itb_walk", "ITBMISS without a linear page table: the page table is searched", 13, true, false,
     28},  // assumed: the miss's, with two registers saved, restored
    {"dtb_walk", "DTBMISS_SINGLE without a linear page table: the page table is searched", 13, true,
     false, 28},  // assumed
    {"invalid_fetch", "The entry is not valid: to the kernel", 28, false, true},
    {"invalid_load", "The entry is not valid: to the kernel", 43, false, true},
    {"invalid_store", "The entry is not valid: to the kernel", 38, false, true},
    {"fault_on_execute", "The entry says fault on execute: to the kernel, nothing in the ITB", 30,
     false, true},
    {"iaccvio", "IACCVIO: execution is not enabled; to the kernel", 28, true, true},  // assumed
    {"dfault_load", "DFAULT: reading is not enabled, or faults; to the kernel", 41, true, true},
    {"dfault_store", "DFAULT: writing is not enabled, or faults; to the kernel", 36, true, true},
    mmu::page_fault("entMM: registers are saved for the kernel's page-fault code, and restored", 82,
                    false),
}};

}  // namespace mmusim::alpha

#endif  // MMUSIM_ARCH_ALPHA_STEPS_H_
