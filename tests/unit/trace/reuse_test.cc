// Reuse distances: by hand, and against a list that is searched.
#include <gtest/gtest.h>
#include <list>
#include <map>

#include "base/random.h"
#include "history.h"
#include "trace/stats.h"

namespace mmusim::trace {
namespace reuse_test {

using testing::TemporaryFile;

constexpr uint64_t kFirst = LruStack::kFirst;

// Plain: the page used last is in front.
class NaiveStack {
 public:
  uint64_t access(SpacePage page) {
    uint64_t distance = 0;
    for (auto at = pages_.begin(); at != pages_.end(); ++at, ++distance) {
      if (*at != page) continue;
      pages_.erase(at);
      pages_.push_front(page);
      return distance;
    }
    pages_.push_front(page);
    return kFirst;
  }
  [[nodiscard]] size_t size() const { return pages_.size(); }

 private:
  std::list<SpacePage> pages_;
};

TEST(LruStack, CountsPagesBetween) {
  LruStack stack;
  EXPECT_EQ(stack.access({7, 0}), kFirst);
  EXPECT_EQ(stack.access({7, 0}), 0u);
  EXPECT_EQ(stack.access({8, 0}), kFirst);
  EXPECT_EQ(stack.access({7, 1}), kFirst);  // another address space
  EXPECT_EQ(stack.access({7, 0}), 2u);
  EXPECT_EQ(stack.access({8, 0}), 2u);
  EXPECT_EQ(stack.access({7, 0}), 1u);
  EXPECT_EQ(stack.pages(), 3u);
}

// Round and round: each page comes again after all others.
TEST(LruStack, RoundTrips) {
  for (const uint64_t pages : {15u, 16u, 17u, 63u, 64u, 65u, 1000u}) {
    LruStack stack;
    for (uint64_t i = 0; i < 5 * pages; ++i)
      ASSERT_EQ(stack.access({i % pages, 3}), i < pages ? kFirst : pages - 1) << pages << " " << i;
  }
}

TEST(LruStack, AgreesWithAList) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Random random(seed);
    LruStack stack;
    NaiveStack naive;
    const uint64_t pages = uint64_t{2} << seed % 11;
    uint64_t near = 0;
    for (unsigned i = 0; i < 8000; ++i) {
      // Mostly around a place that wanders.
      if (random.below(50) == 0) near = random.below(pages);
      const uint64_t page =
          random.below(4) == 0 ? random.below(pages) : (near + random.below(9)) % pages;
      const SpacePage at{page << random.below(2) * 40, static_cast<uint32_t>(random.below(2) * 77)};
      ASSERT_EQ(stack.access(at), naive.access(at)) << "seed " << seed << " step " << i;
    }
    EXPECT_EQ(stack.pages(), naive.size());
  }
}

TEST(ReuseCounts, SortsDistancesIntoPowersOfTwo) {
  ReuseCounts counts(8);
  for (const uint64_t distance : {0u, 1u, 2u, 3u, 4u, 7u, 8u, 1000u})
    counts.add(distance);
  counts.add(kFirst);
  counts.repeat(5);
  EXPECT_EQ(counts.buckets()[0], 6u);
  EXPECT_EQ(counts.buckets()[1], 1u);
  EXPECT_EQ(counts.buckets()[2], 2u);
  EXPECT_EQ(counts.buckets()[3], 2u);
  EXPECT_EQ(counts.buckets()[4], 1u);
  EXPECT_EQ(counts.buckets()[10], 1u);
  EXPECT_EQ(counts.first(), 1u);
  EXPECT_EQ(counts.lookups(), 14u);
  EXPECT_EQ(counts.misses(1), 8u);
  EXPECT_EQ(counts.misses(2), 7u);
  EXPECT_EQ(counts.misses(4), 5u);
  EXPECT_EQ(counts.misses(8), 3u);
}

