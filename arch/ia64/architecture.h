// IA-64 under one name: what the simulator needs to make machines of this architecture.
#ifndef MMUSIM_ARCH_IA64_ARCHITECTURE_H_
#define MMUSIM_ARCH_IA64_ARCHITECTURE_H_

#include "arch/ia64/tlbs.h"
#include "mmu/architecture.h"

namespace mmusim::ia64 {

struct Architecture : mmu::ArchitectureOf<Options, Tlbs, EntryFormat> {
  static constexpr const char* kName = "ia64";
  static constexpr const char* kSummary =
      "IA-64: regions, translation registers, VHPT in long or short format or none";

  static Format format(const Options& options) { return Format(options.refuses()); }
  static pt::RadixGeometry geometry(const Options& o) { return radix_geometry(o.levels); }
  static mmu::AddressLayout layout(const Options& o) {
    return address_layout(o.levels, o.huge_page());
  }
};

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_ARCHITECTURE_H_
