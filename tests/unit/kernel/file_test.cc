// Files: which pages are in memory, and in which folios.
#include "kernel/file.h"

#include <gtest/gtest.h>
#include <set>
#include <vector>

#include "base/random.h"

namespace mmusim::kernel {
namespace file_test {

// Against one entry per page.
TEST(PageSpans, LikeASet) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Random random(seed);
    PageSpans spans;
    std::set<uint64_t> pages;
    for (int step = 0; step < 60; ++step) {
      const uint64_t first = random.below(80);
      const uint64_t end = first + random.below(12);
      if (random.below(10) == 0) {
        spans.cut(first);
        pages.erase(pages.lower_bound(first), pages.end());
      } else {
        spans.add({first, end});
        for (uint64_t i = first; i < end; ++i)
          pages.insert(i);
      }
      for (uint64_t i = 0; i < 100; ++i)
        ASSERT_EQ(spans.contains(i), pages.contains(i)) << seed << " " << step << " " << i;
      ASSERT_EQ(spans.empty(), pages.empty());
    }
  }
}

std::vector<uint64_t> folios_of(const File& file, uint64_t first, uint64_t end) {
  std::vector<uint64_t> starts;
  for (uint64_t i = first; i < end; i = file.folio_of(i).end)
    starts.push_back(file.folio_of(i).first);
  return starts;
}

TEST(Folios, AsWritten) {
  File file;
  file.filled = UINT64_MAX;
  file.order_pages = 256;
  file.pages = 700;
  EXPECT_EQ(folios_of(file, 0, 700), (std::vector<uint64_t>{0, 256, 512, 640, 672, 688, 696}));
  EXPECT_EQ(file.folio_of(699).end, 700u);
  file.pages = 5;
  EXPECT_EQ(folios_of(file, 0, 5), (std::vector<uint64_t>{0, 4}));
  file.order_pages = 1;
  EXPECT_EQ(folios_of(file, 0, 5), (std::vector<uint64_t>{0, 1, 2, 3, 4}));
}

// By halves, down to the page: the others stay as large as they can.
TEST(Folios, Split) {
  File file;
  file.filled = UINT64_MAX;
  file.order_pages = 16;
  file.pages = 32;
  file.split(file.folio_of(20), 21);
  EXPECT_EQ(folios_of(file, 0, 32), (std::vector<uint64_t>{0, 16, 20, 21, 22, 24}));
  file.split(file.folio_of(3), 0);
  EXPECT_EQ(folios_of(file, 0, 16), (std::vector<uint64_t>{0, 1, 2, 4, 8}));
}

}  // namespace file_test
}  // namespace mmusim::kernel
