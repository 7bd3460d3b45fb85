// SPARC V9 (sun4u) under one name: what the simulator needs to make machines of this architecture.
#ifndef MMUSIM_ARCH_SPARC64_ARCHITECTURE_H_
#define MMUSIM_ARCH_SPARC64_ARCHITECTURE_H_

#include "arch/sparc64/tlbs.h"
#include "mmu/architecture.h"

namespace mmusim::sparc64 {

struct Architecture : mmu::ArchitectureOf<Options, Tlbs, EntryFormat> {
  static constexpr const char* kName = "sparc64";
  static constexpr const char* kSummary =
      "SPARC V9 (sun4u): software-filled TLBs, TSBs as caches of the page table";

  static Format format(const Options& /*options*/) { return {}; }
  static pt::RadixGeometry geometry(const Options& /*options*/) { return radix_geometry(); }
  static mmu::AddressLayout layout(const Options& /*options*/) { return address_layout(); }
};

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_ARCHITECTURE_H_
