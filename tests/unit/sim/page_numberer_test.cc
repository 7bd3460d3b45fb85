// Numbers of pages: a number is one page's, its first reference is told, and so is the first that
// crosses from it.
#include "sim/page_numberer.h"

#include <gtest/gtest.h>
#include <vector>

#include "base/random.h"

namespace mmusim::sim {
namespace {

using trace::PageRef;

// References to `pages` pages in some order, as a run of blocks has them.
std::vector<PageRef> some_refs(Random& random, size_t count, uint64_t pages) {
  std::vector<PageRef> refs;
  for (size_t i = 0; i < count; ++i) {
    const auto kind = static_cast<AccessKind>(random.below(4));
    refs.emplace_back(VirtAddr(random.below(pages) << 12), kind, random.below(50) == 0);
  }
  return refs;
}

TEST(PageNumberer, ANumberIsOnePagesAndItsFirstReferenceIsTold) {
  Random random(7);
  PageNumberer numberer;
  NumberedPages out;
  std::vector<PageRef> firsts;  // by number
  size_t begins = 0;
  // Fewer pages than slots, and so many more that slots are lost and numbers begin anew.
  for (const uint64_t pages : {uint64_t{300}, uint64_t{100'000}}) {
    numberer.begin();
    for (int batch = 0; batch < 20; ++batch) {
      const std::vector<PageRef> refs = some_refs(random, 4000, pages);
      numberer.number(refs, out);
      ASSERT_TRUE(out.anew || batch != 0);
      if (out.anew) firsts.clear();
      begins += out.anew ? 1 : 0;
      const size_t known = firsts.size();
      firsts.insert(firsts.end(), out.firsts.begin(), out.firsts.end());
      ASSERT_EQ(out.numbers.size(), refs.size());
      size_t next = known;  // the number that is new next
      for (size_t i = 0; i < refs.size(); ++i) {
        const uint32_t number = out.numbers[i];
        ASSERT_LT(number, firsts.size());
        EXPECT_EQ(firsts[number].page(), refs[i].page());
        EXPECT_TRUE(!refs[i].crosses() || firsts[number].crosses());
        if (number != next) continue;
        EXPECT_EQ(firsts[next], refs[i]);
        ++next;
      }
      EXPECT_EQ(next, firsts.size());
    }
    // Each, and once more as it crosses.
    if (pages == 300) {
      EXPECT_LE(firsts.size(), 2 * 300u);
    }
  }
  EXPECT_GT(begins, 2u);
}

}  // namespace
}  // namespace mmusim::sim
