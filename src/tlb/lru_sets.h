// One set-associative LRU TLB that holds page numbers and nothing else: a first level in front of
// those that are measured at all sizes (lru_family.h).
//
// An empty way is taken before another page goes. Not thread-safe.
#ifndef MMUSIM_TLB_LRU_SETS_H_
#define MMUSIM_TLB_LRU_SETS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tlb/lru_family.h"

namespace mmusim::tlb {

class LruSets {
 public:
  using Page = LruFamily::Page;
  static constexpr Page kNoPage = LruFamily::kNoPage;

  // REQUIRES: `sets` is a power of two, no more than the low bits of pages tell apart; `ways` is
  // not 0.
  LruSets(size_t sets, size_t ways)
      : ways_(ways), mask_(static_cast<Page>(sets - 1)), pages_(sets * ways, kNoPage) {}

  // Looks the page up and makes it the last used of its set. Whether it was there.
  bool use(Page page) {
    Page* const set = &pages_[(page & mask_) * ways_];
    Page* const end = set + ways_;
    Page* place = std::find(set, end, page);
    const bool found = place != end;
    // Those used since then move down: over its place, over an empty way, or over the end.
    if (!found) place = std::min(std::find(set, end, kNoPage), end - 1);
    std::move_backward(set, place, place + 1);
    *set = page;
    return found;
  }
  [[nodiscard]] bool has(Page page) const {
    const Page* const set = &pages_[(page & mask_) * ways_];
    return std::find(set, set + ways_, page) != set + ways_;
  }

  // Whether it is the last used of its set.
  [[nodiscard]] bool is_last(Page page) const { return pages_[(page & mask_) * ways_] == page; }

  void flush(Page page) {
    Page* const set = &pages_[(page & mask_) * ways_];
    std::replace(set, set + ways_, page, kNoPage);
  }
  // As LruFamily's.
  template <class Action>
  void each_page(Action action) {
    for (Page& page : pages_)
      if (page != kNoPage) action(page);
  }

 private:
  size_t ways_;
  Page mask_;
  std::vector<Page> pages_;  // `ways_` of each set, the last used first; kNoPage: an empty way
};

}  // namespace mmusim::tlb

#endif  // MMUSIM_TLB_LRU_SETS_H_
