// The family against TLBs of single geometries, each a list of ways a set.
#include "tlb/lru_family.h"

#include <algorithm>
#include <cstdint>
#include <gtest/gtest.h>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"

namespace mmusim::tlb {
namespace lru_family_test {

using Page = LruFamily::Page;
constexpr Page kMostPages = 6000;

// One TLB, as plainly as it can be said: an empty way is taken first, else the one used longest
// ago goes.
class PlainTlb {
 public:
  PlainTlb(unsigned log2_sets, unsigned ways)
      : ways_(ways), mask_((Page{1} << log2_sets) - 1), sets_(size_t{1} << log2_sets) {}

  [[nodiscard]] bool has(Page page) const {
    const std::vector<Page>& set = sets_[page & mask_];
    return std::find(set.begin(), set.end(), page) != set.end();
  }
  void use(Page page) {
    std::vector<Page>& set = sets_[page & mask_];  // the last used first
    flush(page);
    set.insert(set.begin(), page);
    if (set.size() > ways_) set.pop_back();
  }
  void access(std::span<const Page> pages) {
    for (const Page page : pages) {
      if (!has(page)) ++misses_;
      use(page);
    }
  }
  void flush(Page page) {
    std::vector<Page>& set = sets_[page & mask_];
    set.erase(std::remove(set.begin(), set.end(), page), set.end());
  }
  void count(Page page) {
    if (!has(page)) ++misses_;
  }
  [[nodiscard]] uint64_t misses() const { return misses_; }

 private:
  size_t ways_;
  Page mask_;
  std::vector<std::vector<Page>> sets_;
  uint64_t misses_ = 0;
};

// So many of all geometries, by log2 of sets and ways.
const std::vector<std::pair<unsigned, unsigned>>& geometries() {
  static const std::vector<std::pair<unsigned, unsigned>> kGeometries = {
      {0, 1}, {0, 2}, {0, 3}, {0, 7}, {0, 63}, {0, 64}, {1, 1}, {1, 2},  {2, 4},
      {3, 1}, {3, 5}, {4, 2}, {5, 8}, {6, 64}, {7, 3},  {9, 2}, {12, 1}, {12, 4}};
  return kGeometries;
}

class Both {
 public:
  Both() {
    for (const auto& [log2, ways] : geometries())
      plain_.emplace_back(log2, ways);
  }
  template <class Step>
  void each(Step step) {
    step(family_);
    for (PlainTlb& tlb : plain_)
      step(tlb);
  }
  void flush_odd() {
    family_.each_page([](Page& page) {
      if (page % 2 != 0) page = LruFamily::kNoPage;
    });
    for (PlainTlb& tlb : plain_)
      for (Page page = 1; page < kMostPages; page += 2)
        tlb.flush(page);
  }
  void expect_same(const std::string& what) const {
    const LruMisses misses = family_.misses();
    for (size_t i = 0; i < plain_.size(); ++i) {
      const auto& [log2, ways] = geometries()[i];
      ASSERT_EQ(misses.of(log2, ways), plain_[i].misses())
          << what << ": " << (1U << log2) << " sets of " << ways;
    }
  }
  LruFamily& family() { return family_; }

