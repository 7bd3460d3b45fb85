// Pages as numbers: apart, with the low bits of their own, and found again; when they run out,
// those in use get others.
#include "sim/curve/page_numbers.h"

#include <cstdint>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/random.h"

namespace mmusim::sim {
namespace page_numbers_test {

using Number = PageNumbers::Number;
constexpr PageShift kPage{12};
constexpr uint64_t kRegion = (uint64_t{1} << PageNumbers::kLog2Region) * kPage.bytes();

TEST(PageNumbers, TellPagesApartAndSayWhoseTheyAre) {
  PageNumbers numbers(kPage);
  Random random(1);
  std::map<std::pair<uint64_t, uint64_t>, Number> given;
  std::set<Number> all;
  for (unsigned i = 0; i < 3000; ++i) {
    const MmId mm(random.below(3));
    const uint64_t page =
        random.below(4) * (kRegion << random.below(30)) / kPage.bytes() + random.below(5000);
    const VirtAddr va(page * kPage.bytes());
    const Number number = numbers.of(mm, va + random.below(kPage.bytes()));
    const auto [place, fresh] = given.try_emplace({mm.value(), page}, number);
    ASSERT_EQ(place->second, number);
    ASSERT_EQ(all.insert(number).second, fresh);
    ASSERT_EQ(number % 4096, page % 4096);
    ASSERT_EQ(numbers.space_of(number), mm);
    ASSERT_EQ(numbers.base_of(number), va);
    ASSERT_EQ(numbers.find(mm, va), number);
  }
  EXPECT_EQ(numbers.find(MmId(9), VirtAddr(0)), std::nullopt);
}

TEST(PageNumbers, ThoseInUseGetOthersWhenTheyRunOut) {
  PageNumbers numbers(kPage, 8);
  std::vector<std::pair<VirtAddr, Number>> used;
  for (uint64_t i = 0; i < 100; ++i) {
    if (numbers.room() == 0) {
      used.erase(used.begin(), used.begin() + 5);  // what is used no longer
      numbers.keep([&](auto action) {
        for (auto& [va, number] : used)
          action(number);
      });
      ASSERT_EQ(numbers.room(), 5u);
    }
    const VirtAddr va(i * kRegion + i * kPage.bytes());
    used.emplace_back(va, numbers.of(MmId(1), va));
    for (const auto& [at, number] : used) {
      ASSERT_EQ(numbers.of(MmId(1), at), number);
      ASSERT_EQ(numbers.base_of(number), at);
    }
  }
}

}  // namespace page_numbers_test
}  // namespace mmusim::sim
