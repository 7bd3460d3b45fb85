// Counters over time: held against runs that end, or begin to count, at the same place.
#include "sim/looks.h"

#include <filesystem>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <regex>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/error.h"
#include "sim/replay_all.h"
#include "sim/simulation.h"
#include "tests/differential/random_history.h"
#include "tests/machine_files.h"
#include "trace/cut.h"
#include "trace/reader.h"
#include "trace/writer.h"

namespace mmusim::sim {
namespace looks_test {

constexpr const char* kPipeline = MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt";

config::Config configured(const config::Schema& schema, const tests::MachineFiles& files,
                          uint64_t warmup, uint64_t interval, uint64_t limit) {
  config::Config config(schema);
  for (const auto& file : files.configs)
    config.load(file);
  config.set("run.trace", kPipeline, "test");
  config.set("run.warmup", std::to_string(warmup), "test");
  config.set("run.interval", std::to_string(interval), "test");
  config.set("run.limit", std::to_string(limit), "test");
  return config;
}

std::map<std::string, std::vector<uint64_t>> series_of(const stats::Report& report) {
  std::map<std::string, std::vector<uint64_t>> all;
  for (const stats::Intervals::Series& series : report.intervals()->series)
    all[series.name] = series.values;
  return all;
}

// What a run counted up to the end of interval `last`, by its intervals.
uint64_t up_to(const stats::Counter& counter, const std::vector<uint64_t>& values, size_t last) {
  if (counter.kind == stats::CounterKind::State) return values[last];
  uint64_t sum = 0;
  for (size_t i = 0; i <= last; ++i)
    sum += values[i];
  return sum;
}

// Every machine, in one pass of them all: at the end of any interval the counters are those of a
// run by itself that run.limit stops there, states too; and at the last one, those of the whole.
TEST(Looks, IntervalsAddUpToRunsThatEndThere) {
  config::Schema schema;
  declare(schema);
  constexpr uint64_t kLimit = 400'000;
  std::vector<config::Config> configs;
  std::vector<tests::MachineFiles> machines = tests::machine_files_by_effort();
  configs.reserve(machines.size());
  std::vector<const config::Config*> each;
  for (const tests::MachineFiles& machine : machines)
    each.push_back(&configs.emplace_back(configured(schema, machine, 0, 150'000, kLimit)));
  std::vector<ReplayOutcome> outcomes(each.size());
  AllOptions options;
  options.done = [&](size_t i, ReplayOutcome&& outcome) { outcomes[i] = std::move(outcome); };
  replay_all(each, options);
  for (size_t i = 0; i < machines.size(); ++i) {
    SCOPED_TRACE(machines[i].name);
    ASSERT_TRUE(outcomes[i].result);
    const stats::Report& report = outcomes[i].result->report;
    const auto& instructions = report.intervals()->instructions;
    ASSERT_EQ(instructions.size(), 3U);
    EXPECT_EQ(instructions[0], 150'000U);
    EXPECT_EQ(instructions[1], 300'000U);
    EXPECT_EQ(instructions.back(), report.value("run.instructions"));
    const auto series = series_of(report);
    constexpr size_t kSecond = 1;
    const auto& events = series.at("run.events");
    const stats::Report stopped =
        replay(configured(schema, machines[i], 0, 0,
                          instructions[kSecond] + events[0] + events[kSecond]),
               {})
            .report;
    for (const stats::Counter& counter : report.counters()) {
      const auto found = series.find(counter.name);
      if (found == series.end()) {
        EXPECT_EQ(counter.value, 0U) << counter.name;
        continue;
      }
      EXPECT_EQ(up_to(counter, found->second, found->second.size() - 1), counter.value)
          << counter.name;
      const stats::Counter* const then = stopped.find(counter.name);
      EXPECT_EQ(up_to(counter, found->second, kSecond), then == nullptr ? 0 : then->value)
          << counter.name;
    }
  }
}

// What a warm-up leaves out and what is counted are the whole; and intervals begin behind it.
TEST(Looks, WhatIsLeftOutAndTheRestAreTheWhole) {
  config::Schema schema;
  declare(schema);
  const tests::MachineFiles zen2{"zen2", {MMUSIM_SOURCE_DIR "/configs/machines/zen2.cfg"}};
  constexpr uint64_t kLimit = 400'000;
  const stats::Report whole = replay(configured(schema, zen2, 0, 0, kLimit), {}).report;
  const stats::Report rest = replay(configured(schema, zen2, 100'000, 100'000, kLimit), {}).report;
  const uint64_t left_out = rest.value("run.warmup.instructions");
  EXPECT_EQ(left_out, 100'000U);
  EXPECT_EQ(rest.intervals()->instructions.front(), 100'000U);
  EXPECT_EQ(rest.value("run.instructions") + left_out, whole.value("run.instructions"));
  EXPECT_EQ(rest.intervals()->instructions.back(), rest.value("run.instructions"));
  EXPECT_EQ(whole.find("run.warmup.instructions"), nullptr);
  // The first part by itself: the same batches, with the events there are in them.
  uint64_t limit = left_out;
  stats::Report first = replay(configured(schema, zen2, 0, 0, limit), {}).report;
  while (first.value("run.instructions") < left_out)
    first = replay(configured(schema, zen2, 0, 0, limit = left_out + first.value("run.events")), {})
                .report;
  for (const stats::Counter& counter : whole.counters()) {
    const uint64_t before = counter.kind == stats::CounterKind::Sum ? first.value(counter.name) : 0;
    EXPECT_EQ(rest.value(counter.name) + before, counter.value) << counter.name;
  }
}

// Events behind the last instruction are in the last interval, also where it is a whole one.
TEST(Looks, WhatIsBehindTheLastInstructionIsInTheLastInterval) {
  config::Schema schema;
  declare(schema);
  const tests::MachineFiles tiny{"tiny", {MMUSIM_SOURCE_DIR "/configs/machines/tiny.cfg"}};
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / fmt::format("mmusim_looks_end_{}.mmt", getpid());
  trace::Header header;
  header.isa = "x86_64";
  trace::Writer writer(path, header);
  writer.thread({Pid(1), Tid(1)});
  constexpr uint64_t kBase = 0x10000000, kBytes = 40 << 12;
  trace::MmapEvent event;
  event.length = kBytes;
  event.prot = 3;
  event.flags = 0x32;
  event.hint = VirtAddr(kBase);
  event.result = kBase;
  writer.event(event);
  for (uint64_t i = 0; i < 100; ++i) {
    writer.instruction(VirtAddr(0x400000 + 4 * i), 4);
    writer.access(AccessKind::Store, VirtAddr(kBase + i * 100), 8);
  }
  writer.event(trace::MunmapEvent{VirtAddr(kBase), kBytes, 0});
  writer.event(trace::ExitEvent{});
  writer.finish();
  for (const uint64_t interval : {25U, 30U, 100U, 1000U}) {
    SCOPED_TRACE(interval);
    config::Config config = configured(schema, tiny, 0, interval, 0);
    config.set("run.trace", path.string(), "test");
    const stats::Report report = replay(config, {}).report;
    const auto series = series_of(report);
    EXPECT_EQ(report.intervals()->instructions.size(), (100 + interval - 1) / interval);
    EXPECT_EQ(report.value("run.events"), 3u);
    for (const stats::Counter& counter : report.counters()) {
      const auto found = series.find(counter.name);
      const std::vector<uint64_t> none(report.intervals()->instructions.size(), 0);
      const auto& values = found == series.end() ? none : found->second;
      EXPECT_EQ(up_to(counter, values, values.size() - 1), counter.value) << counter.name;
    }
  }
  std::filesystem::remove(path);
}

// In the middle of a block or not, the counters at a look are those of a trace that ends there.
TEST(Looks, AreWhereATraceThatIsCutThereEnds) {
  config::Schema schema;
  declare(schema);
  const std::string path =
      (std::filesystem::temp_directory_path() / "mmusim_looks_cut.mmt").string();
  for (const char* const name : {"skylake-sp", "ultrasparc-iii"}) {
    const tests::MachineFiles machine{
        name, {std::string(MMUSIM_SOURCE_DIR "/configs/machines/") + name + ".cfg"}};
    // Blocks have ten instructions and more: some of these are within one.
    for (const uint64_t at : {30'001U, 30'002U, 30'005U}) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(at));
      trace::cut(kPipeline, {.from = 0, .to = at}, path);
      config::Config part = configured(schema, machine, 0, 0, 0);
      part.set("run.trace", path, "test");
      const stats::Report cut = replay(part, {}).report;
      const stats::Report all = replay(configured(schema, machine, 0, at, 50'000), {}).report;
      EXPECT_EQ(all.intervals()->instructions.front(), at);
      const auto series = series_of(all);
      for (const stats::Counter& counter : cut.counters()) {
        const auto found = series.find(counter.name);
        EXPECT_EQ(found == series.end() ? 0 : found->second.front(), counter.value) << counter.name;
      }
    }
  }
  std::filesystem::remove(path);
}

// An interval that ends behind all numbers of instructions is the last.
TEST(Looks, AnIntervalMayBeLongerThanAnyRun) {
  for (const uint64_t interval : {UINT64_MAX, UINT64_MAX - 99, UINT64_MAX / 2 + 1}) {
    Looks looks(100, interval);
    ASSERT_EQ(looks.next(), 100u);
    looks.made(100);
    if (interval <= UINT64_MAX - 100) {
      ASSERT_EQ(looks.next(), 100 + interval);
      looks.made(100 + interval);
    }
    EXPECT_EQ(looks.next(), std::nullopt) << interval;
  }
}

// Of a trace with many chunks: those without a look come from page streams, the others from the
// columns, and what is counted is what a run of all references counts; in one pass of machines that
// are given different streams, too.
TEST(Looks, PageStreamsBetweenThemCountTheSame) {
  const std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("mmusim_looks_{}.mmt", getpid()))
          .string();
  differential::RandomHistory(11).write(path, 350);
  const uint64_t all = trace::Reader(path).totals()->instructions;
  ASSERT_GT(trace::Reader(path).chunks().size(), 5U);
  config::Schema schema;
  declare(schema);
  struct Case {
    uint64_t warmup, interval, limit;
  };
  const uint64_t first = trace::Reader(path).chunks().front().totals.instructions;
  for (const Case& c :
       {Case{all / 2, all / 3, 0}, Case{0, 0, all / 2 + 7}, Case{first, all / 2, all - 100}}) {
    SCOPED_TRACE(fmt::format("{} {} {}", c.warmup, c.interval, c.limit));
    std::vector<config::Config> configs;
    for (const char* const machine : {"skylake-sp", "zen2", "tiny"})
      for (const char* const stream : {"auto", "full"}) {
        const tests::MachineFiles files{
            machine, {std::string(MMUSIM_SOURCE_DIR "/configs/machines/") + machine + ".cfg"}};
        configs.push_back(configured(schema, files, c.warmup, c.interval, c.limit));
        configs.back().set("run.trace", path, "test");
        configs.back().set("run.stream", stream, "test");
      }
    std::vector<const config::Config*> each;
    for (const config::Config& config : configs)
      each.push_back(&config);
    std::vector<ReplayOutcome> outcomes(each.size());
    AllOptions options;
    options.done = [&](size_t i, ReplayOutcome&& outcome) { outcomes[i] = std::move(outcome); };
    replay_all(each, options);
    for (size_t i = 0; i < each.size(); i += 2) {
      ASSERT_TRUE(outcomes[i].result && outcomes[i + 1].result);
      const ReplayResult& some = *outcomes[i].result;
      const ReplayResult& full = *outcomes[i + 1].result;
      const auto& chunks = some.streams.chunks;
      if (i == 0) {  // it has two first levels with sets
        EXPECT_GT(chunks[1] + chunks[2], 0U);
        EXPECT_GT(chunks[0], 0U);
      }
      EXPECT_EQ(full.streams.chunks[1] + full.streams.chunks[2], 0U);
      EXPECT_EQ(some.totals, full.totals);
      EXPECT_EQ(some.stopped, full.stopped);
      EXPECT_EQ(some.stopped, c.limit != 0);
      ASSERT_EQ(some.report.counters().size(), full.report.counters().size());
      for (const stats::Counter& counter : full.report.counters())
        EXPECT_EQ(some.report.value(counter.name), counter.value) << counter.name;
      ASSERT_EQ(some.report.intervals().has_value(), c.interval != 0);
      if (c.interval == 0) continue;
      EXPECT_EQ(some.report.intervals()->instructions, full.report.intervals()->instructions);
      EXPECT_EQ(series_of(some.report), series_of(full.report));
    }
  }
  std::filesystem::remove(path);
}

TEST(Looks, NothingIsLeftToCount) {
  config::Schema schema;
  declare(schema);
  const tests::MachineFiles tiny{"tiny", {MMUSIM_SOURCE_DIR "/configs/machines/tiny.cfg"}};
  EXPECT_THROW(replay(configured(schema, tiny, 100'000, 0, 20'000), {}), Error);
}

// By what they mean, whatever the machine: no sum is called "now", or "the most".
TEST(Looks, WhatIsAStateSaysSo) {
  config::Schema schema;
  declare(schema);
  const std::regex state(R"(\bnow\b|at the end\b|^The most|^Most |\bat most\b|_peak$|\.peak$)");
  for (const tests::MachineFiles& machine : tests::machine_files_by_effort()) {
    config::Config config = configured(schema, machine, 0, 0, 0);
    config.set("kernel.swap_pages", "1000", "test");
    const stats::Report report = catalog(config);
    for (const stats::Counter& counter : report.counters()) {
      const bool says_so =
          std::regex_search(counter.meaning, state) || std::regex_search(counter.name, state);
      if (!says_so || counter.meaning.starts_with("Batches of at most")) continue;
      EXPECT_EQ(counter.kind, stats::CounterKind::State) << counter.name;
    }
  }
}

}  // namespace looks_test
}  // namespace mmusim::sim
