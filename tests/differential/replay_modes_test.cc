// Whatever makes replay fast gives the same counts as the plain way: a trace taken block by block
// (Fast), reference by reference (Exact), and under --check with caches off (Full) reports the same
// numbers, each and every one.
#include <cstdio>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "arch/x86/architecture.h"
#include "pt/page_table.h"
#include "random_history.h"
#include "sim/replay.h"

namespace mmusim::sim {
namespace {

using Counters = std::map<std::string, uint64_t>;

using Settings = std::vector<std::pair<std::string, std::string>>;

Counters run(const std::string& trace, const std::string& machine, ReplayMode mode,
             bool check = false, uint64_t limit = 0, const Settings& settings = {}) {
  config::Schema schema;
  declare(schema);
  config::Config config(schema);
  config.load(std::string(MMUSIM_SOURCE_DIR "/configs/machines/") + machine + ".cfg");
  config.set("run.trace", trace, "test");
  config.set("run.check", check ? "true" : "false", "test");
  config.set("run.limit", std::to_string(limit), "test");
  for (const auto& [key, value] : settings)
    config.set(key, value, "test");
  Counters counters;
  const ReplayResult result = Replay<x86::Architecture>(config, {}).run(mode);
  for (const stats::Counter& counter : result.report.counters())
    if (!counter.name.starts_with("check.")) counters[counter.name] = counter.value;
  return counters;
}

void expect_same(const Counters& a, const Counters& b, const std::string& what) {
  for (const auto& [name, value] : a) {
    ASSERT_TRUE(b.contains(name)) << name;
    EXPECT_EQ(value, b.at(name)) << name << ", " << what;
  }
  EXPECT_EQ(a.size(), b.size());
}

class ReplayModes : public testing::TestWithParam<const char*> {};

TEST_P(ReplayModes, RandomHistoriesCountTheSameEitherWay) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / (std::string("mmusim_modes_") + GetParam() + ".mmt");
  uint64_t misses = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    differential::RandomHistory(seed).write(path, 300);
    const Counters fast = run(path, GetParam(), ReplayMode::Fast);
    expect_same(fast, run(path, GetParam(), ReplayMode::Exact), "fast against exact");
    expect_same(fast, run(path, GetParam(), ReplayMode::Full, /*check=*/true),
                "fast against checked");
    misses += fast.at("tlb.l1d.misses");
    if (HasFailure()) break;
  }
  EXPECT_GT(misses, 1000u) << "the histories are too tame to test anything";
  std::filesystem::remove(path);
}

TEST_P(ReplayModes, TheShippedTraceCountsTheSameEitherWay) {
  const std::string trace = MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt";
  // The whole of it once; sanitizers make it slow.
  const uint64_t limit = GetParam() == std::string("skylake-sp") ? 0 : 4'000'000;
  const Counters fast = run(trace, GetParam(), ReplayMode::Fast, false, limit);
  expect_same(fast, run(trace, GetParam(), ReplayMode::Exact, false, limit), "fast against exact");
  expect_same(fast, run(trace, GetParam(), ReplayMode::Full, /*check=*/true, limit),
              "fast against checked");
  EXPECT_GT(fast.at("tlb.l1d.misses"), 1000u);
}

// What the program and the kernel see does not depend on the page table, nor on whether the
// hardware reads it or a copy of it: same TLB misses, same faults, same flushes, whatever the
// backend. But for this: a flush that frees a table reaches one page more, where the table began;
// backends free others. So each table freed on either side may cost one entry per TLB.
class PageTables : public testing::TestWithParam<Settings> {
 protected:
  static void expect_same_outside(const Counters& plain, const Counters& other) {
    const uint64_t freed =
        std::max(plain.at("kernel.page_tables.freed"), other.at("kernel.page_tables.freed"));
    for (const auto& [name, value] : plain) {
      const bool outside = name.starts_with("tlb.") || name.starts_with("kernel.") ||
                           name.starts_with("access.") || name.starts_with("flush.") ||
                           name.starts_with("switch.");
      // Retries are also those after faults the copy alone was at; how tables are freed, how a
      // flush that frees tables is carried out, and what that adds to its range, is the backend's.
      const bool its_own = name.find("retr") != std::string::npos ||
                           name.find("range_pages") != std::string::npos ||
                           name.find("page_tables") != std::string::npos ||
                           name.find("tables_freed") != std::string::npos;
      if (!outside || its_own) continue;
      const bool flushed = name.starts_with("tlb.") || name.starts_with("flush.");
      EXPECT_NEAR(static_cast<double>(value), static_cast<double>(other.at(name)),
                  flushed ? static_cast<double>(freed) : 0.0)
          << name;
    }
  }
};

TEST_P(PageTables, TheShippedTraceSeesNoDifference) {
  const std::string trace = MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt";
  constexpr uint64_t kLimit = 6'000'000;
  const Counters plain = run(trace, "skylake-sp", ReplayMode::Fast, false, kLimit);
  const Counters other = run(trace, "skylake-sp", ReplayMode::Full, true, kLimit, GetParam());
  expect_same_outside(plain, other);
  expect_same(run(trace, "skylake-sp", ReplayMode::Fast, false, kLimit, GetParam()), other,
              "fast against checked");
}

TEST_P(PageTables, RandomHistoriesSeeNoDifference) {
  static int files = 0;
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() /
      ("mmusim_tables_" + std::to_string(getpid()) + "_" + std::to_string(files++) + ".mmt");
  for (uint64_t seed = 11; seed <= 14 && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    differential::RandomHistory(seed).write(path, 300);
    expect_same_outside(run(path, "tiny", ReplayMode::Fast),
                        run(path, "tiny", ReplayMode::Full, true, 0, GetParam()));
  }
  std::filesystem::remove(path);
}

std::vector<Settings> page_tables() {
  std::vector<Settings> all;
  for (const pt::Backend& backend : pt::backends())
    all.push_back({{"machine.page_table", backend.name}});
  // A radix table that is not the hardware's: no large leaves.
  all.push_back({{"pt.mlpt.levels", "12:9:leaf,21:9,30:9,39:9"}});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Backends, PageTables, testing::ValuesIn(page_tables()),
                         [](const auto& settings) {
                           std::string name = settings.param[0].second;
                           std::erase_if(name, [](char c) { return !std::isalnum(c); });
                           return name;
                         });

INSTANTIATE_TEST_SUITE_P(Machines, ReplayModes, testing::Values("skylake-sp", "zen2", "tiny"),
                         [](const auto& machine) {
                           std::string name = machine.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace mmusim::sim
