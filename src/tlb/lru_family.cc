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

using Bytes __attribute__((vector_size(16))) = uint8_t;
static_assert(sizeof(Bytes) == sizeof(kShares[0]));

}  // namespace

LruFamily::LruFamily() {
  for (unsigned k = 0; k < kSetCounts; ++k) {
    stacks_[k].pages.assign(size_t{kMostWays} << k, kNoPage);
    stacks_[k].lengths.assign(size_t{1} << k, 0);
  }
  recent_.fill(kNoPage);
}

LruFamily::Sharers LruFamily::sharers(Page page, unsigned of_recent) const {
  Bytes sum{};
  for (unsigned i = 0; i < of_recent; ++i) {
    Bytes shares;
    std::memcpy(&shares, kShares[shared(page, recent_[i])].data(), sizeof shares);
    sum += shares;
  }
  return std::bit_cast<Sharers>(sum);
}

unsigned LruFamily::find_recent(Page page) const {
  unsigned place = 0;
  while (place < recents_ && recent_[place] != page)
    ++place;
  return place;
}

void LruFamily::make_first(unsigned place, Page page) {
  std::memmove(&recent_[1], recent_.data(), place * sizeof(Page));
  recent_[0] = page;
}

void LruFamily::access_other(Page page) {
  const unsigned place = find_recent(page);
  if (place == recents_) {
    enter(page, true);
    return;
  }
  const Sharers above = sharers(page, place);
  make_first(place, page);
  for (unsigned k = 0; k < kSetCounts; ++k) {
    if (above[k] == 0) {
      ++first_[k];
      return;
    }
    ++found_[k][above[k]];
  }
}

void LruFamily::enter(Page page, bool counted) {
  if (recents_ == kMostRecent) leave();
  for (unsigned k = 0; k < kSetCounts; ++k) {
    const unsigned place = use(k, page);
    if (place == 0) {
      if (counted) ++first_[k];
      break;
    }
    if (counted && place < kMostWays) ++found_[k][place];
  }
  make_first(recents_++, page);
}

// Of the recent pages of its set it becomes the last.
void LruFamily::leave() {
  const Page page = recent_[--recents_];
  const Sharers others = sharers(page, recents_);
  for (unsigned k = 0; k < kSetCounts && others[k] != 0; ++k) {
    Page* const places = stacks_[k].of(page & ((size_t{1} << k) - 1));
    Page* const last = places + others[k];
    Page* const at = std::find(places, last, page);
    std::move(at + 1, last + 1, at);
    *last = page;
  }
  recent_[recents_] = kNoPage;
}

void LruFamily::settle() {
  while (recents_ > 0)
    leave();
}

void LruFamily::use(Page page) {
  const unsigned place = find_recent(page);
  if (place == recents_)
    enter(page, false);
  else
    make_first(place, page);
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
