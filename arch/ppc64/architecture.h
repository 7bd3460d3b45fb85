// 64-bit PowerPC under one name: what the simulator needs to make machines of this architecture.
#ifndef MMUSIM_ARCH_PPC64_ARCHITECTURE_H_
#define MMUSIM_ARCH_PPC64_ARCHITECTURE_H_

#include "arch/ppc64/tlbs.h"
#include "mmu/architecture.h"

namespace mmusim::ppc64 {

struct Architecture : mmu::ArchitectureOf<Options, Tlbs, EntryFormat> {
  static constexpr const char* kName = "ppc64";
  static constexpr const char* kSummary =
      "64-bit PowerPC: SLB, ERATs, hashed page table as a cache of the kernel's";

  static Format format(const Options& options) { return {options.page, options.mpss}; }
  static pt::RadixGeometry geometry(const Options& options) {
    return radix_geometry(options.page, options.mpss);
  }
  static mmu::AddressLayout layout(const Options& options) { return address_layout(options.page); }
};

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_ARCHITECTURE_H_
