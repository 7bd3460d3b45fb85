// What the miss path of a PowerPC machine consists of: the hardware's walk of the hash table, and
// the handlers of Linux with their interrupt vectors.
//
// Instructions are counted in the source of Linux 3.12, arch/powerpc/mm/{slb_low,hash_low_64}.S and
// kernel/exceptions-64s.S, on the path that is usually taken; where the source is C they are
// estimates, marked "assumed". The walk of the page table is not in the number but added by what it
// reads.
#ifndef MMUSIM_ARCH_PPC64_STEPS_H_
#define MMUSIM_ARCH_PPC64_STEPS_H_

#include <array>
#include <span>

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
  kUpdatePp,
  kInsert,
  kEvict,
  kPageFault,
  kLinearWalk,
  kLinearSegment,
  kSteps
};

inline constexpr std::array<mmu::Step, kSteps> kStepList = {{
    {"walk", "The hardware searches the hash table, primary and secondary group", 0},
    {"islb_miss", "Instruction Segment interrupt (0x480): an SLB entry is made", 80, true},
    {"dslb_miss", "Data Segment interrupt (0x380): an SLB entry is made", 80, true},
    {"slb_preload", "An SLB entry is made ahead, at a context switch", 45},
    {"isi", "Instruction Storage interrupt (0x400)", 60, true},                         // assumed
    {"dsi", "Data Storage interrupt (0x300)", 60, true},                                // assumed
    {"hash_page", "hash_page: the kernel's page table is searched", 60},                // assumed
    {"hash_preload", "hash_preload: the kernel hashes a page it has just mapped", 60},  // assumed
    {"updatepp", "The page's HPTE is looked at, and its protection changed", 30},       // assumed
    {"insert", "An HPTE is made", 75},
    {"evict", "An HPTE makes room", 20},                      // assumed
    {"page_fault", "Into the kernel's page-fault code", 30},  // assumed
    {"linear_walk", "The hardware searches the hash table, for an access of the kernel's", 0},
    {"linear_slb", "Data Segment interrupt (0x380) in the kernel: an SLB entry of its linear map",
     67, true},
}};

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
