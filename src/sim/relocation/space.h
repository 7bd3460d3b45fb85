// One recorded address space being relocated: where its addresses lie, its break, and, where the
// target's pages are larger than the source's, what is mapped at the source's page granularity.
//
// A target page holds several source pages then. It is mapped while any of them is known to be,
// with the union of their rights. Only what events map is known; what is implied from references is
// not, and does not keep a page. Copyable: a fork copies it. Not thread-safe.
#ifndef MMUSIM_SIM_RELOCATION_SPACE_H_
#define MMUSIM_SIM_RELOCATION_SPACE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "base/types.h"
#include "sim/relocation/address_map.h"

namespace mmusim::sim {

// Rights (PROT_* as a trace says them) of source ranges known to be mapped.
class KnownParts {
 public:
  void set(VirtRange range, uint32_t prot);
  // Changes the rights of what is known of `range`.
  void protect(VirtRange range, uint32_t prot);
  void erase(VirtRange range);
  // The union of the rights of all that is known in `range`; nothing if nothing is.
  [[nodiscard]] std::optional<uint32_t> rights(VirtRange range) const;

 private:
  struct Part {
    uint64_t end;
    uint32_t prot;
  };
  void split(uint64_t at);

  std::map<uint64_t, Part> parts_;  // by begin; disjoint
};

struct RelocatedSpace {
  explicit RelocatedSpace(AddressMap empty) : map(std::move(empty)) {}

  AddressMap map;
  KnownParts parts;
  VirtAddr brk_start;  // source; 0: not known
  VirtAddr brk;
  Zone heap_zone = Zone::Heap;
  std::optional<VirtAddr> first_fetch;
  bool has_stack = false;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_RELOCATION_SPACE_H_
