#include "tlb/lru_family.h"

#include <algorithm>
#include <bit>
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

// visit(k, how many) for each k, up to the first with none, of which it is told too: fewer sets are
// shared by as many at least. By words, since to ask a vector for one element is to store it all.
template <class Visit>
void each(const Sharers& sharers, Visit visit) {
  unsigned k = 0;
  for (uint64_t word : std::bit_cast<std::array<uint64_t, 2>>(sharers))
    for (unsigned i = 0; i < sizeof word && k < LruFamily::kSetCounts; ++i, ++k, word >>= 8) {
      const auto many = static_cast<unsigned>(word & 0xff);
      visit(k, many);
      if (many == 0) return;
    }
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
      if (counted)
        each(above,
             [this](unsigned k, unsigned many) { ++(many == 0 ? first_[k] : found_[k][many]); });
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
  each(sharers, [&](unsigned k, unsigned many) {
    Page* place = stacks_[k].of(page & ((size_t{1} << k) - 1)) + many;
    // Those behind it, among the recent pages of the set, move up.
    for (Page moved = page;; --place) {
      const Page here = std::exchange(*place, moved);
      if (here == page) return;
      moved = here;
    }
  });
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
  // Those above it move down: into its own place, into a hole, or over the end.
  Page moved = page;
  for (unsigned place = 0; place < length; ++place) {
    const Page here = std::exchange(places[place], moved);
    if (here == page) return place;
    if (here == kNoPage) [[unlikely]]
      return leave_hole(places, place + 1, length, page);
    moved = here;
  }
  if (length < kMostWays) places[length++] = moved;
  return kMostWays;
}

// Its place, from `from` on, which is a hole from now on; kMostWays: it has none.
unsigned LruFamily::leave_hole(Page* places, unsigned from, unsigned length, Page page) {
  Page* const end = places + length;
  Page* const place = std::find(places + from, end, page);
  if (place == end) return kMostWays;
  *place = kNoPage;
  return static_cast<unsigned>(place - places);
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
