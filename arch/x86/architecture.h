// x86-64 under one name: what the simulator needs to make machines of this architecture.
#ifndef MMUSIM_ARCH_X86_ARCHITECTURE_H_
#define MMUSIM_ARCH_X86_ARCHITECTURE_H_

#include "arch/x86/entry_format.h"
#include "arch/x86/mmu.h"
#include "arch/x86/options.h"
#include "arch/x86/tlbs.h"
#include "base/types.h"

namespace mmusim::x86 {

struct Architecture {
  static constexpr const char* kName = "x86_64";
  static constexpr const char* kSummary =
      "x86-64: hardware walker over 4 or 5 levels, paging-structure caches, PCIDs";
  static constexpr PageShift kPage{12};

  using Cpu = Mmu;
  using Options = x86::Options;
  using Tlbs = x86::Tlbs;
  using Format = EntryFormat;

  static void declare(config::Schema& schema) { x86::declare(schema); }
  static Options read_options(const config::Config& config) { return x86::read_options(config); }
  static pt::RadixGeometry geometry(const Options& options) {
    return radix_geometry(options.levels, options.gigabyte_pages);
  }
  static mmu::AddressLayout layout(const Options&) { return address_layout(); }
};

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_ARCHITECTURE_H_
