// The counts of curves against replays on a machine that has nothing else in its TLBs: one level,
// pages of 4K only, as many address-space numbers as anybody can want, and a kernel that flushes
// page by page.
#include <algorithm>
#include <array>
#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "config/schema.h"
#include "random_history.h"
#include "sim/curve/measure_curves.h"
#include "sim/simulation.h"
#include "tests/effort.h"
#include "trace/reader.h"
#include "trace/writer.h"

namespace mmusim::sim {
namespace curve_test {

constexpr const char* kPipeline = MMUSIM_SOURCE_DIR "/workloads/traces/pipeline.mmt";

class CurveReplay : public testing::Test {
 protected:
  CurveReplay() : trace_(testing::TempDir() + "curve_" + std::to_string(getpid()) + ".mmt") {
    declare(schema_);
  }
  ~CurveReplay() override { std::filesystem::remove(trace_); }

  [[nodiscard]] config::Config machine(const std::string& trace, uint64_t limit) const {
    config::Config config(schema_);
    config.load(MMUSIM_SOURCE_DIR "/configs/machines/tiny.cfg");
    config.set("run.trace", trace, "test");
    config.set("run.limit", std::to_string(limit), "test");
    for (const auto& [key, value] :
         std::vector<std::pair<std::string, std::string>>{{"tlb.l2.entries", "0"},
                                                          {"tlb.l1i.pages", "4K"},
                                                          {"tlb.l1d.pages", "4K"},
                                                          {"x86.direct_map", "false"},
                                                          {"x86.pcid_slots", "1000"},
                                                          {"x86.flush_ceiling", "1000000"}})
      config.set(key, value, "test");
    return config;
  }

  // All counts from page streams against those of all references. How many chunks had some.
  uint64_t compare_streams(const std::string& trace, const CurveOptions& options) const {
    config::Config config = machine(trace, 0);
    const Curves pages = measure_curves(config, options, {});
    config.set("run.stream", "full", "test");
    const Curves full = measure_curves(config, options, {});
    EXPECT_EQ(pages.curves.size(), full.curves.size());
    for (size_t i = 0; i < full.curves.size(); ++i) {
      EXPECT_EQ(pages.curves[i].lookups, full.curves[i].lookups);
      for (unsigned log2 = 0; log2 < tlb::LruFamily::kSetCounts; ++log2)
        for (unsigned ways = 1; ways <= tlb::LruFamily::kMostWays; ++ways)
          EXPECT_EQ(pages.curves[i].misses.of(log2, ways), full.curves[i].misses.of(log2, ways))
              << i << ": " << (1U << log2) << " sets of " << ways;
    }
    return pages.streams.chunks[static_cast<size_t>(trace::References::Any)];
  }

  // Some geometries at random.
  void compare(const std::string& trace, uint64_t seed, unsigned geometries, uint64_t limit = 0) {
    config::Config config = machine(trace, limit);
    const Curves curves = measure_curves(config, {}, {});
    ASSERT_EQ(curves.curves.size(), 2U);
    Random random(seed);
    for (unsigned i = 0; i < geometries; ++i) {
      const auto log2 = static_cast<unsigned>(random.below(8));
      const auto ways = static_cast<unsigned>(1 + random.below(random.below(2) == 0 ? 4 : 64));
      for (const char* const level : {"tlb.l1i", "tlb.l1d"}) {
        config.set(std::string(level) + ".ways", std::to_string(ways), "test");
        config.set(std::string(level) + ".entries", std::to_string(ways << log2), "test");
      }
      const stats::Report report = replay(config, {}).report;
      const std::string what =
          std::to_string(1U << log2) + " sets of " + std::to_string(ways) + ", " + trace;
      EXPECT_EQ(curves.curves[0].lookups, report.value("tlb.l1i.lookups")) << what;
      EXPECT_EQ(curves.curves[1].lookups, report.value("tlb.l1d.lookups")) << what;
      EXPECT_EQ(curves.curves[0].misses.of(log2, ways), report.value("tlb.l1i.misses")) << what;
      EXPECT_EQ(curves.curves[1].misses.of(log2, ways), report.value("tlb.l1d.misses")) << what;
    }
  }

