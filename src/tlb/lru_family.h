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
// **Recent pages.** Most look-ups are of one of the few pages used last, so these are in a list of
// their own, the last used first. A recent page's place in the stack of its set is the number of
// pages above it in the list that are in the set: those used since then, with nothing else above
// and no hole between, since flushes empty the list. So such a look-up changes the list alone. In a
// stack the recent pages of its set come first, in any order; a page that leaves the list is put
// behind them, and one that comes to it in front.
//
// A page that is first in its set is first in every smaller set it is in; so look-ups end early.
// Memory: 4 MiB. Not thread-safe.
#ifndef MMUSIM_TLB_LRU_FAMILY_H_
#define MMUSIM_TLB_LRU_FAMILY_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
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
    if (recent_[0] == page) {
      ++first_[0];
    } else if (recent_[1] == page) {
      ++second_[shared(page, recent_[0])];
      std::swap(recent_[0], recent_[1]);
    } else {
      use_other(page, true);
    }
  }
  // Only looked up, and counted.
  void count(Page page);
  // Only made the last used.
  void use(Page page) { use_other(page, false); }

  // Whether the page is the one used last: one more use would change nothing.
  [[nodiscard]] bool is_last(Page page) const {
    return page == (recents_ != 0 ? recent_[0] : stacks_[0].pages[0]);
  }

  void flush(Page page);
  // All for which gone(page).
  template <class Gone>
  void flush_if(Gone gone) {
    settle();
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
  static constexpr unsigned kMostRecent = 32;
  static_assert(kMostRecent <= kMostWays);

  struct Stacks {                  // of one number of sets
    std::vector<Page> pages;       // kMostWays of each set; kNoPage: a hole
    std::vector<uint8_t> lengths;  // places of each set that were ever taken

    [[nodiscard]] Page* of(size_t set) { return &pages[set * kMostWays]; }
    [[nodiscard]] const Page* of(size_t set) const { return &pages[set * kMostWays]; }
  };

  // Log2 of the most sets of which two pages share one, up to kLog2MostSets.
  static unsigned shared(Page a, Page b) {
    return static_cast<unsigned>(std::countr_zero((a ^ b) | Page{1} << kLog2MostSets));
  }
  // Looked up, counted or not, and made the last used.
  void use_other(Page page, bool counted);
  // A page has left the list, in which these others are that the stacks have too.
  void leave(Page page, std::span<const Page> others);
  // The list is emptied, and stacks are in order.
  void settle();
  // In one stack: the page's place, which is 0 from now on; kMostWays: it had none.
  unsigned use(unsigned k, Page page);
  static unsigned leave_hole(Page* places, unsigned from, unsigned length, Page page);

  std::array<Stacks, kSetCounts> stacks_;
  std::array<Page, kMostRecent> recent_;  // kNoPage behind the last
  unsigned recents_ = 0;
  uint64_t counted_ = 0;
  // Look-ups that found the page first from sets of 2^k on; second up to sets of 2^k, and from
  // there on first; and in another place.
  std::array<uint64_t, kSetCounts> first_{};
  std::array<uint64_t, kSetCounts> second_{};
  std::array<std::array<uint64_t, kMostWays>, kSetCounts> found_{};
};

}  // namespace mmusim::tlb

#endif  // MMUSIM_TLB_LRU_FAMILY_H_
