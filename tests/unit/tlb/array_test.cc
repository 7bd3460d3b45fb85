// Replacement, traced by hand.
#include "tlb/array.h"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/effort.h"

namespace mmusim::tlb {
namespace array_test {

using Array = TlbArray<uint64_t, char>;

Geometry geometry(uint32_t entries, uint32_t ways, Replacement replacement, uint64_t seed = 1) {
  Geometry g;
  g.entries = entries;
  g.ways = ways;
  g.replacement = replacement;
  g.seed = seed;
  return g;
}

// One set as a cache of letters: each letter is looked up, and filled on a miss. The result is
// one character per letter: '.' for a hit, else the way filled.
class OneSet {
 public:
  explicit OneSet(const Geometry& g, Uses uses = Uses::Stamped) : array_(g, uses) {}
  std::string run(const std::string& letters) {
    std::string result;
    for (const char letter : letters) {
      const uint32_t found = array_.find(0, tag(letter));
      if (found != Array::kNone) {
        array_.touch(found, ++time_);
        result += '.';
        continue;
      }
      const uint32_t way = array_.victim(0);
      array_.fill(0, way, tag(letter), ++time_) = letter;
      result += static_cast<char>(way < 10 ? '0' + way : 'a' + way - 10);
    }
    return result;
  }
  [[nodiscard]] bool is_settled(uint32_t way) const { return array_.is_settled(way); }
  void use(uint32_t way) { array_.touch(way, ++time_); }
  void remove(char letter) { array_.invalidate(array_.find(0, tag(letter))); }
  std::string contents() const {
    std::string all;
    for (uint32_t way = 0; way < array_.ways(); ++way)
      all += array_.valid(way) ? array_.payload(way) : '-';
    return all;
  }

