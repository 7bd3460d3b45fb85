// Several machines in a pass, against each by itself.
#include "sim/fan_out.h"

#include <atomic>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/error.h"
#include "sim/replay_all.h"
#include "sim/simulation.h"
#include "tests/effort.h"
#include "trace/cut.h"

namespace mmusim::sim {
namespace fan_out_test {

using testing::ElementsAre;

constexpr const char* kPipeline = MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt";
using Counters = std::map<std::string, uint64_t>;

Counters counters_of(const ReplayResult& result) {
  Counters counters;
  for (const stats::Counter& counter : result.report.counters())
    counters[counter.name] = counter.value;
  return counters;
}

config::Config configured(const config::Schema& schema, const std::string& machine) {
  config::Config config(schema);
  config.load(MMUSIM_SOURCE_DIR "/configs/machines/" + machine + ".cfg");
  config.set("run.trace", kPipeline, "test");
  return config;
}

// The begin of the trace, with page streams or without.
std::string begin_of_pipeline(trace::PageChoice pages) {
  std::string path = testing::TempDir() + "fan_out_" + std::to_string(getpid()) +
                     (pages == trace::PageChoice::None ? ".mmt" : "_pages.mmt");
  trace::cut(kPipeline, {0, tests::effort(1'500'000)}, path, {},
             {.pages = pages, .page_percent = 100'000});
  return path;
}

// All machines, some twice with other keys, and two that come to nothing, in any number of threads.
TEST(FanOut, EachIsAsAlone) {
  config::Schema schema;
  declare(schema);
  std::vector<config::Config> configs;
  for (const char* const machine :
       {"skylake-sp", "zen2", "core2", "tiny", "power8", "ppc970", "alpha-21164", "alpha-21264",
        "ultrasparc-iii", "itanium2-madison", "pentium4"})
    configs.push_back(configured(schema, machine));
  configs.push_back(configured(schema, "skylake-sp"));
  configs.back().set("tlb.l1d.replacement", "plru", "test");
  configs.push_back(configured(schema, "skylake-sp"));
  configs.back().set("run.check", "true", "test");
  configs.push_back(configured(schema, "zen2"));
  configs.back().set("mem.bytes", "1M", "test");  // too little
  configs.push_back(configured(schema, "zen2"));
  configs.back().set("run.trace", "no.mmt", "test");
  std::vector<const config::Config*> each;
  for (const config::Config& config : configs)
    each.push_back(&config);
  std::vector<Counters> alone;
  const auto begin = begin_of_pipeline(trace::PageChoice::None);
  const auto with_pages = begin_of_pipeline(trace::PageChoice::Any);
  for (size_t i = 0; i + 1 < configs.size(); ++i)
    configs[i].set("run.trace", begin, "test");
  for (size_t i = 0; i + 2 < configs.size(); ++i)
    alone.push_back(counters_of(replay(configs[i], {})));
  for (const unsigned jobs : {1U, 3U}) {
    for (size_t i = 0; jobs != 1 && i + 1 < configs.size(); ++i)
      configs[i].set("run.trace", with_pages, "test");
    std::vector<ReplayOutcome> outcomes(configs.size());
    std::atomic<unsigned> done = 0;
    AllOptions options;
    options.jobs = jobs;
    options.done = [&](size_t i, ReplayOutcome&& outcome) {
      outcomes[i] = std::move(outcome);
      ++done;
    };
    replay_all(each, options);
    EXPECT_EQ(done, configs.size());
    for (size_t i = 0; i < configs.size(); ++i) {
      const std::string& name = configs[i].text("machine.name");
      if (i < alone.size()) {
        ASSERT_TRUE(outcomes[i].result) << name;
        EXPECT_EQ(counters_of(*outcomes[i].result), alone[i]) << name;
      } else {
        EXPECT_FALSE(outcomes[i].result);
        EXPECT_THROW(std::rethrow_exception(outcomes[i].failure), Error);
      }
    }
  }
  std::filesystem::remove(begin);
  std::filesystem::remove(with_pages);
}

// All that a replay of page streams tells, wherever machines have them in the same pass.
TEST(FanOut, PageStreamsAreAsAlone) {
  config::Schema schema;
  declare(schema);
  const auto with_pages = begin_of_pipeline(trace::PageChoice::Any);
  std::vector<config::Config> configs;
  for (const char* const machine : {"skylake-sp", "zen2", "core2", "pentium4", "power8", "ppc970",
                                    "alpha-21164", "ultrasparc-i", "itanium2-madison", "zen2"}) {
    configs.push_back(configured(schema, machine));
    configs.back().set("run.trace", with_pages, "test");
    configs.back().set("run.stream", "pages", "test");
  }
  configs.back().set("tlb.l1d.replacement", "random", "test");
  std::vector<const config::Config*> each;
  for (const config::Config& config : configs)
    each.push_back(&config);
  const std::vector<ReplayOutcome> outcomes = replay_together(each, {});
  for (size_t i = 0; i < configs.size(); ++i) {
    const std::string& name = configs[i].text("machine.name");
    ASSERT_TRUE(outcomes[i].result) << name;
    const ReplayResult& together = *outcomes[i].result;
    const ReplayResult alone = replay(configs[i], {});
    EXPECT_EQ(counters_of(together), counters_of(alone)) << name;
    EXPECT_EQ(together.streams.chunks, alone.streams.chunks) << name;
    EXPECT_EQ(together.streams.fallbacks, alone.streams.fallbacks) << name;
    configs[i].set("run.stream", "full", "test");
    EXPECT_EQ(counters_of(together), counters_of(replay(configs[i], {}))) << name;
  }
  std::filesystem::remove(with_pages);
}

// Passes that share the columns, of which each chunk may be wanted by some of them only, or be cut:
// all that a replay tells is as alone.
TEST(FanOut, SharedColumnsAreAsAlone) {
  config::Schema schema;
  declare(schema);
  const std::string path = testing::TempDir() + "fan_out_chunks_" + std::to_string(getpid());
  trace::cut(kPipeline, {0, tests::effort(240'000)}, path, {},
             {.chunk_bytes = 8'000, .pages = trace::PageChoice::Any, .page_percent = 100'000});
  for (const char* const interval : {"0", "30000"}) {
    std::vector<config::Config> configs;
    for (const char* const machine :
         {"skylake-sp", "skylake-sp", "zen2", "skylake-sp", "core2", "power8", "ppc970",
          "alpha-21164", "ultrasparc-i", "itanium2-madison", "zen2"}) {
      configs.push_back(configured(schema, machine));
      configs.back().set("run.trace", path, "test");
      configs.back().set("run.interval", interval, "test");
    }
    configs[1].set("tlb.l1d.replacement", "fifo", "test");
    configs[3].set("kernel.thp", "always", "test");
    configs.back().set("tlb.l1d.replacement", "random", "test");
    std::vector<const config::Config*> each;
    std::vector<ReplayResult> alone;
    for (const config::Config& config : configs) {
      each.push_back(&config);
      alone.push_back(replay(config, {}));
    }
    for (const unsigned jobs : {2U, 5U, 64U}) {
      std::vector<ReplayOutcome> outcomes(configs.size());
      AllOptions options;
      options.jobs = jobs;
      options.done = [&](size_t i, ReplayOutcome&& outcome) { outcomes[i] = std::move(outcome); };
      replay_all(each, options);
      for (size_t i = 0; i < configs.size(); ++i) {
        SCOPED_TRACE(configs[i].text("machine.name") + ", jobs " + std::to_string(jobs));
        ASSERT_TRUE(outcomes[i].result);
        EXPECT_EQ(counters_of(*outcomes[i].result), counters_of(alone[i]));
        EXPECT_EQ(outcomes[i].result->streams.chunks, alone[i].streams.chunks);
        EXPECT_EQ(outcomes[i].result->streams.fallbacks, alone[i].streams.fallbacks);
        EXPECT_EQ(outcomes[i].result->totals, alone[i].totals);
        EXPECT_EQ(outcomes[i].result->trace_hash, alone[i].trace_hash);
      }
    }
  }
  std::filesystem::remove(path);
}

TEST(FanOut, WhoSharesAPass) {
  config::Schema schema;
  declare(schema);
  std::vector<TraceRoute> routes;
  const auto add = [&](const char* machine, const char* key, const char* value) {
    config::Config config = configured(schema, machine);
    config.set(key, value, "test");
    routes.push_back(route_of(config));
  };
  add("skylake-sp", "tlb.l2.entries", "1536");
  add("power8", "run.limit", "7");
  add("zen2", "machine.page_table", "gpt");
  add("zen2", "run.limit", "7");
  add("zen2", "sched.quantum", "1000");
  add("zen2", "run.relocate", "force");
  add("skylake-sp", "tlb.l2.entries", "768");
  add("power8", "machine.page_table", "gpt");  // elsewhere, but whole
  add("alpha-21264", "machine.page_table", "mlpt");
  add("ppc970", "machine.page_table", "mlpt");  // where power8 has it
  add("power8", "run.limit", "7");
  add("power8", "run.stream", "full");
  EXPECT_THAT(groups_of(routes), ElementsAre(ElementsAre(0, 2, 6, 5, 7, 9, 8), ElementsAre(1, 10),
                                             ElementsAre(3), ElementsAre(4), ElementsAre(11)));
}

TEST(FanOut, WhatIsThrownEndsAll) {
  config::Schema schema;
  declare(schema);
  config::Config config = configured(schema, "tiny");
  config.set("run.limit", std::to_string(tests::effort(1'500'000)), "test");
  const std::vector<const config::Config*> each(4, &config);
  for (const unsigned jobs : {1U, 2U}) {
    std::atomic<unsigned> calls = 0;
    AllOptions options;
    options.jobs = jobs;
    options.done = [&](size_t, ReplayOutcome&&) {
      ++calls;
      throw Error("x", "the disk is full");
    };
    EXPECT_THROW(replay_all(each, options), Error);
    EXPECT_GE(calls, 1U);
    EXPECT_LE(calls, jobs);
  }
}

}  // namespace fan_out_test
}  // namespace mmusim::sim
