// x86-64, and i386 with the same keys: what the simulator needs to make machines of either.
#ifndef MMUSIM_ARCH_X86_ARCHITECTURE_H_
#define MMUSIM_ARCH_X86_ARCHITECTURE_H_

#include "arch/x86/tlbs.h"
#include "mmu/architecture.h"

namespace mmusim::x86 {

struct Architecture : mmu::ArchitectureOf<Options, Tlbs, EntryFormat> {
  static constexpr const char* kName = "x86_64";
  static constexpr const char* kSummary =
      "x86-64: hardware walker over 4 or 5 levels, paging-structure caches, PCIDs";

  // Errors: for a number of levels this architecture has not, too.
  static Options read_options(const config::Config& config) {
    return x86::read_options(config, 4, 5);
  }
  static Format format(const Options& options) { return EntryFormat(options.paging); }
  static pt::RadixGeometry geometry(const Options& options) {
    return radix_geometry(options.paging, options.gigabyte_pages);
  }
  static mmu::AddressLayout layout(const Options& options) {
    return address_layout(options.paging);
  }
};

struct I386 : Architecture {
  static constexpr const char* kName = "i386";
  static constexpr const char* kSummary =
      "32-bit x86: hardware walker over 2 levels, or 3 with PAE, whose highest is in registers";

  static Options read_options(const config::Config& config) {
    return x86::read_options(config, 2, 3);
  }
};

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_ARCHITECTURE_H_
