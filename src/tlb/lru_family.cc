#include "tlb/lru_family.h"

#include <algorithm>
#include <cstddef>

#include "base/error.h"

namespace mmusim::tlb {

LruFamily::LruFamily() {
  for (unsigned k = 0; k < kSetCounts; ++k) {
    stacks_[k].pages.assign(size_t{kMostWays} << k, kNoPage);
    stacks_[k].lengths.assign(size_t{1} << k, 0);
  }
}

unsigned LruFamily::use(unsigned k, Page page) {
  Stacks& stacks = stacks_[k];
  const size_t set = page & ((size_t{1} << k) - 1);
  Page* const places = &stacks.pages[set * kMostWays];
  if (places[0] == page) return 0;
  uint8_t& length = stacks.lengths[set];
  unsigned hole = kMostWays;
  unsigned place = 0;
  while (place < length && places[place] != page) {
    if (places[place] == kNoPage && hole == kMostWays) hole = place;
    ++place;
  }
  const bool found = place < length;
  // Those above move down: into the hole, into the page's own place, or over the end.
  unsigned into = found ? place : length;
  if (hole < into) {
    if (found) places[place] = kNoPage;
    into = hole;
  } else if (!found) {
    if (length < kMostWays)
      ++length;
    else
      into = kMostWays - 1;
  }
  std::move_backward(places, places + into, places + into + 1);
  places[0] = page;
  return found ? place : kMostWays;
}

void LruFamily::count(Page page) {
  ++counted_;
  for (unsigned k = 0; k < kSetCounts; ++k) {
    const Stacks& stacks = stacks_[k];
    const size_t set = page & ((size_t{1} << k) - 1);
    const Page* const places = &stacks.pages[set * kMostWays];
    const auto place =
        static_cast<size_t>(std::find(places, places + stacks.lengths[set], page) - places);
    if (place == stacks.lengths[set]) continue;
    if (place == 0) {
      ++first_[k];
      return;
    }
    ++found_[k][place];
  }
}

void LruFamily::flush(Page page) {
  for (unsigned k = 0; k < kSetCounts; ++k) {
    Stacks& stacks = stacks_[k];
    const size_t set = page & ((size_t{1} << k) - 1);
    Page* const places = &stacks.pages[set * kMostWays];
    std::replace(places, places + stacks.lengths[set], page, kNoPage);
  }
}

uint64_t LruFamily::misses(unsigned log2_sets, unsigned ways) const {
  MMUSIM_ASSERT(log2_sets < kSetCounts && ways > 0 && ways <= kMostWays);
  uint64_t hits = 0;
  for (unsigned k = 0; k <= log2_sets; ++k)
    hits += first_[k];
  for (unsigned place = 1; place < ways; ++place)
    hits += found_[log2_sets][place];
  return counted_ - hits;
}

}  // namespace mmusim::tlb
