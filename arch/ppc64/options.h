// What a simulated PowerPC machine's MMU is made of: the keys ppc64.*.
//
// Plain data, read-only after read_options(). The defaults are the PowerPC 970's, as in
// configs/machines/ppc970.cfg.
#ifndef MMUSIM_ARCH_PPC64_OPTIONS_H_
#define MMUSIM_ARCH_PPC64_OPTIONS_H_

#include <cstdint>
#include <vector>

#include "arch/ppc64/formats.h"
#include "config/schema.h"
#include "tlb/geometry.h"

namespace mmusim::ppc64 {

struct Options {
  std::vector<tlb::Geometry> ierat;
  std::vector<tlb::Geometry> derat;
  std::vector<tlb::Geometry> tlb;
  unsigned slb_entries = 64;
  bool tera_segments = false;
  PageShift page = k4K;
  uint64_t htab_bytes = 0;  // 0: by Linux's rule
  bool coherent_icache = true;
  bool tlbie_lock = false;
  bool linear_map = true;  // the kernel's own accesses take entries of ERATs, SLB and TLB
};

void declare(config::Schema& schema);

// Errors: UsageError naming the key and the rule; besides those of each array (see
// tlb/geometry.h): all three arrays exist and hold the base page; the hash table is a power of two.
Options read_options(const config::Config& config);

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_OPTIONS_H_