// Two pages of code and three of data, one access over an end.
TEST(Stats, LooksUpWhatAReplayDoes) {
  const TemporaryFile file;
  Writer writer(file.path(), testing::test_header());
  writer.thread({Pid(1), Tid(1)});
  writer.instruction(VirtAddr(0x1ff0), 4);
  writer.access(AccessKind::Load, VirtAddr(0x5ffe), 4);  // pages 5 and 6
  writer.instruction(VirtAddr(0x1ff4), 4);
  writer.instruction(VirtAddr(0x1ff8), 16);  // pages 1 and 2
  writer.access(AccessKind::Store, VirtAddr(0x5000), 8);
  writer.instruction(VirtAddr(0x1ff0), 4);
  writer.finish();
  const Stats stats =
      read_stats(file.path(), {.pages = {PageShift(12), PageShift(16)}, .entries = {1, 2, 4}});
  ASSERT_EQ(stats.pages.size(), 2u);
  const Reuse& small = stats.pages[0];
  // 1, 1, 1, 2, 1: first, 0, 0, first, 1.
  const ReuseCounts& fetch = small.counts(ReuseSide::Fetch);
  EXPECT_EQ(fetch.lookups(), 5u);
  EXPECT_EQ(fetch.first(), 2u);
  EXPECT_EQ(fetch.buckets()[0], 2u);
  EXPECT_EQ(fetch.buckets()[1], 1u);
  // 5, 6, 5: first, first, 1.
  const ReuseCounts& data = small.counts(ReuseSide::Data);
  EXPECT_EQ(data.lookups(), 3u);
  EXPECT_EQ(data.misses(1), 3u);
  EXPECT_EQ(data.misses(2), 2u);
  // 1, 5, 6, 1, 1, 2, 5, 1: first x 3, 2, 0, first, 3 (6, 1, 2), 2 (2, 5).
  const ReuseCounts& both = small.counts(ReuseSide::Both);
  EXPECT_EQ(both.lookups(), 8u);
  EXPECT_EQ(both.first(), 4u);
  EXPECT_EQ(both.misses(2), 7u);
  EXPECT_EQ(both.misses(4), 4u);
  // All in one page of 64 KiB.
  EXPECT_EQ(stats.pages[1].counts(ReuseSide::Both).lookups(), 6u);
  EXPECT_EQ(stats.pages[1].counts(ReuseSide::Both).misses(1), 1u);
  EXPECT_EQ(stats.pages[1].pages(ReuseSide::Both), 1u);
}

// Which look-ups a history makes, plainly; address spaces by exec, fork and exit.
TEST(Stats, AgreesWithAListOnRandomHistories) {
  const TemporaryFile file;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    testing::write_history(
        file.path(), testing::random_history({.seed = seed, .happenings = 8000, .wild = seed == 4}),
        {.chunk_bytes = 5000});
    const PageShift page(seed % 2 == 0 ? 12 : 16);
    const Stats stats = read_stats(file.path(), {.pages = {page}, .entries = {3, 64}});
    std::array<NaiveStack, 3> stacks;
    std::array<uint64_t, 3> lookups{};
    std::array<uint64_t, 3> hits_of_64{};
    std::map<Pid, uint32_t> spaces;
    uint32_t next = 0;
    for (const auto& h : testing::read_history(file.path())) {
      if (h.is_event) {
        const bool knows = spaces.contains(h.thread.pid);
        if (std::holds_alternative<ExecEvent>(h.event)) spaces[h.thread.pid] = next++;
        if (const auto* fork = std::get_if<ForkEvent>(&h.event);
            fork != nullptr && fork->child.pid != h.thread.pid) {
          if (!knows) spaces[h.thread.pid] = next++;
          const uint32_t own = spaces[h.thread.pid];
          spaces[fork->child.pid] = fork->shares_memory ? own : next++;
        }
        if (const auto* exit = std::get_if<ExitEvent>(&h.event);
            exit != nullptr && exit->whole_process)
          spaces.erase(h.thread.pid);
        continue;
      }
      if (!spaces.contains(h.thread.pid)) spaces[h.thread.pid] = next++;
      const uint64_t first = h.address >> page.log2();
      const uint64_t last = (h.address + h.bytes - 1) >> page.log2();
      for (const uint64_t which : {first, last}) {
        for (const size_t side : {h.kind == AccessKind::Fetch ? size_t{0} : size_t{1}, size_t{2}}) {
          const uint64_t distance = stacks[side].access({which, spaces[h.thread.pid]});
          ++lookups[side];
          if (distance < 64) ++hits_of_64[side];
        }
        if (last == first) break;
      }
    }
    EXPECT_EQ(stats.spaces, next);
    for (size_t side = 0; side < 3; ++side) {
      const ReuseCounts& counts = stats.pages[0].counts(static_cast<ReuseSide>(side));
      EXPECT_EQ(counts.lookups(), lookups[side]) << "seed " << seed;
      EXPECT_EQ(counts.lookups() - counts.misses(64), hits_of_64[side]) << "seed " << seed;
      EXPECT_EQ(counts.first(), stacks[side].size()) << "seed " << seed;
    }
  }
}

}  // namespace reuse_test
}  // namespace mmusim::trace
