// The steps of x86's miss path (mmu/miss_path.h).
//
// The hardware does all of it by itself, in no instructions, unless it walks a copy of a page table
// it cannot read (mmu/shadow.h): then the kernel's page-fault handler is the miss handler.
// Instructions of its steps, and of a page fault's, are ASSUMED, of the order of an exception's
// entry and exit and a short C path; what a look-up of the kernel's table takes is the backend's to
// say. Assumed too are those of mapping a page for the moment, a few lines of C each way
// (direct_map.h).
#ifndef MMUSIM_ARCH_X86_STEPS_H_
#define MMUSIM_ARCH_X86_STEPS_H_

#include <span>

#include "arch/x86/options.h"
#include "mmu/miss_path.h"

namespace mmusim::x86 {

enum : unsigned {
  kWalkStep,
  kAssistStep,
  kShadowFaultStep,
  kShadowLookupStep,
  kShadowFillStep,
  kShadowJoinStep,
  kShadowPrefillStep,
  kPageFaultStep,
  kDirectWalkStep,
  kKmapStep,
  kKunmapStep
};
// Those there are on a machine with these options.
std::span<const mmu::Step> steps(const Options& options);

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_STEPS_H_
