// Numbers of references: each is one reference's, and who takes a row of them by segments has each
// of a segment's once, in the order of their last uses.
#include "sim/ref_numberer.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

#include "base/random.h"
#include "sim/segments.h"

namespace mmusim::sim {
namespace {

using trace::PageRef;

// References to `pages` pages in some order, as a run of blocks has them.
std::vector<PageRef> some_refs(Random& random, size_t count, uint64_t pages) {
  std::vector<PageRef> refs;
  for (size_t i = 0; i < count; ++i) {
    const auto kind = static_cast<AccessKind>(random.below(4));
    refs.emplace_back(VirtAddr(random.below(pages) << 12), kind, random.below(500) == 0);
  }
  return refs;
}

// The different ones of a segment, the one used last first.
std::vector<PageRef> latest(const std::vector<PageRef>& refs, size_t begin) {
  const size_t end = std::min(begin + Segments::kRefs, refs.size());
  std::vector<PageRef> last;
  for (size_t i = end; i-- > begin;) {
    if (std::find(last.begin(), last.end(), refs[i]) == last.end()) last.push_back(refs[i]);
  }
  return last;
}

TEST(RefNumberer, ANumberIsOneReferences) {
  Random random(7);
  RefNumberer numberer;
  std::vector<uint32_t> numbers;
  // Fewer than slots, and so many more that slots are lost and numbers begin anew.
  for (const uint64_t pages : {uint64_t{300}, uint64_t{100'000}}) {
    const uint64_t serial = numberer.serial();
    numberer.begin();
    EXPECT_NE(numberer.serial(), serial);
    EXPECT_TRUE(numberer.refs().empty());
    for (int batch = 0; batch < 20; ++batch) {
      if (numberer.is_full()) numberer.begin();
      const std::vector<PageRef> refs = some_refs(random, 4000, pages);
      size_t next = numberer.refs().size();  // the number that is new next
      numberer.number(refs, numbers);
      ASSERT_EQ(numbers.size(), refs.size());
      for (size_t i = 0; i < refs.size(); ++i) {
        ASSERT_LE(numbers[i], next);
        EXPECT_EQ(numberer.refs()[numbers[i]], refs[i]);
        next = std::max<size_t>(next, numbers[i] + size_t{1});
      }
      EXPECT_EQ(next, numberer.refs().size());
    }
  }
}

TEST(Segments, HaveEachReferenceOnceInTheOrderOfTheLastUses) {
  Random random(8);
  RefNumberer numberer;
  SegmentMaker maker;
  Segments segments;
  std::vector<uint32_t> numbers;
  for (const size_t count : {size_t{0}, size_t{1}, Segments::kRefs, size_t{1000}}) {
    numberer.begin();
    const std::vector<PageRef> refs = some_refs(random, count, 40);
    numberer.number(refs, numbers);
    maker.make(numbers, numberer.refs().size(), segments);
    for (size_t begin = 0; begin < count; begin += Segments::kRefs) {
      std::vector<PageRef> found;
      for (const uint32_t number : segments.of(begin / Segments::kRefs))
        found.push_back(numberer.refs()[number]);
      EXPECT_EQ(found, latest(refs, begin));
    }
  }
}

}  // namespace
}  // namespace mmusim::sim
