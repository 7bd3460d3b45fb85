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
// and no hole between, since a page is in no list once it is flushed. So such a look-up changes the
// list alone. In a stack the recent pages of its set come first, in any order; a page that leaves
// the list is put behind them, and one that comes to it in front.
//
// The list is gone through four pages at a time, and what is counted is counted without a branch:
// where a page is found cannot be foreseen, and a branch that is foreseen wrongly takes longer than
// all the rest. Half of all look-ups find one of the first four.
//
// A page that is first in its set is first in every smaller set it is in; so changes of stacks end
// early. Memory: 2 MiB. Not thread-safe.
#ifndef MMUSIM_TLB_LRU_FAMILY_H_
#define MMUSIM_TLB_LRU_FAMILY_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mmusim::tlb {

// What all of them have missed of the look-ups that were counted.
class LruMisses {
 public:
  static constexpr unsigned kMostWays = 64;
  static constexpr unsigned kLog2MostSets = 12;
  static constexpr unsigned kSetCounts = kLog2MostSets + 1;

  // A TLB of 2^log2_sets sets. REQUIRES: 0 < ways <= kMostWays.
  [[nodiscard]] uint64_t of(unsigned log2_sets, unsigned ways) const {
    return by_size_[log2_sets][ways - 1];
  }

 private:
  friend class LruFamily;
  std::array<std::array<uint64_t, kMostWays>, kSetCounts> by_size_{};
};

class LruFamily {
 public:
  static constexpr unsigned kMostWays = LruMisses::kMostWays;
  static constexpr unsigned kLog2MostSets = LruMisses::kLog2MostSets;
  static constexpr unsigned kSetCounts = LruMisses::kSetCounts;

  LruFamily();

  // A page of an address space, by a number whose low kLog2MostSets bits are the page number's.
  using Page = uint32_t;
  static constexpr Page kNoPage = ~Page{0};

  // Looks the pages up, one after the other, and makes each the last used. Each is counted.
  void access(std::span<const Page> pages);
  // Only looked up, and counted.
  void count(Page page);
  // Only made the last used.
  void use(Page page);

  // Whether the page is the one used last: one more use would change nothing.
  [[nodiscard]] bool is_last(Page page) const {
    return page == (recents_ != 0 ? recent_[0][0] : stacks_[0].pages[0]);
  }

  void flush(Page page);
  // action(Page&) for each page it knows, once or more often: it may give the page another number
  // with the same low bits, each time the same, or flush it by making it kNoPage.
  template <class Action>
  void each_page(Action action) {
    settle();
    for (Stacks& stacks : stacks_)
      for (size_t set = 0; set < stacks.lengths.size(); ++set)
        for (Page& page : stacks.used(set))
          if (page != kNoPage) action(page);
  }

  [[nodiscard]] LruMisses misses() const;

 private:
  static constexpr unsigned kLanes = 4;
  using Four __attribute__((vector_size(kLanes * sizeof(Page)))) = Page;
  static constexpr unsigned kMostRecent = 64;
  // All recent pages of a set are in its stack.
  static_assert(kMostRecent == kMostWays);
  // A full list is the stack of the one set, which is brought up to date when the list is emptied.
  static constexpr unsigned kListed = 1;

  struct Stacks {                  // of one number of sets
    std::vector<Page> pages;       // kMostWays of each set; kNoPage: a hole
    std::vector<uint8_t> lengths;  // places of each set that were ever taken

    [[nodiscard]] Page* of(size_t set) { return &pages[set * kMostWays]; }
    [[nodiscard]] std::span<Page> used(size_t set) { return {of(set), lengths[set]}; }
    [[nodiscard]] std::span<const Page> used(size_t set) const {
      return {&pages[set * kMostWays], lengths[set]};
    }
  };
  // Of some page, for 2^k sets, by k: how many others share its set.
  using Sharers __attribute__((vector_size(16))) = uint8_t;

  static size_t set_of(unsigned k, Page page) { return page & ((size_t{1} << k) - 1); }
  [[nodiscard]] Page recent(size_t place) const { return recent_[place / kLanes][place % kLanes]; }
  // A page that is none of the first four of the list is looked up, counted or not, and made the
  // last used; they are first_four.
  void use_other(Page page, Four first_four, bool counted);
  // A page leaves the list, in which those others are that the stacks of 2^from and more sets have
  // too.
  void leave(Page page, const Sharers& others, unsigned from);
  // The list is emptied, and stacks are in order.
  void settle();
  // Where it is in the list; as many as there are: nowhere.
  [[nodiscard]] size_t place_in_list(Page page) const;
  [[nodiscard]] Sharers sharers_above(size_t place) const;
  void count_place(const Sharers& above);
  // In the stack of its set of 2^k, which has so many recent pages, of which it is none: its place,
  // which is 0 from now on; kMostWays: it had none.
  unsigned use_in_stack(unsigned k, Page page, unsigned recents);
  static unsigned leave_hole(Page* places, unsigned from, unsigned length, Page page);

  std::array<Stacks, kSetCounts> stacks_;
  std::array<Four, kMostRecent / kLanes> recent_;  // kNoPage behind the last
  unsigned recents_ = 0;
  uint64_t counted_ = 0;
  // Look-ups that found the page in that place, but for those that found it among the first four of
  // the list.
  std::array<std::array<uint64_t, kMostWays>, kSetCounts> found_{};
  // These, by log2 of the sets it shares with each of the three that may be above it, four bits
  // each; 15: that one is not.
  std::array<uint64_t, 1 << 12> found_in_four_{};
};

}  // namespace mmusim::tlb

#endif  // MMUSIM_TLB_LRU_FAMILY_H_
