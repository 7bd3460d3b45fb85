// IA-64 under one name: what the simulator needs to make machines of this architecture.
#ifndef MMUSIM_ARCH_IA64_ARCHITECTURE_H_
#define MMUSIM_ARCH_IA64_ARCHITECTURE_H_

#include "arch/ia64/entry_format.h"
#include "arch/ia64/formats.h"
#include "arch/ia64/mmu.h"
#include "arch/ia64/options.h"
#include "arch/ia64/tlbs.h"

namespace mmusim::ia64 {

struct Architecture {
  static constexpr const char* kName = "ia64";
  static constexpr const char* kSummary =
      "IA-64: regions, translation registers, VHPT in long or short format or none";

  using Cpu = Mmu;
  using Options = ia64::Options;
  using Tlbs = ia64::Tlbs;
  using Format = EntryFormat;

  static void declare(config::Schema& schema) { ia64::declare(schema); }
  static Options read_options(const config::Config& config) { return ia64::read_options(config); }
  static Format format(const Options& /*options*/) { return {}; }
  static pt::RadixGeometry geometry(const Options& options) {
    return radix_geometry(options.levels);
  }
  static mmu::AddressLayout layout(const Options& options) {
    return address_layout(options.levels);
  }
};

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_ARCHITECTURE_H_
