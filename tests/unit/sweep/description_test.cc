#include "sweep/description.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "base/error.h"

namespace mmusim::sweep {
namespace description_test {

using testing::HasSubstr;

std::string problem(const std::string& text) {
  try {
    static_cast<void>(parse_description(text, "x.sweep"));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(Description, WhatAFileSays) {
  const Description d = parse_description(
      "# a comment\n"
      "[sweep]\n"
      "traces = a.mmt, b.mmt\n"
      "machines = tiny\n"
      "page_tables = mlpt,gpt\n"
      "counters = mmu.*\n"
      "[set]\n"
      "run.limit = 1K\n"
      "[vary]\n"
      "tlb.l2.entries = 64..256 x2\n"
      "tlb.l2.ways = 4,8\n"
      "[zip]\n"
      "a.b = 1,2\n"
      "c = 3,4\n"
      "[zip2]\n"
      "d = 5,6\n",
      "x.sweep");
  ASSERT_EQ(d.traces.size(), 2U);
  EXPECT_EQ(d.traces[1].text, "b.mmt");
  EXPECT_EQ(d.traces[1].where, "x.sweep:3");
  EXPECT_EQ(d.machines.at(0).text, "tiny");
  EXPECT_EQ(d.page_tables.at(1).text, "gpt");
  EXPECT_EQ(d.counters.at(0).text, "mmu.*");
  ASSERT_EQ(d.set.size(), 1U);
  EXPECT_EQ(d.set[0].first, "run.limit");
  EXPECT_EQ(d.set[0].second.where, "x.sweep:8");
  ASSERT_EQ(d.axes.size(), 4U);
  EXPECT_EQ(d.axes[0].at(0).first, "tlb.l2.entries");
  EXPECT_EQ(d.axes[0].at(0).second.text, "64..256 x2");
  EXPECT_EQ(d.axes[1].size(), 1U);
  ASSERT_EQ(d.axes[2].size(), 2U);
  EXPECT_EQ(d.axes[2][0].first, "a.b");
  EXPECT_EQ(d.axes[2][1].first, "c");
  EXPECT_EQ(d.axes[3].at(0).first, "d");
}

TEST(Description, WhatNoFileMaySay) {
  EXPECT_THAT(problem("[sweep]\ntrace = a.mmt\n"), HasSubstr("x.sweep:2"));
  EXPECT_THAT(problem("[sweep]\ntrace = a.mmt\n"), HasSubstr("traces"));
  EXPECT_THAT(problem("[tlb.l2]\nentries = 4\n"), HasSubstr("keys of all points are in [set]"));
  EXPECT_THAT(problem("[sweep]\nmachines = tiny,,zen2\n"), HasSubstr("empty place"));
  EXPECT_THAT(problem("[vary]\na = 1\na = 2\n"), HasSubstr("twice"));
}

}  // namespace description_test
}  // namespace mmusim::sweep
