// Alpha under one name: what the simulator needs to make machines of this architecture.
#ifndef MMUSIM_ARCH_ALPHA_ARCHITECTURE_H_
#define MMUSIM_ARCH_ALPHA_ARCHITECTURE_H_

#include "arch/alpha/tlbs.h"
#include "mmu/architecture.h"

namespace mmusim::alpha {

struct Architecture : mmu::ArchitectureOf<Options, Tlbs, EntryFormat> {
  static constexpr const char* kName = "alpha";
  static constexpr const char* kSummary =
      "Alpha: PALcode miss handlers, linear virtual page table, address space numbers";

  static Format format(const Options& /*options*/) { return {}; }
  static pt::RadixGeometry geometry(const Options& /*options*/) { return radix_geometry(); }
  static mmu::AddressLayout layout(const Options& /*options*/) { return address_layout(); }
};

}  // namespace mmusim::alpha

#endif  // MMUSIM_ARCH_ALPHA_ARCHITECTURE_H_
