// The caches against a naive model that keeps a time of last use per line, and by hand.
#include "mem/cache.h"

#include <array>
#include <gtest/gtest.h>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/random.h"

namespace mmusim::mem {
namespace cache_test {

// By Place: L1, L1I, L2, L3.
using Geometry = std::array<CacheGeometry, kCaches>;

Touch by(Origin origin, bool fetch = false) {
  return {.origin = origin, .level = 0, .dependent = false, .fetch = fetch};
}

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
      {{{512, 2, 64}, {256, 1, 64}, {2048, 4, 64}, {8192, 8, 64}}},
      {{{1024, 16, 32}, {512, 2, 32}, {0, 1, 64}, {4096, 1, 64}}},
      {{{0, 1, 64}, {0, 1, 64}, {1024, 4, 64}, {0, 1, 64}}},
      {{{192 * 4, 3, 64}, {128, 1, 128}, {3840, 15, 128}, {256, 1, 256}}},
  };
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    for (size_t g = 0; g < geometries.size(); ++g) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " geometry " << g);
      const Place walker = static_cast<Place>(seed % 3 == 0 ? 0 : 1 + seed % 3);  // L1, L2, L3
      CacheHierarchy caches({geometries[g], walker});
      std::vector<std::optional<NaiveLevel>> naive(kCaches);
      for (unsigned i = 0; i < kCaches; ++i)
        if (geometries[g][i].bytes != 0) naive[i].emplace(geometries[g][i], geometries[g][i].line);
      Random random(seed);
      std::array<std::array<uint64_t, kPlaces>, kOrigins> expected{};
      uint64_t address = 0;
      for (uint64_t now = 1; now <= 5000; ++now) {
        address = random.below(3) == 0 ? random.below(1 << 12) * 8 : (address + 8) % (1 << 15);
        const auto origin = static_cast<Origin>(random.below(kOrigins));
        const bool fetch = origin == Origin::HandlerCode || origin == Origin::FaultCode ||
                           (origin == Origin::User && random.below(2) == 0);
        const unsigned first = fetch                      ? 1u
                               : origin == Origin::Walker ? static_cast<unsigned>(walker)
                                                          : 0u;
        unsigned served = kCaches;
        for (unsigned i = first; i < kCaches && served == kCaches; ++i)
          if (!(i == 1 && !fetch) && naive[i] &&
              naive[i]->touch(address / geometries[g][i].line, now))
            served = i;
        ++expected[static_cast<unsigned>(origin)][served];
        ASSERT_EQ(caches.look_up(PhysAddr(address), 8, by(origin, fetch)),
                  static_cast<Place>(served))
            << "reference " << now;
      }
      for (unsigned origin = 0; origin < kOrigins; ++origin)
        for (unsigned i = 0; i < kPlaces; ++i)
          EXPECT_EQ(caches.hits(static_cast<Origin>(origin), static_cast<Place>(i)),
                    expected[origin][i]);
    }
  }
}

TEST(Cache, ByHand) {
  // L1: 2 lines in one set. L2: 4 lines in one set.
  CacheHierarchy caches({{{{128, 2, 64}, {0, 1, 64}, {256, 4, 64}, {0, 1, 64}}}, Place::L1});
  const auto look = [&](uint64_t line) {
    return caches.look_up(PhysAddr(line * 64), 8, by(Origin::Handler));
  };
  EXPECT_EQ(look(1), Place::Memory);
  EXPECT_EQ(look(1), Place::L1);
  EXPECT_EQ(look(2), Place::Memory);
  EXPECT_EQ(look(3), Place::Memory);  // L1: 3 2; L2: 3 2 1
  EXPECT_EQ(look(1), Place::L2);      // L1: 1 3; L2: 1 3 2
  EXPECT_EQ(look(3), Place::L1);      // L2 not asked
  EXPECT_EQ(look(4), Place::Memory);  // L1: 4 3; L2: 4 1 3 2
  EXPECT_EQ(look(5), Place::Memory);  // L1: 5 4; L2: 5 4 1 3, and 2 has gone
  EXPECT_EQ(look(3), Place::L2);
  EXPECT_EQ(look(2), Place::Memory);
}

