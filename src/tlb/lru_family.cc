#include "tlb/lru_family.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/error.h"

namespace mmusim::tlb {
namespace {

// By log2 of the most sets two pages share one of: 1 for each number of sets that they do.
constexpr auto kShares = [] {
  std::array<std::array<uint8_t, 16>, LruFamily::kSetCounts> shares{};
  for (unsigned log2 = 0; log2 < shares.size(); ++log2)
    for (unsigned k = 0; k <= log2; ++k)
      shares[log2][k] = 1;
  return shares;
}();

// Of some page, for 2^k sets, by k: how many others share its set.
using Sharers __attribute__((vector_size(16))) = uint8_t;
static_assert(sizeof(Sharers) == sizeof(kShares[0]));

void add(Sharers& sum, unsigned log2) {
  Sharers shares;
  std::memcpy(&shares, kShares[log2].data(), sizeof shares);
  sum += shares;
}

}  // namespace

LruFamily::LruFamily() {
  for (unsigned k = 0; k < kSetCounts; ++k) {
    stacks_[k].pages.assign(size_t{kMostWays} << k, kNoPage);
    stacks_[k].lengths.assign(size_t{1} << k, 0);
  }
  recent_.fill(kNoPage);
}

void LruFamily::use_other(Page page, bool counted) {
  // Those above it in the list move down, all of them if it is not there.
  Sharers above{};
  Page moved = page;
  for (unsigned place = 0; place < recents_; ++place) {
    const Page here = std::exchange(recent_[place], moved);
    if (here == page) {
      for (unsigned k = 0; counted && k < kSetCounts; ++k) {
        if (above[k] == 0) {
          ++first_[k];
          return;
        }
        ++found_[k][above[k]];
      }
      return;
    }
    moved = here;
    add(above, shared(page, here));
  }
  if (recents_ < kMostRecent)
    recent_[recents_++] = moved;
  else
    leave(moved, std::span(recent_).subspan(1));
  for (unsigned k = 0; k < kSetCounts; ++k) {
    const unsigned place = use(k, page);
    if (place == 0) {
      if (counted) ++first_[k];
      return;
    }
    if (counted && place < kMostWays) ++found_[k][place];
  }
}

// Of the recent pages of its set it becomes the last.
void LruFamily::leave(Page page, std::span<const Page> others) {
  Sharers sharers{};
  for (const Page other : others)
    add(sharers, shared(page, other));
  for (unsigned k = 0; k < kSetCounts && sharers[k] != 0; ++k) {
    Page* const places = stacks_[k].of(page & ((size_t{1} << k) - 1));
    Page* const last = places + sharers[k];
    Page* const at = std::find(places, last, page);
    std::move(at + 1, last + 1, at);
    *last = page;
  }
}

void LruFamily::settle() {
  while (recents_ > 0) {
    const Page page = std::exchange(recent_[--recents_], kNoPage);
    leave(page, std::span(recent_).first(recents_));
  }
}

unsigned LruFamily::use(unsigned k, Page page) {
  Stacks& stacks = stacks_[k];
  const size_t set = page & ((size_t{1} << k) - 1);
  Page* const places = stacks.of(set);
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
  settle();
  ++counted_;
  for (unsigned k = 0; k < kSetCounts; ++k) {
    const Stacks& stacks = stacks_[k];
    const size_t set = page & ((size_t{1} << k) - 1);
    const Page* const places = stacks.of(set);
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
  settle();
  for (unsigned k = 0; k < kSetCounts; ++k) {
    Stacks& stacks = stacks_[k];
    const size_t set = page & ((size_t{1} << k) - 1);
    Page* const places = stacks.of(set);
    std::replace(places, places + stacks.lengths[set], page, kNoPage);
  }
}

uint64_t LruFamily::misses(unsigned log2_sets, unsigned ways) const {
  MMUSIM_ASSERT(log2_sets < kSetCounts && ways > 0 && ways <= kMostWays);
  uint64_t hits = 0;
  for (unsigned k = 0; k <= log2_sets; ++k)
    hits += first_[k];
  // Up to 2^k sets second, in more first.
  for (unsigned k = 0; k < kSetCounts; ++k)
    if (ways > 1 || k < log2_sets) hits += second_[k];
  for (unsigned place = 1; place < ways; ++place)
    hits += found_[log2_sets][place];
  return counted_ - hits;
}

}  // namespace mmusim::tlb
