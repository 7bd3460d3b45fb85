// The caches against a naive model that keeps a time of last use per line, and by hand.
#include "mem/cache.h"

#include <array>
#include <gtest/gtest.h>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/random.h"

namespace mmusim::mem {
namespace {

using Geometry = std::array<CacheGeometry, kCacheLevels>;

// One level: a list of (line, time of last use); the set's oldest goes when the set is full.
class NaiveLevel {
 public:
  NaiveLevel(CacheGeometry geometry, uint64_t line)
      : ways_(geometry.ways), sets_(geometry.bytes / line / geometry.ways) {}
  bool touch(uint64_t line, uint64_t now) {
    size_t in_set = 0;
    std::optional<size_t> oldest;
    for (size_t i = 0; i < held_.size(); ++i) {
      if (held_[i].line == line) {
        held_[i].used = now;
        return true;
      }
      if (held_[i].line % sets_ != line % sets_) continue;
      ++in_set;
      if (!oldest || held_[i].used < held_[*oldest].used) oldest = i;
    }
    if (in_set == ways_)
      held_[*oldest] = {line, now};
    else
      held_.push_back({line, now});
    return false;
  }

 private:
  struct Held {
    uint64_t line;
    uint64_t used;
  };
  uint64_t ways_;
  uint64_t sets_;
  std::vector<Held> held_;
};

TEST(Cache, SameAsNaive) {
  const std::vector<Geometry> geometries = {
      {{{512, 2}, {2048, 4}, {8192, 8}}},
      {{{1024, 16}, {0, 1}, {4096, 1}}},
      {{{0, 1}, {1024, 4}, {0, 1}}},
      {{{192 * 4, 3}, {3840, 15}, {64, 1}}},
  };
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    for (size_t g = 0; g < geometries.size(); ++g) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " geometry " << g);
      CacheHierarchy caches(geometries[g], 64);
      std::vector<std::optional<NaiveLevel>> naive(kCacheLevels);
      for (unsigned i = 0; i < kCacheLevels; ++i)
        if (geometries[g][i].bytes != 0) naive[i].emplace(geometries[g][i], 64);
      Random random(seed);
      std::array<std::array<uint64_t, kCacheLevels + 1>, kOrigins> expected{};
      uint64_t address = 0;
      for (uint64_t now = 1; now <= 5000; ++now) {
        address = random.below(3) == 0 ? random.below(1 << 15) : (address + 8) % (1 << 15);
        const unsigned origin = static_cast<unsigned>(random.below(kOrigins));
        unsigned served = kCacheLevels;
        for (unsigned i = 0; i < kCacheLevels && served == kCacheLevels; ++i)
          if (naive[i] && naive[i]->touch(address / 64, now)) served = i;
        ++expected[origin][served];
        ASSERT_EQ(caches.look_up(PhysAddr(address), static_cast<Origin>(origin)), served)
            << "reference " << now;
      }
      for (unsigned origin = 0; origin < kOrigins; ++origin)
        for (unsigned i = 0; i <= kCacheLevels; ++i)
          EXPECT_EQ(caches.hits(static_cast<Origin>(origin), i), expected[origin][i]);
    }
  }
}

TEST(Cache, ByHand) {
  // L1: 2 lines in one set. L2: 4 lines in one set.
  CacheHierarchy caches({{{128, 2}, {256, 4}, {0, 1}}}, 64);
  const auto look = [&](uint64_t line) {
    return caches.look_up(PhysAddr(line * 64), Origin::Walker);
  };
  EXPECT_EQ(look(1), 3u);
  EXPECT_EQ(look(1), 0u);
  EXPECT_EQ(look(2), 3u);
  EXPECT_EQ(look(3), 3u);  // L1: 3 2; L2: 3 2 1
  EXPECT_EQ(look(1), 1u);  // L1: 1 3; L2: 1 3 2
  EXPECT_EQ(look(3), 0u);  // L2 not asked
  EXPECT_EQ(look(4), 3u);  // L1: 4 3; L2: 4 1 3 2
  EXPECT_EQ(look(5), 3u);  // L1: 5 4; L2: 5 4 1 3, and 2 has gone
  EXPECT_EQ(look(3), 1u);
  EXPECT_EQ(look(2), 3u);
}

TEST(Cache, ImpossibleGeometries) {
  const auto make = [](Geometry geometry, uint64_t line) { CacheHierarchy caches(geometry, line); };
  EXPECT_THROW(make({{{0, 1}, {0, 1}, {0, 1}}}, 64), UsageError);
  EXPECT_THROW(make({{{1024, 0}, {0, 1}, {0, 1}}}, 64), UsageError);
  EXPECT_THROW(make({{{1024, 3}, {0, 1}, {0, 1}}}, 64), UsageError);
  EXPECT_THROW(make({{{1000, 1}, {0, 1}, {0, 1}}}, 64), UsageError);
  EXPECT_THROW(make({{{192, 1}, {0, 1}, {0, 1}}}, 64), UsageError);  // three sets
  EXPECT_THROW(make({{{1024, 2}, {0, 1}, {0, 1}}}, 48), UsageError);
  EXPECT_THROW(make({{{32, 1}, {0, 1}, {0, 1}}}, 64), UsageError);
  EXPECT_NO_THROW(make({{{192, 3}, {0, 1}, {0, 1}}}, 64));
}

}  // namespace
}  // namespace mmusim::mem
