// Sets of pages by name.
#include "sim/page_set.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

#include "base/error.h"

namespace mmusim::sim {
namespace page_set_test {

constexpr VirtAddr kEnd{uint64_t{1} << 47};
constexpr PageShift kPage{12};
constexpr uint64_t kBase = uint64_t{1} << 44;

std::vector<VirtAddr> addresses(const char* text, uint64_t seed = 1) {
  return addresses_of(parse_page_set(text, seed), kPage, kEnd);
}

TEST(PageSet, KnownByItsFirstWord) {
  EXPECT_TRUE(is_page_set("dense:1G"));
  EXPECT_TRUE(is_page_set("objects:47:3:2"));
  EXPECT_FALSE(is_page_set("dense"));
  EXPECT_FALSE(is_page_set("dense.mmt"));
  EXPECT_FALSE(is_page_set("traces/dense:1"));
}

TEST(PageSet, DenseAndStrided) {
  EXPECT_EQ(addresses("dense:12K"),
            (std::vector{VirtAddr(kBase), VirtAddr(kBase + 0x1000), VirtAddr(kBase + 0x2000)}));
  EXPECT_EQ(addresses("stride:2M:2"), (std::vector{VirtAddr(kBase), VirtAddr(kBase + 0x200000)}));
  EXPECT_EQ(addresses_of(parse_page_set("dense:4K", 1), kPage, VirtAddr(uint64_t{1} << 32)),
            std::vector{VirtAddr(uint64_t{1} << 26)});
}

TEST(PageSet, ShuffledIsAPermutationOfDense) {
  auto shuffled = addresses("dense:1M:shuffled");
  const auto dense = addresses("dense:1M");
  EXPECT_NE(shuffled, dense);
  EXPECT_NE(shuffled, addresses("dense:1M:shuffled", 2));
  std::sort(shuffled.begin(), shuffled.end());
  EXPECT_EQ(shuffled, dense);
}

TEST(PageSet, RandomPagesAreDifferentAndInBounds) {
  const auto pages = addresses("random:40:1000");
  EXPECT_EQ(pages.size(), 1000u);
  EXPECT_EQ(std::set<VirtAddr>(pages.begin(), pages.end()).size(), 1000u);
  for (const VirtAddr va : pages) {
    EXPECT_EQ(va.value() % 4096, 0u);
    EXPECT_LT(va.value(), uint64_t{1} << 40);
  }
  EXPECT_EQ(pages, addresses("random:40:1000"));
  // All there are.
  EXPECT_EQ(addresses("random:16:16").size(), 16u);
}

TEST(PageSet, ObjectsAreWhole) {
  const auto pages = addresses("objects:47:50:16");
  ASSERT_EQ(pages.size(), 800u);
  for (size_t i = 0; i < pages.size(); ++i)
    EXPECT_EQ(pages[i], pages[i / 16 * 16] + i % 16 * 4096);
}

TEST(PageSet, WrongOnesSaySo) {
  for (const char* text :
       {"dense:", "dense:x", "dense:0", "dense:1M:sorted", "dense:1M:shuffled:2", "dense:9999999T",
        "stride:4K", "stride:0:4", "random:48", "random:99:5", "random:40:0", "objects:40:5",
        "objects:40:99999999:9999999", "sparse:1"})
    EXPECT_THROW(static_cast<void>(parse_page_set(text, 1)), UsageError) << text;
  for (const char* text : {"stride:4097:3", "stride:64T:10", "random:16:17", "random:12:1",
                           "random:50:1000", "dense:127T", "objects:20:100:16"})
    EXPECT_THROW(static_cast<void>(addresses(text)), UsageError) << text;
}

}  // namespace page_set_test
}  // namespace mmusim::sim
