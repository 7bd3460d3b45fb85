// The TTEs that handlers have loaded for an address space since their pages were flushed last, by
// the page's base: nothing else can be in a TLB or a TSB. Not thread-safe.
#ifndef MMUSIM_ARCH_SPARC64_LOADED_PAGES_H_
#define MMUSIM_ARCH_SPARC64_LOADED_PAGES_H_

#include <cstdint>

#include "arch/sparc64/formats.h"
#include "base/block_map.h"
#include "base/types.h"

namespace mmusim::sparc64 {

class LoadedPages {
 public:
  [[nodiscard]] bool empty() const { return pages_.empty(); }
  // 0, which is not valid: none is known.
  [[nodiscard]] uint64_t find(VirtAddr base) const { return pages_.find(number_of(base)); }
  // REQUIRES: the TTE is valid.
  void set(VirtAddr base, uint64_t tte) { pages_.set(number_of(base), tte); }
  void erase(VirtAddr base) { pages_.erase(number_of(base)); }
  void clear() { pages_.clear(); }

  // visit(base, tte) for those that begin in the range, ascending. REQUIRES: it is of whole pages.
  template <class Visit>
  void for_each(VirtRange range, Visit visit) const {
    if (range.empty()) return;
    pages_.for_each(number_of(range.begin), number_of(range.end - 1),
                    [&visit](uint64_t number, uint64_t tte) { visit(base_of(number), tte); });
  }
  // Whether (base) -> bool is true for all.
  template <class Predicate>
  [[nodiscard]] bool all_of(Predicate predicate) const {
    return pages_.all_of(0, ~uint64_t{0}, [&predicate](uint64_t number, uint64_t /*tte*/) {
      return predicate(base_of(number));
    });
  }

 private:
  static uint64_t number_of(VirtAddr base) { return base.value() >> kPage.log2(); }
  static VirtAddr base_of(uint64_t number) { return VirtAddr(number << kPage.log2()); }

  BlockMap<uint64_t, 0> pages_;  // by the number of the smallest page there
};

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_LOADED_PAGES_H_
