#include "report/replay_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>

namespace mmusim::report {
namespace replay_table_test {

using testing::HasSubstr;
using testing::Not;

Heading example_heading() {
  Heading heading;
  heading.machine = "small";
  heading.arch = "x86";
  heading.page_table = "mlpt";
  heading.trace = "x.mmt";
  heading.program = "sh -c 'a | b'";
  heading.isa = "x86_64";
  return heading;
}

stats::Report example_report() {
  stats::Report report;
  report.add("run.instructions", 2000, "instructions", "");
  report.add("run.loads", 500, "accesses", "");
  report.add("run.stores", 250, "accesses", "");
  report.add("run.modifies", 1, "accesses", "");
  report.add("tlb.l1d.lookups", 751, "accesses", "");
  report.add("tlb.l1d.misses", 30, "accesses", "", "tlb.l1d.lookups");
  report.add("tlb.l2.lookups", 40, "accesses", "");
  report.add("tlb.l2.misses", 10, "accesses", "", "tlb.l2.lookups");
  report.add("tlb.odd.lookups", 5, "accesses", "");  // counts no misses: no row
  report.add("walker.walks", 10, "walks", "");
  report.add("walker.loads", 25, "references", "", "walker.walks");
  report.add("walker.pde_cache_hits", 6, "walks", "", "walker.walks");
  report.add("walker.from_root", 4, "walks", "", "walker.walks");
  report.add("refs.user", 0, "references", "");
  report.add("refs.walker", 25, "references", "");
  report.add("refs.walker.reads", 25, "references", "");
  report.add("refs.walker.writes", 0, "references", "");
  report.add("refs.walker.cycles", 100, "cycles", "");
  report.add("kernel.faults.minor", 7, "faults", "");
  report.add("kernel.faults.cow_copy", 2, "faults", "");
  report.add("kernel.faults.major", 0, "faults", "");
  report.add("kernel.rss.total_peak", 28672, "bytes", "");
  return report;
}

TEST(ReplayTable, SaysWhatWasReplayedOnWhat) {
  const std::string text = replay_table(example_heading(), example_report());
  EXPECT_THAT(text, HasSubstr("machine   small (x86), page table mlpt\n"));
  EXPECT_THAT(text, HasSubstr("trace     x.mmt (x86_64)\n"));
  EXPECT_THAT(text, HasSubstr("program   sh -c 'a | b'\n"));
  EXPECT_THAT(text, HasSubstr("replayed  2,000 instructions, 2,751 references\n"));
  EXPECT_THAT(text, Not(HasSubstr("note")));
}

TEST(ReplayTable, HasTheHandCountedRates) {
  const std::string text = replay_table(example_heading(), example_report());
  // 30 of 751; 30 per 2000 instructions are 15 per 1000.
  EXPECT_THAT(text, testing::ContainsRegex("l1d +751 +30 +3\\.995 % +15\\.00\n"));
  EXPECT_THAT(text, testing::ContainsRegex("l2 +40 +10 +25\\.00 % +5\\.000\n"));
  EXPECT_THAT(text, testing::ContainsRegex("walks +10 +1\\.000 +5\\.000\n"));
  EXPECT_THAT(text, testing::ContainsRegex("begun below a cached pde +6 +0\\.600"));
  EXPECT_THAT(text, testing::ContainsRegex("entries read +25 +2\\.500"));
  EXPECT_THAT(text, testing::ContainsRegex("walker +25 +0 +100\n"));
  EXPECT_THAT(text, testing::ContainsRegex("copy on write +2 +1\\.000 per 1000 instr\n"));
  EXPECT_THAT(text, testing::ContainsRegex("resident memory, peak +28\\.0 KiB\n"));
}

TEST(ReplayTable, LeavesOutWhatIsNotThere) {
  const std::string text = replay_table(example_heading(), example_report());
  EXPECT_THAT(text, Not(HasSubstr("odd")));
  EXPECT_THAT(text, Not(HasSubstr("major")));
  EXPECT_THAT(text, Not(HasSubstr("user")));
  EXPECT_THAT(text, Not(HasSubstr("Checks")));
  EXPECT_EQ(replay_table({}, stats::Report()), "");
}

TEST(ReplayTable, FitsAHundredColumnsAndHoldsNoControlCharacters) {
  Heading heading = example_heading();
  heading.program = std::string(500, 'x') + "\n\033[2J";
  heading.trace = "a\nb";
  std::istringstream lines(replay_table(heading, example_report()));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 100u) << line;
    EXPECT_EQ(line.find('\033'), std::string::npos);
  }
}

}  // namespace replay_table_test
}  // namespace mmusim::report
