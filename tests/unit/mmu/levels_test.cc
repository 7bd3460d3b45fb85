#include "mmu/levels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <utility>

#include "base/error.h"
#include "config/schema.h"
#include "tests/unit/mmu/toy_cpu.h"

namespace mmusim::mmu {
namespace levels_test {

using toy::kToyLevels;

CpuCounters some_counters() {
  CpuCounters c;
  c.accesses = {100, 20, 5, 2};  // fetches, loads, stores, modifies
  c.sides[kFetches] = {.misses = 10,
                       .second_misses = 4,
                       .retry_lookups = 3,
                       .retry_misses = 2,
                       .retry_second_misses = 1,
                       .outside = 7};
  c.sides[kData] = {.misses = 6,
                    .second_misses = 5,
                    .retry_lookups = 0,
                    .retry_misses = 0,
                    .retry_second_misses = 0,
                    .outside = 1};
  c.levels[toy::kToyL2] = {.fills = 9, .evictions = 3, .invalidated = 1};
  c.faults[static_cast<unsigned>(FaultReason::Protection)] = 8;
  return c;
}

TEST(Levels, AreDeclaredAndReadByOneDeclaration) {
  config::Schema schema;
  declare_levels(schema, kToyLevels);
  config::Config config(schema);
  const std::vector<PageShift> known = {toy::k4K, toy::k64K};
  const Arrays plain = read_levels(config, kToyLevels, known, toy::k4K);
  EXPECT_EQ(plain[toy::kToyL1D].size(), 1u);
  EXPECT_TRUE(plain[toy::kToyL2I].empty());
  config.set("toy.l1d.large.entries", "2", "test");
  const Arrays large = read_levels(config, kToyLevels, known, toy::k4K);
  ASSERT_EQ(large[toy::kToyL1D].size(), 2u);
  EXPECT_EQ(large[toy::kToyL1D][1].pages, std::vector{toy::k64K});
}

TEST(Levels, ThatMustBeThereAreAndHoldBasePages) {
  config::Schema schema;
  declare_levels(schema, kToyLevels);
  const std::vector<PageShift> known = {toy::k4K, toy::k64K};
  const auto refusal = [&](std::initializer_list<std::pair<const char*, const char*>> settings,
                           std::optional<PageShift> base) -> std::string {
    config::Config config(schema);
    for (const auto& [key, value] : settings)
      config.set(key, value, "test");
    try {
      read_levels(config, kToyLevels, known, base);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "accepted";
  };
  using ::testing::AllOf;
  using ::testing::HasSubstr;
  EXPECT_THAT(refusal({{"toy.l1i.entries", "0"}}, toy::k4K),
              AllOf(HasSubstr("toy.l1i.entries"), HasSubstr("there must be the first-level")));
  EXPECT_THAT(refusal({{"toy.l2.entries", "0"}}, toy::k4K), "accepted");
  EXPECT_THAT(refusal({{"toy.l1i.pages", "64K"}}, toy::k4K),
              AllOf(HasSubstr("toy.l1i.pages"), HasSubstr("base page of 4K")));
  // Parts of a base page will do, and nobody asks where no base page is named.
  EXPECT_THAT(refusal({{"toy.l1i.pages", "4K"}}, toy::k64K), "accepted");
  EXPECT_THAT(refusal({{"toy.l1i.pages", "64K"}}, std::nullopt), "accepted");
  // One array of a level is enough.
  EXPECT_THAT(refusal({{"toy.l1d.entries", "0"}, {"toy.l1d.large.entries", "2"}}, toy::k64K),
              "accepted");
  EXPECT_THAT(refusal({{"toy.l1d.entries", "0"}, {"toy.l1d.large.entries", "2"}}, toy::k4K),
              HasSubstr("toy.l1d.pages"));
}

TEST(Levels, TheLaterOfTwoServesASide) {
  Arrays arrays = toy::toy_arrays();
  EXPECT_EQ(level_of(kToyLevels, arrays, kFetches, false), size_t{toy::kToyL1I});
  EXPECT_EQ(level_of(kToyLevels, arrays, kFetches, true), size_t{toy::kToyL2});
  arrays[toy::kToyL2I] = {toy::toy_array(4, {toy::k4K})};
  EXPECT_EQ(level_of(kToyLevels, arrays, kFetches, true), size_t{toy::kToyL2I});
  EXPECT_EQ(level_of(kToyLevels, arrays, kData, true), size_t{toy::kToyL2});
  arrays[toy::kToyL2].clear();
  EXPECT_EQ(level_of(kToyLevels, arrays, kData, true), kMostLevels);
}

TEST(Levels, AFirstLevelReportsItsSide) {
  stats::Report report;
  report_levels(kToyLevels, toy::toy_arrays(), some_counters(), report);
  EXPECT_EQ(report.value("tlb.l1i.lookups"), 100u);
  EXPECT_EQ(report.value("tlb.l1i.hits"), 100u - 10u - 7u);
  EXPECT_EQ(report.value("tlb.l1i.not_there"), 7u);
  EXPECT_EQ(report.value("tlb.l1d.lookups"), 27u);
  EXPECT_EQ(report.find("tlb.l1i.lookups")->meaning, "Of instruction fetches.");
  EXPECT_EQ(report.find("tlb.l1d.lookups")->meaning, "Of loads, stores and modifies.");
  EXPECT_EQ(report.find("tlb.l1d.retry_misses")->denominator, "tlb.l1d.retries");
  EXPECT_EQ(report.find("tlb.l1i.fills"), nullptr);  // not asked for
}

TEST(Levels, ASecondLevelOfBothSidesReportsBoth) {
  stats::Report report;
  report_levels(kToyLevels, toy::toy_arrays(), some_counters(), report);
  EXPECT_EQ(report.value("tlb.l2.lookups"), 16u);
  EXPECT_EQ(report.value("tlb.l2.misses"), 9u);
  EXPECT_EQ(report.value("tlb.l2.hits"), 7u);
  EXPECT_EQ(report.find("tlb.l2.lookups")->meaning, "Of fetches and data accesses.");
  EXPECT_EQ(report.value("tlb.l2.retry_misses"), 1u);
  EXPECT_EQ(report.find("tlb.l2.retry_misses")->denominator, "");  // .retries are not told
  EXPECT_EQ(report.value("tlb.l2.evictions"), 3u);
  EXPECT_EQ(report.find("tlb.l2i.lookups"), nullptr);  // there is none
  EXPECT_EQ(report.counters().back().name, "tlb.l2.fills");
}

TEST(Levels, TheSummaryTakesTheLastLevelThereIs) {
  Arrays arrays = toy::toy_arrays();
  const PathReport none(toy::kToySteps);
  Summary s = summary_of(kToyLevels, arrays, some_counters(), none);
  EXPECT_EQ(s.fetch_lookups, 100u);
  EXPECT_EQ(s.data_lookups, 27u);
  EXPECT_EQ(s.first_fetch_misses, 10u);
  EXPECT_EQ(s.last_fetch_misses, 4u);
  EXPECT_EQ(s.last_data_misses, 5u);
  arrays[toy::kToyL2].clear();
  s = summary_of(kToyLevels, arrays, some_counters(), none);
  EXPECT_EQ(s.last_data_misses, 6u);
}

TEST(Levels, FaultsAreToldByReason) {
  stats::Report report;
  constexpr FaultDecl kFaults[] = {{FaultReason::NotPresent, "None."},
                                   {FaultReason::Protection, "Refused."},
                                   {FaultReason::Malformed, "Broken."}};
  report_faults(kFaults, some_counters(), report);
  EXPECT_EQ(report.value("fault.not_present"), 0u);
  EXPECT_EQ(report.value("fault.protection"), 8u);
  EXPECT_EQ(report.find("fault.malformed")->meaning, "Broken.");
}

TEST(CpuCounters, SumsHaveEveryPart) {
  CpuCounters sum = some_counters();
  sum.add(some_counters());
  EXPECT_EQ(sum.of(AccessKind::Modify), 4u);
  EXPECT_EQ(sum.sides[kFetches].outside, 14u);
  EXPECT_EQ(sum.sides[kData].second_misses, 10u);
  EXPECT_EQ(sum.levels[toy::kToyL2].invalidated, 2u);
  EXPECT_EQ(sum.faults[static_cast<unsigned>(FaultReason::Protection)], 16u);
}

}  // namespace levels_test
}  // namespace mmusim::mmu