 private:
  LruFamily family_;
  std::vector<PlainTlb> plain_;
};

TEST(LruFamily, ByHand) {
  LruFamily family;
  for (const Page page : {0U, 1U, 0U, 2U, 1U, 0U})
    family.access({&page, 1});
  // One set: places -, -, 1, -, 2, 2.
  EXPECT_EQ(family.misses().of(0, 1), 6U);
  EXPECT_EQ(family.misses().of(0, 2), 5U);
  EXPECT_EQ(family.misses().of(0, 3), 3U);
  // Two sets: 0 and 2 share one (-, 0, -, 1), 1 has its own (-, 0).
  EXPECT_EQ(family.misses().of(1, 1), 4U);
  EXPECT_EQ(family.misses().of(1, 2), 3U);
  // Four sets: each its own.
  EXPECT_EQ(family.misses().of(2, 1), 3U);
}

TEST(LruFamily, AFlushedPageLeavesAnEmptyWay) {
  LruFamily family;
  const auto access = [&](Page page) { family.access({&page, 1}); };
  for (const Page page : {1U, 2U, 3U})
    access(page);
  family.flush(3);  // places: hole, 2, 1
  access(1);        // hits with three ways; with two, 1 takes the empty one
  access(2);        // hits with two: it was not pushed out
  EXPECT_EQ(family.misses().of(0, 1), 5U);
  EXPECT_EQ(family.misses().of(0, 2), 4U);
  EXPECT_EQ(family.misses().of(0, 3), 3U);
}

TEST(LruFamily, RandomUsesAndFlushes) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    Random random(seed);
    Both both;
    const uint64_t pages = seed % 2 == 0 ? kMostPages : 100;
    for (unsigned i = 0; i < 5000; ++i) {
      const auto page = static_cast<Page>(random.below(1 + random.below(pages)));
      switch (random.below(40)) {
        case 0:
          both.each([&](auto& tlb) { tlb.flush(page); });
          break;
        case 1:
          both.each([&](auto& tlb) { tlb.use(page); });
          break;
        case 2:
          both.each([&](auto& tlb) { tlb.count(page); });
          break;
        case 3:
          if (random.below(30) == 0) both.flush_odd();
          break;
        default:
          both.each([&](auto& tlb) { tlb.access({&page, 1}); });
      }
    }
    both.expect_same("seed " + std::to_string(seed));
  }
}

// Look-ups of a few pages, most of them recent, in which it changes which pages these are, some of
// them more than are kept apart; with flushes that leave holes below and between them.
TEST(LruFamily, RecentPages) {
  constexpr uint64_t kNear[] = {4, 50, 130};
  for (uint64_t seed = 11; seed <= 16; ++seed) {
    Random random(seed);
    Both both;
    uint64_t around = 0;
    for (unsigned i = 0; i < 8000; ++i) {
      if (random.below(200) == 0) around = random.below(kMostPages - 130);
      const uint64_t near = around + random.below(1 + random.below(kNear[random.below(3)]));
      const auto page = static_cast<Page>(random.below(30) == 0 ? random.below(kMostPages) : near);
      if (const uint64_t what = random.below(300); what == 0)
        both.each([&](auto& tlb) { tlb.flush(page); });
      else if (what == 1)
        both.each([&](auto& tlb) { tlb.count(page); });
      else if (what < 8)
        both.each([&](auto& tlb) { tlb.use(page); });
      else
        both.each([&](auto& tlb) { tlb.access({&page, 1}); });
    }
    both.expect_same("seed " + std::to_string(seed));
  }
}

// Pages that get other numbers on the way are the same pages.
TEST(LruFamily, OtherNumbers) {
  Random random(17);
  LruFamily kept;
  LruFamily renamed;
  Page name = 0;
  for (unsigned i = 0; i < 6000; ++i) {
    const auto page = static_cast<Page>(random.below(1 + random.below(300)));
    const Page other = page ^ name;
    switch (random.below(50)) {
      case 0:
        kept.flush(page);
        renamed.flush(other);
        break;
      case 1:
        if (random.below(5) != 0) break;
        renamed.each_page([](Page& known) { known ^= Page{1} << 20; });
        name ^= Page{1} << 20;
        break;
      default:
        kept.access({&page, 1});
        renamed.access({&other, 1});
    }
  }
  const LruMisses misses = renamed.misses();
  const LruMisses expected = kept.misses();
  for (unsigned log2 = 0; log2 < LruFamily::kSetCounts; ++log2)
    for (unsigned ways = 1; ways <= LruFamily::kMostWays; ++ways)
      ASSERT_EQ(misses.of(log2, ways), expected.of(log2, ways));
}

}  // namespace lru_family_test
}  // namespace mmusim::tlb