  config::Schema schema_;
  std::string trace_;
};

// Second levels, of a side each or of both, behind first levels: some geometries of all at random.
TEST_F(CurveReplay, BehindFirstLevels) {
  Random random(5);
  const auto below = [&](uint64_t n) { return static_cast<unsigned>(random.below(n)); };
  for (uint64_t seed = 21; seed < (tests::kWholeEffort ? 33 : 25); ++seed) {
    differential::RandomHistory(seed).write(trace_, 200);
    config::Config config = machine(trace_, 0);
    const auto set = [&](const std::string& level, unsigned sets, unsigned ways) {
      config.set("tlb." + level + ".ways", std::to_string(ways), "test");
      config.set("tlb." + level + ".entries", std::to_string(ways * sets), "test");
      config.set("tlb." + level + ".pages", "4K", "test");
    };
    const std::array<FirstLevel, 2> first = {
        {{1U << below(4), 1 + below(4)}, {1U << below(4), 1 + below(4)}}};
    const Curves curves =
        measure_curves(config, {.pages = {}, .unified = true, .behind = first}, {});
    ASSERT_EQ(curves.curves.size(), 3U);
    set("l1i", first[0].sets, first[0].ways);
    set("l1d", first[1].sets, first[1].ways);
    const unsigned log2 = below(6);
    const unsigned ways = 1 + below(12);
    const std::string what = std::to_string(1U << log2) + " sets of " + std::to_string(ways) +
                             ", seed " + std::to_string(seed);
    const auto expect = [&](CurveSide side, const stats::Report& report, const std::string& level) {
      const Curve& curve = curves.curves[static_cast<size_t>(side)];
      ASSERT_EQ(curve.side, side);
      EXPECT_EQ(curve.lookups, report.value("tlb." + level + ".lookups")) << level << ", " << what;
      EXPECT_EQ(curve.misses.of(log2, ways), report.value("tlb." + level + ".misses"))
          << level << ", " << what;
    };
    set("l2", 1U << log2, ways);
    expect(CurveSide::Unified, replay(config, {}).report, "l2");
    set("l2i", 1U << log2, ways);
    const stats::Report apart = replay(config, {}).report;
    expect(CurveSide::Fetches, apart, "l2i");
    expect(CurveSide::Data, apart, "l2");
  }
}

TEST_F(CurveReplay, RandomHistories) {
  for (uint64_t seed = 1; seed <= (tests::kWholeEffort ? 12 : 4); ++seed) {
    differential::RandomHistory(seed).write(trace_, 200);
    compare(trace_, seed, 3);
  }
}

TEST_F(CurveReplay, PageStreamsCountTheSame) {
  uint64_t of_pages = 0;
  for (uint64_t seed = 21; seed <= 23; ++seed) {
    differential::RandomHistory(seed).write(trace_, 200);
    of_pages += compare_streams(trace_, {.pages = {PageShift(12), PageShift(16)}});
  }
  EXPECT_GT(of_pages, 0u);
}

TEST_F(CurveReplay, OfARealTrace) {
  compare(kPipeline, 1, tests::kWholeEffort ? 4 : 1, 4'000'000);
}

// One TLB for both sides, as plainly as it can be said: no machine here has one.
class UnifiedTlb {
 public:
  UnifiedTlb(unsigned log2_sets, unsigned ways)
      : ways_(ways), mask_((uint64_t{1} << log2_sets) - 1), sets_(size_t{1} << log2_sets) {}
  void look_up(uint64_t page) {
    std::vector<uint64_t>& set = sets_[page & mask_];  // the last used first
    const auto found = std::find(set.begin(), set.end(), page);
    if (found == set.end())
      ++misses;
    else
      set.erase(found);
    set.insert(set.begin(), page);
    if (set.size() > ways_) set.pop_back();
  }
  uint64_t misses = 0;

