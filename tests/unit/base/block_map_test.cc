#include "base/block_map.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <utility>
#include <vector>

#include "base/random.h"

namespace mmusim {
namespace block_map_test {

using Model = std::map<uint64_t, uint64_t>;
using Pairs = std::vector<std::pair<uint64_t, uint64_t>>;

Pairs between(const Model& model, uint64_t first, uint64_t last) {
  Pairs found;
  for (const auto& [number, value] : model)
    if (number >= first && number <= last) found.emplace_back(number, value);
  return found;
}
Pairs between(const BlockMap<uint64_t, 0>& map, uint64_t first, uint64_t last) {
  Pairs found;
  map.for_each(first, last,
               [&found](uint64_t number, uint64_t value) { found.emplace_back(number, value); });
  return found;
}

// Against a map. Numbers are of few stretches, so that these become empty and are made anew, of the
// last numbers there are, or of many far apart, which are more than the table has places for at
// first.
TEST(BlockMap, IsWhatAMapWouldBe) {
  BlockMap<uint64_t, 0> map;
  Model model;
  Random random(1);
  const auto some = [&random]() -> uint64_t {
    switch (random.below(4)) {
      case 0:
        return random.below(4) * 510 + random.below(5);
      case 1:
        return ~random.below(4) - random.below(2) * 512;
      case 2:
        return random.below(300) << 40 | random.below(2) * 511;
      default:
        return (uint64_t{1} << 51) + random.below(200) * 512;
    }
  };
  for (int step = 0; step < 20'000; ++step) {
    const uint64_t number = some();
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2:
        model[number] = 1 + random.below(9);
        map.set(number, model[number]);
        break;
      case 3:
      case 4:
      case 5:
        model.erase(number);
        map.erase(number);
        break;
      case 6:
        if (random.below(2000) != 0) break;
        model.clear();
        map.clear();
        break;
      default: {
        if (step % 16 != 0) break;
        const uint64_t other = some();
        ASSERT_EQ(between(map, number, other), between(model, number, other));
      }
    }
    const auto known = model.find(number);
    ASSERT_EQ(map.find(number), known == model.end() ? 0 : known->second);
    ASSERT_EQ(map.empty(), model.empty());
  }
  EXPECT_GT(model.size(), 100U);
  EXPECT_EQ(between(map, 0, ~uint64_t{0}), between(model, 0, ~uint64_t{0}));
}

TEST(BlockMap, AsksUpToTheFirstThatIsNot) {
  BlockMap<char, '-'> map;
  for (const uint64_t number : {uint64_t{7}, uint64_t{511}, uint64_t{512}, uint64_t{1} << 60})
    map.set(number, static_cast<char>('a' + number % 10));
  std::vector<uint64_t> asked;
  const auto below = [&asked](uint64_t most) {
    return [&asked, most](uint64_t number, char /*value*/) {
      asked.push_back(number);
      return number < most;
    };
  };
  EXPECT_FALSE(map.all_of(0, ~uint64_t{0}, below(500)));
  EXPECT_EQ(asked, (std::vector<uint64_t>{7, 511}));
  asked.clear();
  EXPECT_TRUE(map.all_of(8, 512, below(600)));
  EXPECT_EQ(asked, (std::vector<uint64_t>{511, 512}));
  EXPECT_TRUE(map.all_of(513, 5, below(0)));
}

}  // namespace block_map_test
}  // namespace mmusim
