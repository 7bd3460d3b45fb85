// All set-associative LRU TLBs of one page size at once: one pass over the look-ups gives the
// misses of every number of ways up to kMostWays at every power-of-two number of sets up to
// kMostSets.
//
// For each number of sets there is a stack of pages for each set, the last used first (Mattson's
// stack algorithm; Hill and Smith for the sets): a look-up hits in every TLB with more ways than
// the page's place. A page that is flushed leaves a hole in its place, which is an empty way of all
// TLBs that reach so far; the next page that none of the places above it holds fills it. So each
// TLB of the family is what one with those sets and ways would be, flushes and all, where an empty
// way is taken before another page goes.
//
// A page that is first in its set is first in every smaller set it is in; so most look-ups end
// early. Memory: 4 MiB. Not thread-safe.
#ifndef MMUSIM_TLB_LRU_FAMILY_H_
#define MMUSIM_TLB_LRU_FAMILY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace mmusim::tlb {

class LruFamily {
 public:
  static constexpr unsigned kMostWays = 64;
  static constexpr unsigned kLog2MostSets = 12;
  static constexpr unsigned kSetCounts = kLog2MostSets + 1;

  LruFamily();

  // A page of an address space, by a number whose low kLog2MostSets bits are the page number's.
  using Page = uint64_t;
  static constexpr Page kNoPage = ~uint64_t{0};

  // Looks the page up, and makes it the last used. The first is counted.
  void access(Page page) {
    ++counted_;
    for (unsigned k = 0; k < kSetCounts; ++k) {
      const unsigned place = use(k, page);
      if (place == 0) {
        ++first_[k];
        return;
      }
      if (place < kMostWays) ++found_[k][place];
    }
  }
  // The page used last but one is looked up, and counted, and nothing moves: who calls it sees to
  // the order (use()) before anything else. They share sets of up to 2^log2_sets.
  void count_second(unsigned log2_sets) {
    ++counted_;
    for (unsigned k = 0; k <= log2_sets && k < kSetCounts; ++k)
      ++found_[k][1];
    if (log2_sets < kLog2MostSets) ++first_[log2_sets + 1];
  }
  // Only looked up, and counted.
  void count(Page page);
  // Only made the last used.
  void use(Page page) {
    for (unsigned k = 0; k < kSetCounts; ++k)
      if (use(k, page) == 0) return;
  }

  void flush(Page page);
  // All for which gone(page).
  template <class Gone>
  void flush_if(Gone gone) {
    for (Stacks& stacks : stacks_)
      for (size_t set = 0; set < stacks.lengths.size(); ++set)
        for (unsigned place = 0; place < stacks.lengths[set]; ++place) {
          Page& page = stacks.pages[set * kMostWays + place];
          if (page != kNoPage && gone(page)) page = kNoPage;
        }
  }

  // Look-ups counted that a TLB of 2^log2_sets sets misses. REQUIRES: 0 < ways <= kMostWays.
  [[nodiscard]] uint64_t misses(unsigned log2_sets, unsigned ways) const;

 private:
  struct Stacks {                  // of one number of sets
    std::vector<Page> pages;       // kMostWays of each set; kNoPage: a hole
    std::vector<uint8_t> lengths;  // places of each set that were ever taken
  };

  // The page's place, which is 0 from now on; kMostWays: it had none.
  unsigned use(unsigned k, Page page);

  std::array<Stacks, kSetCounts> stacks_;
  uint64_t counted_ = 0;
  // Look-ups that found the page first from sets of 2^k on; and in another place.
  std::array<uint64_t, kSetCounts> first_{};
  std::array<std::array<uint64_t, kMostWays>, kSetCounts> found_{};
};

}  // namespace mmusim::tlb

#endif  // MMUSIM_TLB_LRU_FAMILY_H_
