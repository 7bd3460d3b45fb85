// The paging-structure caches: where a page walk can start below the root.
//
// One cache per level a walk reads above the lowest: PDE, PDPTE, PML4E (and PML5E with five levels;
// the PDE alone with two levels and with PAE, whose PDPTEs are in registers anyhow), each fully
// associative with LRU, tagged with the address bits its entry stands for and the PCID. An entry
// holds the address of the next table and the rights accumulated from the root down to it (R/W and
// U/S and-ed, XD or-ed): Intel SDM vol. 3A, 4.10.3.1. Existence and sizes differ between
// processors and are not documented; 0 entries switches a cache off.
//
// A lookup takes the deepest match, which is the only one used. Entries are made by a walk that
// ended well, for the entries it read in memory, root first (see walker.h). Not thread-safe.
#ifndef MMUSIM_ARCH_X86_WALK_CACHES_H_
#define MMUSIM_ARCH_X86_WALK_CACHES_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "arch/x86/entry_bits.h"
#include "arch/x86/options.h"
#include "base/types.h"
#include "tlb/array.h"

namespace mmusim::x86 {

// Rights as they come down a walk.
struct WalkRights {
  bool write = true;
  bool user = true;
  bool no_execute = false;
  bool operator==(const WalkRights&) const = default;
};

struct WalkStart {
  unsigned level = 0;  // of the first entry to read
  PhysAddr table;      // that holds it
  WalkRights rights;
};

class WalkCaches {
 public:
  WalkCaches(const std::array<uint32_t, kMostLevels>& entries, Paging paging);

  // The deepest start known for `va`; a use of that entry.
  std::optional<WalkStart> find(VirtAddr va, Pcid pcid);
  // An entry at `level` (1 = PDE) was read that leads to `table`.
  void fill(VirtAddr va, Pcid pcid, unsigned level, PhysAddr table, WalkRights rights);

  void invalidate_address(VirtAddr va, Pcid pcid);  // what a walk of `va` would use
  void invalidate_pcid(Pcid pcid);
  void invalidate_all();

  // Visits (pcid, table).
  void for_each(const std::function<void(Pcid, PhysAddr)>& visit) const;

 private:
  struct Payload {
    PhysAddr table;
    WalkRights rights;
  };
  using Array = tlb::TlbArray<uint64_t, Payload>;

  template <class Predicate>
  void remove_if(Predicate predicate);

  [[nodiscard]] uint64_t tag_of(VirtAddr va, unsigned level, Pcid pcid) const;

  Paging paging_;
  std::array<std::optional<Array>, kMostLevels> caches_;
  uint64_t clock_ = 0;
};

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_WALK_CACHES_H_