 private:
  static uint64_t tag(char letter) { return static_cast<uint64_t>(letter); }
  Array array_;
  uint64_t time_ = 0;
};

// Whoever says what is used.
class TlbArrayUses : public testing::TestWithParam<Uses> {};
INSTANTIATE_TEST_SUITE_P(Both, TlbArrayUses, testing::Values(Uses::Told, Uses::Stamped));

TEST_P(TlbArrayUses, LeastRecentlyUsed) {
  OneSet set(geometry(4, 4, Replacement::Lru), GetParam());
  EXPECT_EQ(set.run("abcd"), "0123");
  EXPECT_EQ(set.run("ab"), "..");
  EXPECT_EQ(set.run("e"), "2");    // c is the oldest
  EXPECT_EQ(set.run("f"), "3");    // then d
  EXPECT_EQ(set.run("ag"), ".1");  // then b, a having been used
  EXPECT_EQ(set.contents(), "agef");
}

TEST_P(TlbArrayUses, FirstInFirstOutIgnoresUses) {
  OneSet set(geometry(3, 3, Replacement::Fifo), GetParam());
  EXPECT_EQ(set.run("abc"), "012");
  EXPECT_EQ(set.run("aaab"), "....");
  EXPECT_EQ(set.run("d"), "0");
  EXPECT_EQ(set.run("a"), "1");
  EXPECT_EQ(set.contents(), "dac");
}

// The pointers of a four-way tree, root / left pair / right pair, L or R; all L at first.
//   use of way 0: R R .   1: R L .   2: L . R   3: L . L
TEST(TlbArray, TreeOfFourWays) {
  OneSet set(geometry(4, 4, Replacement::Plru));
  EXPECT_EQ(set.run("abcd"), "0123");  // after d (way 3): L L L
  EXPECT_EQ(set.run("e"), "0");        // follows L L; then R R L
  EXPECT_EQ(set.run("f"), "2");        // R L; then L R R
  EXPECT_EQ(set.run("b"), ".");        // way 1: R L R
  EXPECT_EQ(set.run("g"), "3");        // R R; then L L L
  EXPECT_EQ(set.run("f"), ".");        // way 2: L L R
  EXPECT_EQ(set.run("h"), "0");        // L L; then R R R
  EXPECT_EQ(set.run("b"), ".");        // way 1: R L R
  EXPECT_EQ(set.run("i"), "3");        // R R; then L L L
  EXPECT_EQ(set.run("j"), "0");        // L L, though f in way 2 is used longest ago
  EXPECT_EQ(set.contents(), "jbfi");
}

// Three ways: the root divides {0,1} from {2}.
TEST(TlbArray, TreeOfThreeWays) {
  OneSet set(geometry(3, 3, Replacement::Plru));
  EXPECT_EQ(set.run("abc"), "012");  // after c: root L, pair L
  EXPECT_EQ(set.run("d"), "0");      // pair R, root R
  EXPECT_EQ(set.run("e"), "2");      // root L
  EXPECT_EQ(set.run("f"), "1");      // pair pointed R
  EXPECT_EQ(set.run("g"), "2");
}

// UltraSPARC's used bits, u where set.
TEST(TlbArray, UsedBitsAreClearedWhenAllAreSet) {
  OneSet set(geometry(4, 4, Replacement::Used));
  EXPECT_EQ(set.run("abcd"), "0123");  // uuuu
  EXPECT_EQ(set.run("e"), "0");        // all cleared; then u---
  EXPECT_EQ(set.run("c"), ".");        // u-u-
  EXPECT_EQ(set.run("f"), "1");        // uuu-
  EXPECT_EQ(set.run("f"), ".");
  EXPECT_EQ(set.run("g"), "3");  // uuuu, d gone, which was used before c
  EXPECT_EQ(set.run("g"), ".");  // nothing is cleared until a victim is asked for
  EXPECT_EQ(set.run("h"), "0");  // u---
  EXPECT_EQ(set.run("i"), "1");  // uu--: f was used lately, but that is forgotten
  EXPECT_EQ(set.contents(), "hicg");
  set.remove('c');
  EXPECT_EQ(set.run("j"), "2");  // the empty way; uuu-
  EXPECT_EQ(set.run("k"), "3");
}

TEST_P(TlbArrayUses, ClosedWaysAreNobodysVictims) {
  for (const Replacement replacement : {Replacement::Lru, Replacement::Plru, Replacement::Fifo,
                                        Replacement::Random, Replacement::Used}) {
    Array array(geometry(8, 4, replacement), GetParam());
    array.set_open_ways(3);
    for (uint64_t tag = 1; tag <= 40; ++tag) {
      const uint32_t way = array.victim(1);
      EXPECT_GE(way, 4u);
      EXPECT_LT(way, 7u);
      if (tag <= 3) {
        EXPECT_EQ(way, 3 + tag);
      }
      array.fill(1, way, tag, tag) = 'x';
    }
  }
}

TEST_P(TlbArrayUses, EmptyWaysAreTakenFirstLowestNumberFirst) {
  for (const Replacement replacement : {Replacement::Lru, Replacement::Plru, Replacement::Fifo,
                                        Replacement::Random, Replacement::Used}) {
    OneSet set(geometry(4, 4, replacement), GetParam());
    EXPECT_EQ(set.run("abcd"), "0123") << name_of(replacement);
    set.remove('d');
    set.remove('b');
    EXPECT_EQ(set.contents(), "a-c-");
    EXPECT_EQ(set.run("ef"), "13");
    EXPECT_EQ(set.contents(), "aecf");
  }
}

// An invalidation moves no pointer of the tree.
TEST(TlbArray, TreeSurvivesInvalidation) {
  OneSet set(geometry(4, 4, Replacement::Plru));
  EXPECT_EQ(set.run("abcd"), "0123");
  EXPECT_EQ(set.run("a"), ".");  // R R L
  set.remove('a');
  EXPECT_EQ(set.run("e"), "0");  // the empty way; the same pointers
  EXPECT_EQ(set.run("f"), "2");
}

TEST(TlbArray, RandomDrawsOnlyWhenTheSetIsFullAndRepeats) {
  Random expected(42);
  OneSet set(geometry(4, 4, Replacement::Random, 42));
  EXPECT_EQ(set.run("abcd"), "0123");
  for (char letter = 'e'; letter < 'z'; ++letter) {
    const auto way = static_cast<uint32_t>(expected.below(4));
    EXPECT_EQ(set.run(std::string(1, letter)), std::string(1, static_cast<char>('0' + way)));
  }
}

TEST(TlbArray, SetsAreSeparate) {
  Array array(geometry(4, 2, Replacement::Lru), Uses::Told);
  EXPECT_EQ(array.sets(), 2u);
  array.fill(1, array.victim(1), 7, 1) = 'x';
  EXPECT_EQ(array.find(0, 7), Array::kNone);
  EXPECT_EQ(array.find(1, 7), 2u);
  EXPECT_EQ(array.victim(0), 0u);
  EXPECT_EQ(array.victim(1), 3u);
}

// After 2^43 uses, weeks of them, the oldest is still the oldest: in sets of any width times and
// the numbers of ways share a word. Were a bit of the times lost, those behind would come first.
TEST(TlbArray, TimesMayBeLarge) {
  constexpr uint64_t kLate = uint64_t{1} << 43;
  for (const uint32_t ways : {4u, 12u, 17u, 1u << 17, 1u << 20}) {
    Array array(geometry(ways, ways, Replacement::Lru), Uses::Stamped);
    uint32_t expected = ways;
    for (uint32_t way = 0; way < ways; ++way) {
      const uint32_t after = (way * 5 + 3) % ways;
      array.fill(0, way, 1 + way, kLate - ways / 2 + after) = 'x';
      if (after == 0) expected = way;
    }
    EXPECT_EQ(array.victim(0), expected) << ways;
  }
}

// Other architectures bring wider tags.
TEST(TlbArray, TakesAnyTag) {
  struct Wide {
    uint64_t high = 0, low = 0;
    bool operator==(const Wide&) const = default;
  };
  TlbArray<Wide, int> array(geometry(2, 2, Replacement::Lru), Uses::Told);
  array.fill(0, 0, {1, 2}, 1) = 5;
  EXPECT_EQ(array.find(0, {1, 2}), 0u);
  EXPECT_EQ(array.find(0, {2, 1}), (TlbArray<Wide, int>::kNone));
}

constexpr std::array kWays = {1u,  2u,  3u,  4u,  5u,  7u,  8u,  11u, 12u,
                              13u, 16u, 17u, 28u, 31u, 40u, 64u, 99u, 128u};

// Sets are searched by digests of two bytes, eight or sixteen at a time, and the oldest way is
// found in a ring, among few or in a tree, and an empty one of an only set from where it can be:
// held against a search way by way, with so many tags that digests often agree where tags do not.
// In the middle some ways are closed.
TEST_P(TlbArrayUses, SetsAgreeWithASearchWayByWay) {
  for (uint32_t which = 0; which < 2 * kWays.size(); ++which) {
    const uint32_t ways = kWays[which / 2];
    const uint32_t sets = 1 + which % 2;
    const bool fifo = ways % 4 == 3;
    Array array(geometry(ways * sets, ways, fifo ? Replacement::Fifo : Replacement::Lru),
                GetParam());
    struct Way {
      uint64_t tag = 0;
      uint64_t time = 0;
    };
    std::vector<Way> model(size_t{ways} * sets);
    Random random(ways);
    uint64_t hits = 0;
    uint32_t open = ways;
    const uint64_t end = tests::effort(25000);
    for (uint64_t time = 1; time <= end; ++time) {
      if (time == end / 2) {
        open -= static_cast<uint32_t>(random.below(ways));
        for (uint32_t i = 0; i < model.size(); ++i) {
          if (i % ways < open) continue;
          array.invalidate(i);
          model[i].tag = 0;
        }
        array.set_open_ways(open);
      }
      const auto set = static_cast<uint32_t>(random.below(sets));
      const auto begin = model.begin() + ptrdiff_t{set} * ways;
      // Half of them recent, half from a range that digests cannot tell apart.
      const uint64_t tag =
          1 + (random.below(2) == 0 ? random.below(uint64_t{2} * ways) : random.below(1 << 24));
      const auto there =
          std::find_if(begin, begin + ways, [tag](const Way& way) { return way.tag == tag; });
      const uint32_t found = array.find(set, tag);
      if (there != begin + ways) {
        ++hits;
        ASSERT_EQ(found, there - model.begin());
        array.touch(found, time);
        if (!fifo) there->time = time;
        if (random.below(8) == 0) {
          array.invalidate(found);
          there->tag = 0;
        }
        continue;
      }
      ASSERT_EQ(found, Array::kNone);
      auto victim = std::find_if(begin, begin + open, [](const Way& way) { return way.tag == 0; });
      if (victim == begin + open)
        victim = std::min_element(begin, begin + open,
                                  [](const Way& a, const Way& b) { return a.time < b.time; });
      Array::Probe probe;
      Array::aim(probe, set, tag);
      const bool at_once = array.full() && random.below(2) == 0;
      const auto replace = [&] {
        return GetParam() == Uses::Stamped ? array.replace<Uses::Stamped>(probe, tag, time)
                                           : array.replace<Uses::Told>(probe, tag, time);
      };
      const uint32_t way = at_once ? replace() : array.victim(set);
      ASSERT_EQ(way, victim - model.begin());
      (at_once ? array.payload(way) : array.fill(set, way, tag, time)) = 'x';
      *victim = {tag, time};
    }
    EXPECT_GT(hits, tests::effort(250));
  }
}

// What page streams leave out: hits and victims to come are the same with it and without.
TEST(TlbArray, OneMoreUseOfWhatIsSettledChangesNothing) {
  for (const Replacement replacement : {Replacement::Lru, Replacement::Plru, Replacement::Fifo,
                                        Replacement::Random, Replacement::Used}) {
    Random random(5);
    const auto letters = [&](size_t count) {
      std::string some;
      for (size_t i = 0; i < count; ++i)
        some += static_cast<char>('a' + random.below(7));
      return some;
    };
    OneSet set(geometry(4, 4, replacement));
    uint64_t settled = 0;
    for (uint64_t step = 0; step < tests::effort(500); ++step) {
      set.run(letters(1));
      for (uint32_t way = 0; way < 4; ++way) {
        if (!set.is_settled(way)) continue;
        ++settled;
        OneSet without = set;
        OneSet with = set;
        with.use(way);
        const std::string next = letters(20);
        ASSERT_EQ(with.run(next), without.run(next)) << name_of(replacement);
      }
    }
    EXPECT_GE(settled, tests::effort(500)) << name_of(replacement);
  }
}

}  // namespace array_test
}  // namespace mmusim::tlb
