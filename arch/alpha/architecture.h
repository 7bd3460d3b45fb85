// Alpha under one name: what the simulator needs to make machines of this architecture.
#ifndef MMUSIM_ARCH_ALPHA_ARCHITECTURE_H_
#define MMUSIM_ARCH_ALPHA_ARCHITECTURE_H_

#include "arch/alpha/entry_format.h"
#include "arch/alpha/formats.h"
#include "arch/alpha/mmu.h"
#include "arch/alpha/options.h"
#include "arch/alpha/tlbs.h"

namespace mmusim::alpha {

struct Architecture {
  static constexpr const char* kName = "alpha";
  static constexpr const char* kSummary =
      "Alpha: PALcode miss handlers, linear virtual page table, address space numbers";

  using Cpu = Mmu;
  using Options = alpha::Options;
  using Tlbs = alpha::Tlbs;
  using Format = EntryFormat;

  static void declare(config::Schema& schema) { alpha::declare(schema); }
  static Options read_options(const config::Config& config) { return alpha::read_options(config); }
  static Format format(const Options& /*options*/) { return {}; }
  static pt::RadixGeometry geometry(const Options& /*options*/) { return radix_geometry(); }
  static mmu::AddressLayout layout(const Options& /*options*/) { return address_layout(); }
};

}  // namespace mmusim::alpha

#endif  // MMUSIM_ARCH_ALPHA_ARCHITECTURE_H_
