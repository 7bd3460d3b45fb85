// What the structs that name an architecture (sim/contracts.h) have in common.
#ifndef MMUSIM_MMU_ARCHITECTURE_H_
#define MMUSIM_MMU_ARCHITECTURE_H_

#include <type_traits>
#include <utility>

#include "base/types.h"
#include "config/schema.h"

namespace mmusim::mmu {

// `OptionsT` binds its keys by a static keys(), `TlbsT` is derived from Cpus.
template <class OptionsT, class TlbsT, class FormatT>
struct ArchitectureOf {
  using Options = OptionsT;
  using Tlbs = TlbsT;
  using Format = FormatT;
  using Cpu = std::remove_reference_t<decltype(std::declval<TlbsT&>().mmu(CpuId(0)))>;

  static void declare(config::Schema& schema) { Options::keys().declare(schema); }
  static Options read_options(const config::Config& config) { return Options::keys().read(config); }
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_ARCHITECTURE_H_