// Fetches have an L1 of their own, and share what is behind it.
TEST(Cache, FetchesAndDataMeetBehindTheFirstLevel) {
  CacheHierarchy caches({{{{128, 2, 64}, {128, 2, 64}, {1024, 4, 64}, {0, 1, 64}}}, Place::L1});
  const Touch fetch = by(Origin::User, true);
  const Touch load = by(Origin::User);
  EXPECT_EQ(caches.look_up(PhysAddr(0), 4, fetch), Place::Memory);
  EXPECT_EQ(caches.look_up(PhysAddr(0), 4, fetch), Place::L1I);
  EXPECT_EQ(caches.look_up(PhysAddr(0), 4, load), Place::L2);
  EXPECT_EQ(caches.look_up(PhysAddr(0), 4, load), Place::L1);
  // Data that fills its L1 leaves the instructions where they are.
  for (uint64_t line = 1; line <= 4; ++line)
    EXPECT_EQ(caches.look_up(PhysAddr(line * 64), 4, load), Place::Memory);
  EXPECT_EQ(caches.look_up(PhysAddr(0), 4, fetch), Place::L1I);
  EXPECT_EQ(caches.hits(Origin::User, Place::L1I), 2u);
  EXPECT_EQ(caches.hits(Origin::User, Place::L1), 1u);
  EXPECT_EQ(caches.look_up(PhysAddr(0), 4, by(Origin::HandlerCode)), Place::L1I);
  EXPECT_EQ(caches.look_up(PhysAddr(0), 4, by(Origin::FaultCode)), Place::L1I);
}

// A walker that begins at L2 does not find, nor leave, anything in L1.
TEST(Cache, WalkersBeginWhereTheMachinesDo) {
  const Geometry geometry = {{{128, 2, 64}, {128, 2, 64}, {1024, 4, 64}, {4096, 4, 64}}};
  CacheHierarchy caches({geometry, Place::L2});
  EXPECT_EQ(caches.look_up(PhysAddr(0), 8, by(Origin::Kernel)), Place::Memory);
  EXPECT_EQ(caches.look_up(PhysAddr(0), 8, by(Origin::Kernel)), Place::L1);
  EXPECT_EQ(caches.look_up(PhysAddr(0), 8, by(Origin::Walker)), Place::L2);
  EXPECT_EQ(caches.look_up(PhysAddr(64), 8, by(Origin::Walker)), Place::Memory);
  EXPECT_EQ(caches.look_up(PhysAddr(64), 8, by(Origin::Kernel)), Place::L2);
  CacheHierarchy far({geometry, Place::L3});
  EXPECT_EQ(far.look_up(PhysAddr(0), 8, by(Origin::Kernel)), Place::Memory);
  EXPECT_EQ(far.look_up(PhysAddr(0), 8, by(Origin::Walker)), Place::L3);
}

// What lies in several lines is one reference, served by the slowest of them.
TEST(Cache, LinesMayBeShorterThanWhatIsTouched) {
  CacheHierarchy caches({{{{256, 1, 32}, {0, 1, 32}, {1024, 1, 64}, {0, 1, 64}}}, Place::L1});
  const Touch touch = by(Origin::Handler);
  EXPECT_EQ(caches.look_up(PhysAddr(32), 8, touch), Place::Memory);   // L2 has 0..63 too
  EXPECT_EQ(caches.look_up(PhysAddr(0), 64, touch), Place::L2);       // of 0..31
  EXPECT_EQ(caches.look_up(PhysAddr(0), 128, touch), Place::Memory);  // of 64..127
  EXPECT_EQ(caches.look_up(PhysAddr(0), 128, touch), Place::L1);
  EXPECT_EQ(caches.look_up(PhysAddr(28), 8, touch), Place::L1);  // across
  EXPECT_EQ(caches.hits(Origin::Handler, Place::Memory), 2u);
  EXPECT_EQ(caches.line_bytes(touch), 32u);
  EXPECT_EQ(caches.line_bytes(by(Origin::HandlerCode)), 64u);  // no instruction L1: L2's
}

TEST(Cache, ImpossibleGeometries) {
  const auto make = [](CacheGeometry l1, CacheGeometry l2 = {0, 1, 64}) {
    CacheHierarchy caches({{{l1, {0, 1, 64}, l2, {0, 1, 64}}}, Place::L1});
  };
  EXPECT_THROW(make({0, 1, 64}), UsageError);
  EXPECT_THROW(make({1024, 0, 64}), UsageError);
  EXPECT_THROW(make({1024, 3, 64}), UsageError);
  EXPECT_THROW(make({1000, 1, 64}), UsageError);
  EXPECT_THROW(make({192, 1, 64}), UsageError);  // three sets
  EXPECT_THROW(make({1024, 2, 48}), UsageError);
  EXPECT_THROW(make({1024, 2, 16}), UsageError);
  EXPECT_THROW(make({32, 1, 64}), UsageError);
  EXPECT_THROW(make({1024, 2, 64}, {2048, 2, 32}), UsageError);  // shorter lines behind
  EXPECT_NO_THROW(make({192, 3, 64}));
  EXPECT_NO_THROW(make({1024, 2, 32}, {2048, 2, 128}));
}

}  // namespace cache_test
}  // namespace mmusim::mem
