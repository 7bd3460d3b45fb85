// VmaSet against the dumbest model there is: one record per page.
#include "kernel/vma.h"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <optional>
#include <utility>

#include "base/random.h"

namespace mmusim::kernel {
namespace vma_test {

constexpr PageShift k4K{12};
constexpr uint64_t kPages = 64;

VirtAddr at(uint64_t page) {
  return VirtAddr(page << 12);
}

Vma area(uint64_t from, uint64_t to, uint32_t flags, uint32_t file = 0, uint64_t pgoff = 0) {
  Vma vma;
  vma.start = at(from);
  vma.end = at(to);
  vma.flags = flags;
  vma.file = FileId(file);
  vma.pgoff = file == 0 ? from : pgoff;
  return vma;
}

TEST(VmaSet, MergesOnlyWhatIsAlikeAndContinuous) {
  struct Case {
    const char* what;
    Vma low, high;
    bool merges;
  };
  Vma anon1 = area(0, 4, kVmRead);
  anon1.anon = AnonVmaId(7);
  anon1.anon_chain = 1;
  Vma anon2 = area(4, 8, kVmRead);
  anon2.anon = AnonVmaId(8);
  anon2.anon_chain = 1;
  Vma same = anon2;
  same.anon = anon1.anon;
  Vma inherited = anon1;
  inherited.anon_chain = 2;
  const Case cases[] = {
      {"equal", area(0, 4, kVmRead), area(4, 8, kVmRead), true},
      {"other rights", area(0, 4, kVmRead), area(4, 8, kVmRead | kVmWrite), false},
      {"accounted and not", area(0, 4, kVmRead), area(4, 8, kVmRead | kVmAccount), false},
      {"a gap", area(0, 4, kVmRead), area(5, 8, kVmRead), false},
      {"file, continuous", area(0, 4, kVmRead, 1, 10), area(4, 8, kVmRead, 1, 14), true},
      {"file, other offset", area(0, 4, kVmRead, 1, 10), area(4, 8, kVmRead, 1, 15), false},
      {"other file", area(0, 4, kVmRead, 1, 10), area(4, 8, kVmRead, 2, 14), false},
      {"file and none", area(0, 4, kVmRead, 1, 0), area(4, 8, kVmRead), false},
      {"special", area(0, 4, kVmPfnMap, 1, 0), area(4, 8, kVmPfnMap, 1, 4), false},
      {"one touched", anon1, area(4, 8, kVmRead), true},
      {"other one touched", area(0, 4, kVmRead), anon2, true},
      {"same anon_vma", anon1, same, true},
      {"two anon_vmas", anon1, anon2, false},
      {"inherited and untouched", inherited, area(4, 8, kVmRead), false},
  };
  for (const Case& c : cases) {
    VmaSet set(k4K);
    set.insert(c.low);
    const Vma& became = set.insert_and_merge(c.high);
    EXPECT_EQ(set.size(), c.merges ? 1u : 2u) << c.what;
    EXPECT_EQ(became.end, c.high.end) << c.what;
    if (c.merges && (c.low.anon != AnonVmaId(0) || c.high.anon != AnonVmaId(0))) {
      EXPECT_NE(became.anon, AnonVmaId(0)) << c.what;
    }
  }
}

TEST(VmaSet, ThreeBecomeOne) {
  VmaSet set(k4K);
  set.insert(area(0, 4, kVmRead));
  set.insert(area(8, 12, kVmRead));
  set.insert_and_merge(area(4, 8, kVmRead));
  ASSERT_EQ(set.size(), 1u);
  EXPECT_EQ(set.find(at(5))->range(), (VirtRange{at(0), at(12)}));
}

// What lies between two areas whose private pages have different histories joins one of them only.
TEST(VmaSet, TheMiddleJoinsOneSideWhenTheSidesDisagree) {
  VmaSet set(k4K);
  Vma low = area(0, 4, kVmRead);
  low.anon = AnonVmaId(1);
  low.anon_chain = 1;
  Vma high = area(8, 12, kVmRead);
  high.anon = AnonVmaId(2);
  high.anon_chain = 1;
  set.insert(low);
  set.insert(high);
  set.insert_and_merge(area(4, 8, kVmRead));
  ASSERT_EQ(set.size(), 2u);
  EXPECT_EQ(set.find(at(5))->range(), (VirtRange{at(0), at(8)}));
}

TEST(VmaSet, SplitAdvancesTheFileOffset) {
  VmaSet set(k4K);
  set.insert(area(10, 20, kVmRead, 3, 100));
  EXPECT_FALSE(set.split(at(10)));
  EXPECT_FALSE(set.split(at(20)));
  EXPECT_FALSE(set.split(at(5)));
  ASSERT_TRUE(set.split(at(13)));
  EXPECT_EQ(set.find(at(13))->pgoff, 103u);
  EXPECT_EQ(set.find(at(12))->range(), (VirtRange{at(10), at(13)}));
  EXPECT_TRUE(set.merge(at(13)));
  EXPECT_EQ(set.size(), 1u);
}

// An area that was erased by a copy of it, or swallowed by a merge, must not be found again.
TEST(VmaSet, LookupForgetsWhatIsGone) {
  VmaSet set(k4K);
  set.insert(area(0, 4, kVmRead));
  ASSERT_NE(set.find(at(1)), nullptr);
  const Vma copy = *set.find(at(1));
  set.erase(copy.start);
  EXPECT_EQ(set.find(at(1)), nullptr);
  set.insert(area(0, 4, kVmRead));
  set.insert(area(4, 8, kVmRead));
  ASSERT_NE(set.find(at(5)), nullptr);
  set.merge(at(4));
  EXPECT_EQ(set.find(at(5))->start, at(0));
}

TEST(VmaSet, AStackGrowsKeepingItsOffsets) {
  VmaSet set(k4K);
  Vma& stack = set.insert(area(40, 50, kVmRead | kVmGrowsDown));
  Vma& grown = set.set_start(stack, at(35));
  EXPECT_EQ(grown.range(), (VirtRange{at(35), at(50)}));
  EXPECT_EQ(grown.pgoff, 35u);
  EXPECT_EQ(set.find(at(36)), &grown);
}

struct Page {
  uint32_t flags;
  uint32_t file;
  uint64_t pgoff;
  bool operator==(const Page&) const = default;
};
using Oracle = std::array<std::optional<Page>, kPages + 1>;  // the last one stays empty

void compare(VmaSet& set, const Oracle& oracle) {
  size_t areas = 0;
  for (uint64_t p = 0; p < kPages; ++p) {
    const Vma* vma = set.find(at(p));
    ASSERT_EQ(vma != nullptr, oracle[p].has_value()) << "page " << p;
    if (vma == nullptr) continue;
    const Page here{vma->flags, vma->file.value(), vma->pgoff + p - (vma->start.value() >> 12)};
    ASSERT_EQ(here, *oracle[p]) << "page " << p;
    Page continued = *oracle[p];
    ++continued.pgoff;
    if (oracle[p + 1] != continued) ++areas;
  }
  ASSERT_EQ(set.size(), areas) << "areas that could be one stand apart";
}

// The highest place, or the lowest, found by trying all.
std::optional<VirtAddr> gap(const Oracle& oracle, uint64_t pages, uint64_t low, uint64_t high,
                            bool highest) {
  std::optional<VirtAddr> found;
  for (uint64_t start = low; start + pages <= high; ++start) {
    bool free = true;
    for (uint64_t p = start; p < start + pages; ++p)
      free = free && !oracle[p];
    if (free && (highest || !found)) found = at(start);
  }
  return found;
}

TEST(VmaSet, RandomEditsMatchAPagewiseModel) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    VmaSet set(k4K);
    Oracle oracle;
    for (int step = 0; step < 400; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      const uint64_t from = random.below(kPages);
      const uint64_t to = from + 1 + random.below(kPages - from);
      const auto flags = static_cast<uint32_t>(1 + random.below(3));
      const auto clear = [&] {
        set.split(at(from));
        set.split(at(to));
        while (const Vma* vma = set.find_from(at(from))) {
          if (vma->start >= at(to)) break;
          set.erase(vma->start);
        }
        for (uint64_t p = from; p < to; ++p)
          oracle[p].reset();
      };
      switch (random.below(4)) {
        case 0:
          clear();
          break;
        case 1: {
          clear();
          const auto file = static_cast<uint32_t>(random.below(3));
          const uint64_t pgoff = file == 0 ? from : from + random.below(2) * 5;
          set.insert_and_merge(area(from, to, flags, file, pgoff));
          for (uint64_t p = from; p < to; ++p)
            oracle[p] = Page{flags, file, pgoff + p - from};
          break;
        }
        case 2:
          set.split(at(from));
          set.split(at(to));
          set.for_each([&](Vma& vma) {
            if (vma.start >= at(from) && vma.end <= at(to)) vma.flags = flags;
          });
          set.merge_around({at(from), at(to)});
          for (uint64_t p = from; p < to; ++p) {
            if (oracle[p]) oracle[p]->flags = flags;
          }
          break;
        default: {
          const uint64_t pages = 1 + random.below(to - from);
          ASSERT_EQ(set.highest_gap(pages << 12, at(from), at(to), 0),
                    gap(oracle, pages, from, to, true));
          ASSERT_EQ(set.lowest_gap(pages << 12, at(from), at(to), 0),
                    gap(oracle, pages, from, to, false));
          bool covered = true, touched = false;
          for (uint64_t p = from; p < to; ++p) {
            covered = covered && oracle[p];
            touched = touched || oracle[p];
          }
          ASSERT_EQ(set.covers({at(from), at(to)}), covered);
          ASSERT_EQ(set.overlaps({at(from), at(to)}), touched);
        }
      }
      ASSERT_NO_FATAL_FAILURE(compare(set, oracle));
    }
  }
}

