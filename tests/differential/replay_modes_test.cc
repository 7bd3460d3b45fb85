// Whatever makes replay fast gives the same counts as the plain way: a trace taken block by block
// (Fast), reference by reference (Exact), and under --check with caches off (Full) reports the same
// numbers, each and every one.
#include <cstdio>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

#include "arch/x86/architecture.h"
#include "random_history.h"
#include "sim/replay.h"

namespace mmusim::sim {
namespace {

using Counters = std::map<std::string, uint64_t>;

Counters run(const std::string& trace, const std::string& machine, ReplayMode mode,
             bool check = false, uint64_t limit = 0) {
  config::Schema schema;
  declare(schema);
  config::Config config(schema);
  config.load(std::string(MMUSIM_SOURCE_DIR "/configs/machines/") + machine + ".cfg");
  config.set("run.trace", trace, "test");
  config.set("run.check", check ? "true" : "false", "test");
  config.set("run.limit", std::to_string(limit), "test");
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

INSTANTIATE_TEST_SUITE_P(Machines, ReplayModes, testing::Values("skylake-sp", "zen2", "tiny"),
                         [](const auto& machine) {
                           std::string name = machine.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace mmusim::sim
