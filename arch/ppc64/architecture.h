// 64-bit PowerPC under one name: what the simulator needs to make machines of this architecture.
#ifndef MMUSIM_ARCH_PPC64_ARCHITECTURE_H_
#define MMUSIM_ARCH_PPC64_ARCHITECTURE_H_

#include "arch/ppc64/entry_format.h"
#include "arch/ppc64/formats.h"
#include "arch/ppc64/mmu.h"
#include "arch/ppc64/options.h"
#include "arch/ppc64/tlbs.h"

namespace mmusim::ppc64 {

struct Architecture {
  static constexpr const char* kName = "ppc64";
  static constexpr const char* kSummary =
      "64-bit PowerPC: SLB, ERATs, hashed page table as a cache of the kernel's";

  using Cpu = Mmu;
  using Options = ppc64::Options;
  using Tlbs = ppc64::Tlbs;
  using Format = EntryFormat;

  static void declare(config::Schema& schema) { ppc64::declare(schema); }
  static Options read_options(const config::Config& config) { return ppc64::read_options(config); }
  static Format format(const Options& options) { return Format(options.page); }
  static pt::RadixGeometry geometry(const Options& options) { return radix_geometry(options.page); }
  static mmu::AddressLayout layout(const Options& options) { return address_layout(options.page); }
};

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_ARCHITECTURE_H_
