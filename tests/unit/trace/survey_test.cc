// The survey of `trace info --scan`: by hand, and against sets on random histories.
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <tuple>

#include "history.h"
#include "trace/info.h"

namespace mmusim::trace {
namespace survey_test {

using testing::History;
using testing::TemporaryFile;

const Footprint& footprint_of(const Survey& survey, unsigned log2) {
  for (const Footprint& footprint : survey.footprints)
    if (footprint.page.log2() == log2) return footprint;
  throw std::out_of_range("no such page size");
}

// One process that forks another; two intervals.
TEST(Survey, CountsByHand) {
  const TemporaryFile file;
  const ThreadId one{Pid(1), Tid(1)};
  const ThreadId other{Pid(2), Tid(2)};
  Writer writer(file.path(), testing::test_header());
  writer.thread(one);
  writer.event(ExecEvent{"/bin/a", {}, {}, {}, {}});
  writer.instruction(VirtAddr(0x1000), 4);
  writer.access(AccessKind::Load, VirtAddr(0x2ffe), 4);  // pages 2 and 3
  writer.instruction(VirtAddr(0x1ffe), 4);               // pages 1 and 2
  writer.access(AccessKind::Modify, VirtAddr(0x1000), 8);
  writer.event(ForkEvent{other, 17, false});
  writer.event(ForkEvent{{Pid(1), Tid(9)}, 0x50f00, true});
  writer.thread(other);
  writer.instruction(VirtAddr(0x1000), 4);
  writer.access(AccessKind::Store, VirtAddr(0x400000), 4);
  writer.event(ExitEvent{256, true});
  writer.thread({Pid(1), Tid(9)});
  writer.instruction(VirtAddr(0x1000), 2);
  writer.finish();
  const Info info = survey_trace(file.path(), 2);
  ASSERT_TRUE(info.survey.has_value());
  const Survey& survey = *info.survey;
  EXPECT_EQ(survey.code_bytes, 14u);
  EXPECT_EQ(survey.straddling, 2u);
  EXPECT_EQ(survey.spaces, 2u);
  ASSERT_EQ(survey.sizes.size(), 2u);
  EXPECT_EQ(survey.sizes[0].bytes, 4u);
  EXPECT_EQ(survey.sizes[0].loads, 1u);
  EXPECT_EQ(survey.sizes[0].stores, 1u);
  EXPECT_EQ(survey.sizes[1].modifies, 1u);
  // Parent: code 1, 2; data 1, 2, 3. Child: code 1, data 0x400.
  const Footprint& small = footprint_of(survey, 12);
  EXPECT_EQ(small.code, 3u);
  EXPECT_EQ(small.data, 4u);
  EXPECT_EQ(small.both, 5u);
  // Parent: code 0, 1; data 0, 1. Child: 0 and 0x200.
  const Footprint& twice = footprint_of(survey, 13);
  EXPECT_EQ(twice.code, 3u);
  EXPECT_EQ(twice.data, 3u);
  EXPECT_EQ(twice.both, 4u);
  EXPECT_EQ(footprint_of(survey, 16).both, 3u);
  EXPECT_EQ(footprint_of(survey, 21).both, 3u);
  EXPECT_EQ(footprint_of(survey, 21).code, 2u);
  ASSERT_EQ(survey.processes.size(), 2u);
  const ProcessLife& parent = survey.processes[0];
  EXPECT_EQ(parent.program, "/bin/a");
  EXPECT_EQ(parent.totals.instructions, 3u);
  EXPECT_EQ(parent.totals.data_accesses(), 2u);
  EXPECT_EQ(parent.forks, 1u);
  EXPECT_EQ(parent.threads, 2u);
  EXPECT_EQ(parent.last, 4u);
  EXPECT_FALSE(parent.ended);
  const ProcessLife& child = survey.processes[1];
  EXPECT_EQ(child.parent, Pid(1));
  EXPECT_EQ(child.program, "/bin/a");
  EXPECT_EQ(child.first, 2u);
  EXPECT_EQ(child.last, 3u);
  EXPECT_TRUE(child.ended);
  EXPECT_EQ(child.status, 256);
  ASSERT_EQ(survey.intervals.size(), 2u);
  EXPECT_EQ(survey.intervals[0].first, 0u);
  EXPECT_EQ(survey.intervals[0].instructions, 2u);
  EXPECT_EQ(survey.intervals[0].references, 4u);
  EXPECT_EQ(survey.intervals[0].events, 1u);
  EXPECT_EQ(survey.intervals[0].working_set, 3u * 4096);
  EXPECT_EQ(survey.intervals[1].first, 2u);
  EXPECT_EQ(survey.intervals[1].events, 3u);
  // The child's two pages, and the parent's page 1 again.
  EXPECT_EQ(survey.intervals[1].working_set, 3u * 4096);
  EXPECT_EQ(survey.intervals[1].fresh, 2u * 4096);
}

// With sets of pages, one look after the other.
TEST(Survey, AgreesWithSets) {
  const TemporaryFile file;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    testing::write_history(
        file.path(), testing::random_history({.seed = seed, .happenings = 6000, .wild = seed == 5}),
        {.chunk_bytes = 3000});
    const History history = testing::read_history(file.path());
    const Info info = survey_trace(file.path(), 7);
    const Survey& survey = *info.survey;
    // (space, page) by page size and side: code, data, both.
    std::map<std::pair<unsigned, int>, std::set<std::pair<uint32_t, uint64_t>>> pages;
    std::map<std::tuple<AccessKind, unsigned>, uint64_t> sizes;
    SpaceIds spaces;  // tested with stats
    uint64_t straddling = 0;
    for (const auto& h : history) {
      if (h.is_event) {
        spaces.event(h.thread, h.event);
        continue;
      }
      const uint32_t space = spaces.of(h.thread.pid);
      const bool code = h.kind == AccessKind::Fetch;
      ++sizes[{h.kind, h.bytes}];
      const uint64_t last = h.address + h.bytes - 1;
      straddling += h.address >> 12 != last >> 12 ? 1 : 0;
      for (const unsigned log2 : {12u, 13u, 14u, 16u, 21u})
        for (const uint64_t address : {h.address, last})
          for (const int side : {code ? 0 : 1, 2})
            pages[{log2, side}].insert({space, address >> log2});
    }
    EXPECT_EQ(survey.straddling, straddling);
    for (const Footprint& footprint : survey.footprints) {
      const unsigned log2 = footprint.page.log2();
      EXPECT_EQ(footprint.code, (pages[{log2, 0}].size())) << seed << " " << log2;
      EXPECT_EQ(footprint.data, (pages[{log2, 1}].size())) << seed << " " << log2;
      EXPECT_EQ(footprint.both, (pages[{log2, 2}].size())) << seed << " " << log2;
    }
    for (const SizeMix& mix : survey.sizes) {
      EXPECT_EQ(mix.loads, (sizes[{AccessKind::Load, mix.bytes}]));
      EXPECT_EQ(mix.stores, (sizes[{AccessKind::Store, mix.bytes}]));
      EXPECT_EQ(mix.modifies, (sizes[{AccessKind::Modify, mix.bytes}]));
    }
    Totals sum;
    uint64_t fresh = 0;
    uint64_t next = 0;
    for (const Interval& one : survey.intervals) {
      EXPECT_GE(one.first, next);
      next = one.first + 1;
      sum.instructions += one.instructions;
      sum.events += one.events;
      sum.loads += one.references - one.instructions;
      fresh += one.fresh;
      EXPECT_LE(one.fresh, one.working_set);
    }
    EXPECT_EQ(survey.intervals.size(), 7u);
    EXPECT_EQ(sum.instructions, info.totals.instructions);
    EXPECT_EQ(sum.events, info.totals.events);
    EXPECT_EQ(sum.loads, info.totals.data_accesses());
    EXPECT_EQ(fresh, footprint_of(survey, 12).both * 4096);
    Totals lives;
    for (const ProcessLife& life : survey.processes)
      lives += life.totals;
    EXPECT_EQ(lives, info.totals);
  }
}

TEST(Survey, OfAlmostNothingAndOfTornTraces) {
  const TemporaryFile file;
  Writer writer(file.path(), testing::test_header());
  writer.finish();
  const Survey nothing = *survey_trace(file.path(), 60).survey;
  EXPECT_EQ(nothing.intervals.size(), 1u);
  EXPECT_TRUE(nothing.processes.empty());
  EXPECT_EQ(footprint_of(nothing, 12).both, 0u);
  testing::write_history(file.path(), testing::random_history({.seed = 3}));
  const Survey whole = *survey_trace(file.path(), 10).survey;
  std::string content = testing::file_content(file.path());
  content.pop_back();
  testing::write_file(file.path(), content);
  const Survey torn = *survey_trace(file.path(), 10, {.accept_torn = true}).survey;
  ASSERT_EQ(torn.intervals.size(), 10u);
  for (size_t i = 0; i < 10; ++i)
    EXPECT_EQ(torn.intervals[i].working_set, whole.intervals[i].working_set);
}

}  // namespace survey_test
}  // namespace mmusim::trace