 private:
  size_t ways_;
  uint64_t mask_;
  std::vector<std::vector<uint64_t>> sets_;
};

TEST_F(CurveReplay, BothSidesInOneTlb) {
  struct Geometry {
    unsigned log2_sets;
    unsigned ways;
  };
  const std::vector<Geometry> geometries = {{0, 1}, {0, 2}, {0, 5}, {0, 64}, {1, 1}, {2, 1},
                                            {2, 2}, {4, 1}, {4, 3}, {6, 4},  {12, 1}};
  std::vector<UnifiedTlb> plain;
  for (const auto& [log2_sets, ways] : geometries)
    plain.emplace_back(log2_sets, ways);
  uint64_t lookups = 0;
  {
    trace::Header header;
    header.isa = "x86_64";
    trace::Writer writer(trace_, header);
    writer.thread({Pid(1), Tid(1)});
    const auto look_up = [&](uint64_t va) {
      ++lookups;
      for (UnifiedTlb& tlb : plain)
        tlb.look_up(va >> 12);
    };
    Random random(3);
    uint64_t code = 0x400000;
    for (unsigned i = 0; i < 30000; ++i) {
      if (i % 8 == 0) code = 0x400000 + random.below(1 + random.below(20)) * 0x1000;
      code += 4;
      const bool crosses = random.below(50) == 0;
      const uint64_t pc = crosses ? (code | 0xffe) : code;
      writer.instruction(VirtAddr(pc), 4);
      look_up(pc);
      if (crosses) look_up(pc + 4);
      for (uint64_t n = random.below(3); n > 0; --n) {
        const uint64_t page = random.below(1 + random.below(1 + random.below(100)));
        const uint64_t va = 0x10000000 + page * 0x1000 + random.below(0x1000);
        writer.access(n == 1 ? AccessKind::Load : AccessKind::Store, VirtAddr(va), 8);
        look_up(va);
        if ((va & 0xfff) > 0xff8) look_up(va + 7);
      }
    }
    writer.finish();
  }
  const Curves curves = measure_curves(machine(trace_, 0), {.pages = {}, .unified = true}, {});
  const Curves apart = measure_curves(machine(trace_, 0), {}, {});
  ASSERT_EQ(curves.curves.size(), 3U);
  EXPECT_EQ(curves.curves[2].lookups, lookups);
  for (size_t i = 0; i < plain.size(); ++i) {
    const auto& [log2_sets, ways] = geometries[i];
    EXPECT_EQ(curves.curves[2].misses.of(log2_sets, ways), plain[i].misses)
        << (1U << log2_sets) << " sets of " << ways;
    for (const size_t side : {0U, 1U})
      EXPECT_EQ(curves.curves[side].misses.of(log2_sets, ways),
                apart.curves[side].misses.of(log2_sets, ways));
  }
}

TEST_F(CurveReplay, LargerPagesMissLess) {
  differential::RandomHistory(6).write(trace_, 200);
  const Curves curves = measure_curves(
      machine(trace_, 0),
      {.pages = {PageShift(12), PageShift(16), PageShift(21)}, .unified = false}, {});
  ASSERT_EQ(curves.curves.size(), 6U);
  for (const size_t side : {0U, 1U})
    for (const size_t size : {2U, 4U}) {
      EXPECT_EQ(curves.curves[size + side].lookups, curves.curves[side].lookups);
      EXPECT_LT(curves.curves[size + side].misses.of(0, 64),
                curves.curves[size - 2 + side].misses.of(0, 64));
    }
}

TEST_F(CurveReplay, WhatNoCurveCanBe) {
  differential::RandomHistory(1).write(trace_, 20);
  config::Config config = machine(trace_, 0);
  EXPECT_THROW(measure_curves(config, {.pages = {PageShift(11)}, .unified = false}, {}),
               UsageError);
  EXPECT_THROW(measure_curves(config, {.pages = {PageShift(37)}, .unified = false}, {}),
               UsageError);
  config.set("machine.cpus", "2", "test");
  EXPECT_THROW(measure_curves(config, {}, {}), UsageError);
}

}  // namespace curve_test
}  // namespace mmusim::sim
