// What a simulated x86 machine's MMU is made of: the keys tlb.*, psc.*, paging.* and x86.*. What
// the way of paging has no use for is off: PCIDs and 1G pages below four levels, for example.
//
// Plain data, read-only once it is read. The defaults are Skylake-SP's, as in
// configs/machines/skylake-sp.cfg.
#ifndef MMUSIM_ARCH_X86_OPTIONS_H_
#define MMUSIM_ARCH_X86_OPTIONS_H_

#include <array>
#include <cstdint>
#include <numeric>
#include <span>

#include "arch/x86/entry_bits.h"
#include "config/keys.h"
#include "mmu/levels.h"

namespace mmusim::x86 {

enum Level : unsigned { kL1I, kL1D, kL2, kL2I, kLevels };

// [1]: of a machine whose addresses can be non-canonical; [][1]: whose second level is for data
// alone, but for L2I.
extern const std::array<std::array<std::array<mmu::LevelDecl, kLevels>, 2>, 2> kTlbs;

struct Options {
  Paging paging;
  bool gigabyte_pages = true;
  unsigned physical_bits = 46;

  // By Level. The arrays of a level are probed together; what one holds another may hold too. L2
  // empty: no second level; it is for data only when L2I is not empty. That empty: fetches use L2,
  // if
  mmu::Arrays tlb;
  bool l2_fetches = true;  // ... it is not for data only

  // The hardware walks the kernel's page table as it is, whatever it is, if that is not in its own
  // format; else a copy that is. Where it is, the machine clears this.
  bool native_walk = false;

  // Entries of the paging-structure cache of each level: [1] PDE, [2] PDPTE, [3] PML4E, [4] PML5E.
  std::array<uint32_t, kMostLevels> walk_cache = {0, 32, 4, 2, 2};

  bool direct_map = true;  // the kernel's own accesses take TLB entries
  bool pcid = true;
  unsigned pcid_slots = 6;
  uint64_t flush_ceiling = 33;
  unsigned shadow_prefill = 1;  // pages around one that a copy takes along; 1: none

  // Tables the walk cache of native walks holds: as many as the caches of the levels there are.
  [[nodiscard]] uint32_t cached_tables() const {
    return std::accumulate(walk_cache.begin(), walk_cache.begin() + paging.walked(), uint32_t{0});
  }
  // Whether what the second level does for fetches and for data is counted apart.
  [[nodiscard]] bool split_l2() const { return !tlb[kL2I].empty() || !l2_fetches; }
  // As this machine has and reports them.
  [[nodiscard]] std::span<const mmu::LevelDecl> levels() const {
    return kTlbs[paging.is_long() ? 1 : 0][split_l2() ? 1 : 0];
  }

  static const config::Keys<Options>& keys();
};

// As keys() reads them; the levels of the page table must be `least` to `most`, those of the
// architecture asked for.
Options read_options(const config::Config& config, unsigned least, unsigned most);

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_OPTIONS_H_
