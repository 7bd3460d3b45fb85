#include "tlb/lru_family.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

namespace mmusim::tlb {
namespace {

using Page = LruFamily::Page;
using Four __attribute__((vector_size(16))) = Page;
using Sharers __attribute__((vector_size(16))) = uint8_t;
using Words __attribute__((vector_size(16))) = uint64_t;
constexpr size_t kLanes = sizeof(Four) / sizeof(Page);

// --- Four pages at a time. Of lanes that are asked for something, some are all ones and others 0.

Four equal(Four some, Four others) {
  return reinterpret_cast<Four>(some == others);
}
bool any(Four lanes) {
  const auto words = reinterpret_cast<Words>(lanes);
  return (words[0] | words[1]) != 0;
}
// Each goes one down, and the first is 0.
Four down(Four pages) {
  return __builtin_shufflevector(Four{}, pages, 0, 4, 5, 6);
}
// Those behind the first.
Four behind(Four lanes) {
  const Four one_or_two = down(lanes | down(lanes));
  return one_or_two | __builtin_shufflevector(Four{}, one_or_two, 0, 1, 4, 5);
}
Four choose(Four lanes, Four where_set, Four elsewhere) {
  return (where_set & lanes) | (elsewhere & ~lanes);
}
// Each goes one down, and this one comes before them.
Four moved_down(Four pages, Page before) {
  return down(pages) | Four{before};
}

// --- Whose sets a page shares

// Log2 of the most sets of which the page shares one with each of four; of those in `not_above`
// kNone.
constexpr unsigned kNone = 15;
std::array<unsigned, kLanes> shared(Page page, Four pages, Four not_above) {
  constexpr Page kMost = Page{1} << LruFamily::kLog2MostSets;
  const Four differ = choose(not_above, Four{} + (Page{1} << kNone), (pages ^ page) | kMost);
  const auto words = reinterpret_cast<Words>(differ);
  // None is 0, of which countr_zero() would think.
  const auto log2 = [](uint64_t word) {
    return static_cast<unsigned>(__builtin_ctz(static_cast<uint32_t>(word)));
  };
  return {log2(words[0]), log2(words[0] >> 32), log2(words[1]), log2(words[1] >> 32)};
}

// By log2 of the most sets two pages share one of: 1 for each number of sets that they do.
constexpr auto kShares = [] {
  std::array<std::array<uint8_t, sizeof(Sharers)>, kNone + 1> shares{};
  for (unsigned log2 = 0; log2 < LruFamily::kSetCounts; ++log2)
    for (unsigned k = 0; k <= log2; ++k)
      shares[log2][k] = 1;
  return shares;
}();

Sharers shares_of_log2(unsigned log2) {
  Sharers shares;
  std::memcpy(&shares, kShares[log2].data(), sizeof shares);
  return shares;
}
// 1 for each number of sets of which the two share one.
Sharers shares_of(Page page, Page other) {
  return shares_of_log2(shared(page, Four{} + other, Four{})[0]);
}
void add(Sharers& sum, Page page, Four pages, Four not_above = Four{}) {
  for (const unsigned log2 : shared(page, pages, not_above))
    sum += shares_of_log2(log2);
}

// Of Sharers as words, since to ask a vector for one of its elements is to store all of it.
unsigned byte(Words words, unsigned k) {
  return static_cast<unsigned>(words[k / 8] >> k % 8 * 8 & 0xff);
}

}  // namespace

LruFamily::LruFamily() {
  for (unsigned k = 0; k < kSetCounts; ++k) {
    stacks_[k].pages.assign(size_t{kMostWays} << k, kNoPage);
    stacks_[k].lengths.assign(size_t{1} << k, 0);
  }
  recent_.fill(Four{} + kNoPage);
}

void LruFamily::access(std::span<const Page> pages) {
  counted_ += pages.size();
  Four first = recent_[0];
  for (const Page page : pages) {
    const Four here = equal(first, Four{} + page);
    const Four next = moved_down(first, page);
    if (any(here)) [[likely]] {
      const Four below = behind(here);
      const auto log2 = shared(page, first, below | here);
      ++found_in_four_[log2[0] | log2[1] << 4 | log2[2] << 8];
      first = choose(below, first, next);
      continue;
    }
    use_other(page, first, true);
    first = next;
  }
  recent_[0] = first;
}

void LruFamily::use(Page page) {
  const Four first = recent_[0];
  const Four here = equal(first, Four{} + page);
  const Four next = moved_down(first, page);
  if (any(here)) {
    recent_[0] = choose(behind(here), first, next);
  } else {
    use_other(page, first, false);
    recent_[0] = next;
  }
}

void LruFamily::use_other(Page page, Four first_four, bool counted) {
  Sharers above{};
  add(above, page, first_four);
  Page moved = first_four[kLanes - 1];
  for (size_t i = 1; i < recent_.size(); ++i) {
    const Four pages = recent_[i];
    const Four here = equal(pages, Four{} + page);
    const Four next = moved_down(pages, moved);
    if (any(here)) {
      const Four below = behind(here);
      recent_[i] = choose(below, pages, next);
      add(above, page, pages, below | here);
      if (counted) count_place(above);
      return;
    }
    recent_[i] = next;
    moved = pages[kLanes - 1];
    add(above, page, pages);
  }
  unsigned from = 0;  // the stacks of fewer sets need no change
  if (recents_ < kMostRecent) {
    above -= static_cast<uint8_t>(kMostRecent - recents_) * shares_of(page, kNoPage);
    ++recents_;
  } else {
    Sharers others{};
    add(others, moved, first_four, Four{0, 0, 0, ~Page{0}});
    for (size_t i = 1; i < recent_.size(); ++i)
      add(others, moved, recent_[i]);
    leave(moved, others, kListed);
    above -= shares_of(page, moved);
    from = kListed;
  }
  const auto recents = reinterpret_cast<Words>(above);
  for (unsigned k = from; k < kSetCounts; ++k) {
    const unsigned place = use_in_stack(k, page, byte(recents, k));
    if (place == 0) {
      for (; counted && k < kSetCounts; ++k)
        ++found_[k][0];
      return;
    }
    if (counted && place < kMostWays) ++found_[k][place];
  }
}

void LruFamily::count_place(const Sharers& above) {
  const auto words = reinterpret_cast<Words>(above);
  for (unsigned k = 0; k < kSetCounts; ++k)
    ++found_[k][byte(words, k)];
}

// Of a page in the list, those above it there.
LruFamily::Sharers LruFamily::sharers_above(size_t place) const {
  const Page page = recent(place);
  Sharers above{};
  for (size_t i = 0; i < place / kLanes; ++i)
    add(above, page, recent_[i]);
  constexpr Four kPlaces = {0, 1, 2, 3};
  const Four not_above = reinterpret_cast<Four>(kPlaces >= static_cast<Page>(place % kLanes));
  add(above, page, recent_[place / kLanes], not_above);
  return above;
}

size_t LruFamily::place_in_list(Page page) const {
  size_t place = 0;
  while (place < recents_ && recent(place) != page)
    ++place;
  return place;
}

// Of the recent pages of its set it becomes the last, in sets of 2^from and more.
void LruFamily::leave(Page page, const Sharers& others, unsigned from) {
  const auto counts = reinterpret_cast<Words>(others);
  for (unsigned k = from; k < kSetCounts; ++k) {
    const unsigned many = byte(counts, k);
    if (many == 0) return;
    Page* const places = stacks_[k].of(set_of(k, page));
    unsigned first = 0;
    Four pages;
    do {
      std::memcpy(&pages, places + first, sizeof pages);
      first += kLanes;
    } while (!any(equal(pages, Four{} + page)));
    first -= kLanes;
    while (places[first] != page)
      ++first;
    std::swap(places[first], places[many]);
  }
}

void LruFamily::settle() {
  unsigned from = 0;
  if (recents_ == kMostRecent) {
    std::memcpy(stacks_[0].of(0), recent_.data(), sizeof recent_);
    stacks_[0].lengths[0] = kMostRecent;
    from = kListed;
  }
  while (recents_ > 0) {
    const size_t last = --recents_;
    leave(recent(last), sharers_above(last), from);
    recent_[last / kLanes][last % kLanes] = kNoPage;
  }
}

// It comes in front of `recents` recent pages of the set, and of the others those above it move
// down: into its own place, into a hole, or over the end.
unsigned LruFamily::use_in_stack(unsigned k, Page page, unsigned recents) {
  Stacks& stacks = stacks_[k];
  const size_t set = set_of(k, page);
  Page* const places = stacks.of(set);
  if (places[0] == page) return 0;
  uint8_t& length = stacks.lengths[set];
  Page moved = page;
  // In what order recent pages are does not matter.
  if (recents != 0) moved = std::exchange(places[0], page);
  unsigned place = recents;
  for (; place + kLanes <= length; place += kLanes) {
    Four pages;
    std::memcpy(&pages, places + place, sizeof pages);
    if (any(equal(pages, Four{} + page) | equal(pages, Four{} + kNoPage))) break;
    const Four next = moved_down(pages, moved);
    std::memcpy(places + place, &next, sizeof next);
    moved = pages[kLanes - 1];
  }
  for (; place < length; ++place) {
    const Page here = std::exchange(places[place], moved);
    if (here == page) return place;
    if (here == kNoPage) return leave_hole(places, place + 1, length, page);
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
  ++counted_;
  if (const size_t place = place_in_list(page); place < recents_) {
    count_place(sharers_above(place));
    return;
  }
  for (unsigned k = recents_ == kMostRecent ? kListed : 0; k < kSetCounts; ++k) {
    const std::span<const Page> places = stacks_[k].used(set_of(k, page));
    const auto found = std::find(places.begin(), places.end(), page);
    if (found != places.end()) ++found_[k][static_cast<size_t>(found - places.begin())];
  }
}

void LruFamily::flush(Page page) {
  if (place_in_list(page) < recents_) settle();
  for (unsigned k = 0; k < kSetCounts; ++k) {
    const std::span<Page> places = stacks_[k].used(set_of(k, page));
    std::replace(places.begin(), places.end(), page, kNoPage);
  }
}

LruMisses LruFamily::misses() const {
  LruMisses misses;
  for (unsigned k = 0; k < kSetCounts; ++k) {
    std::array<uint64_t, kMostWays> found = found_[k];
    for (size_t code = 0; code < found_in_four_.size(); ++code) {
      unsigned place = 0;
      for (const size_t log2 : {code & 15, code >> 4 & 15, code >> 8})
        if (log2 != kNone && log2 >= k) ++place;
      found[place] += found_in_four_[code];
    }
    uint64_t left = counted_;
    for (size_t place = 0; place < kMostWays; ++place)
      misses.by_size_[k][place] = left -= found[place];
  }
  return misses;
}

}  // namespace mmusim::tlb