// The highest or lowest place for so many pages that is free of areas, tried page by page.
std::optional<VirtAddr> place(const VmaSet& set, uint64_t pages, uint64_t low, uint64_t high,
                              bool up) {
  for (uint64_t i = low; i + pages <= high; ++i) {
    const uint64_t first = up ? i : high - pages - (i - low);
    const Vma* const there = set.find_from(at(first));
    if (there == nullptr || there->start >= at(first + pages)) return at(first);
  }
  return std::nullopt;
}

// More areas than are gone through one by one, with gaps of few sizes between them, which come, go,
// grow and are divided.
TEST(VmaSet, FindsRoomAmongManyAreas) {
  constexpr uint64_t kLow = 5;
  constexpr uint64_t kHigh = 1000;
  Random random(11);
  VmaSet set(k4K);
  unsigned found = 0;
  for (int step = 0; step < 4000; ++step) {
    const uint64_t page = random.below(kHigh + 20);
    const Vma* const there = std::as_const(set).find(at(page));
    switch (random.below(6)) {
      case 0:
        if (there != nullptr) set.erase(there->start);
        break;
      case 1:
        set.split(at(page));
        break;
      case 2:
        if (there != nullptr) set.set_start(*set.find(at(page)), at(page));
        break;
      case 3: {
        Vma* const before = set.find_before(at(page));
        if (before != nullptr && before->end < at(page) && !set.overlaps({before->end, at(page)}) &&
            page - (before->end.value() >> 12) < 5)
          set.set_end(*before, at(page));
        break;
      }
      default: {
        const Vma made = area(page, page + 1 + random.below(4), kVmRead, 0);
        if (!set.overlaps(made.range())) set.insert_and_merge(made);
      }
    }
    if (step % 4 != 0) continue;
    const uint64_t pages = 1 + random.below(12);
    const auto highest = set.highest_gap(pages << 12, at(kLow), at(kHigh), 0);
    ASSERT_EQ(highest, place(set, pages, kLow, kHigh, /*up=*/false)) << step << ' ' << pages;
    ASSERT_EQ(set.lowest_gap(pages << 12, at(kLow), at(kHigh), 0),
              place(set, pages, kLow, kHigh, /*up=*/true))
        << step << ' ' << pages;
    found += highest.has_value() ? 1 : 0;
  }
  EXPECT_GT(set.size(), 100u);
  EXPECT_GT(found, 500u);
}

}  // namespace vma_test
}  // namespace mmusim::kernel
