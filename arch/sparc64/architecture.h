// SPARC V9 (sun4u) under one name: what the simulator needs to make machines of this architecture.
#ifndef MMUSIM_ARCH_SPARC64_ARCHITECTURE_H_
#define MMUSIM_ARCH_SPARC64_ARCHITECTURE_H_

#include "arch/sparc64/entry_format.h"
#include "arch/sparc64/formats.h"
#include "arch/sparc64/mmu.h"
#include "arch/sparc64/options.h"
#include "arch/sparc64/tlbs.h"

namespace mmusim::sparc64 {

struct Architecture {
  static constexpr const char* kName = "sparc64";
  static constexpr const char* kSummary =
      "SPARC V9 (sun4u): software-filled TLBs, TSBs as caches of the page table";

  using Cpu = Mmu;
  using Options = sparc64::Options;
  using Tlbs = sparc64::Tlbs;
  using Format = EntryFormat;

  static void declare(config::Schema& schema) { sparc64::declare(schema); }
  static Options read_options(const config::Config& config) {
    return sparc64::read_options(config);
  }
  static Format format(const Options& /*options*/) { return {}; }
  static pt::RadixGeometry geometry(const Options&) { return radix_geometry(); }
  static mmu::AddressLayout layout(const Options&) { return address_layout(); }
};

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_ARCHITECTURE_H_
