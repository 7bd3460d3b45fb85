// What a simulated x86 machine's MMU is made of: the keys tlb.*, psc.*, paging.* and x86.*.
//
// Plain data, read-only after read_options(). The defaults are Skylake-SP's, as in
// configs/machines/skylake-sp.cfg.
#ifndef MMUSIM_ARCH_X86_OPTIONS_H_
#define MMUSIM_ARCH_X86_OPTIONS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "arch/x86/entry_bits.h"
#include "config/schema.h"
#include "tlb/geometry.h"

namespace mmusim::x86 {

struct Options {
  unsigned levels = 4;
  bool gigabyte_pages = true;
  unsigned physical_bits = 46;

  // The arrays of a level are probed together; what one holds another may hold too.
  std::vector<tlb::Geometry> l1i;
  std::vector<tlb::Geometry> l1d;
  std::vector<tlb::Geometry> l2;   // empty: no second level; for data only when l2i is not empty
  std::vector<tlb::Geometry> l2i;  // empty: fetches use l2

  // Entries of the paging-structure cache of each level: [1] PDE, [2] PDPTE, [3] PML4E, [4] PML5E.
  std::array<uint32_t, kMostLevels> walk_cache{};

  bool pcid = true;
  unsigned pcid_slots = 6;
  uint64_t flush_ceiling = 33;

  [[nodiscard]] std::vector<PageShift> page_sizes() const;
};

void declare(config::Schema& schema);

// Errors: UsageError naming the key and the rule; besides those of each array (see
// tlb/geometry.h): a level that exists has an array that holds 4K.
Options read_options(const config::Config& config);

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_OPTIONS_H_
