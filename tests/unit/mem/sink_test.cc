#include "mem/sink.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"
#include "config/schema.h"
#include "mem/cache.h"

namespace mmusim::mem {
namespace sink_test {

config::Config configured(config::Schema& schema,
                          std::initializer_list<std::pair<const char*, const char*>> settings) {
  ReferenceSink::declare(schema);
  config::Config config(schema);
  for (const auto& [key, value] : settings)
    config.set(key, value, "test");
  return config;
}

TEST(Sink, CountsByOriginLevelAndKind) {
  ReferenceSink sink;
  sink.reference(PhysAddr(0x1000), 8, false, {.origin = Origin::Walker, .level = 3});
  sink.reference(PhysAddr(0x1000), 8, false, {.origin = Origin::Walker, .level = 3});
  sink.reference(PhysAddr(0x1000), 8, true, {.origin = Origin::Walker, .level = 3});
  sink.reference_run(PhysAddr(0x2000), 8, 512, true, {.origin = Origin::Kernel, .level = 0});
  EXPECT_EQ(sink.count(Origin::Walker, 3, false), 2u);
  EXPECT_EQ(sink.count(Origin::Walker, 3, true), 1u);
  EXPECT_EQ(sink.count(Origin::Walker, 0, false), 0u);
  EXPECT_EQ(sink.count(Origin::Kernel, 0, true), 512u);
  EXPECT_EQ(sink.total(Origin::Walker), 3u);
  EXPECT_EQ(sink.total(Origin::Handler), 0u);
  EXPECT_FALSE(sink.has_caches());
}

TEST(Sink, WhatTheKernelsCodeDoesForAHandlerIsTheHandlers) {
  ReferenceSink sink;
  const auto touch = [&](Origin origin) {
    sink.reference(PhysAddr(0x1000), 8, true, {.origin = origin});
    sink.reference_run(PhysAddr(0x2000), 8, 4, false, {.origin = origin});
  };
  {
    const ReferenceSink::ActingAs acting(sink, Origin::Handler);
    touch(Origin::Kernel);
    touch(Origin::Walker);
  }
  EXPECT_EQ(sink.total(Origin::Kernel), 0u);
  EXPECT_EQ(sink.total(Origin::Handler), 5u);
  EXPECT_EQ(sink.total(Origin::Walker), 5u);
  touch(Origin::Kernel);
  EXPECT_EQ(sink.total(Origin::Kernel), 5u);
}

// A line of 128 bytes is one reference, whatever lines the caches have.
TEST(Sink, ALongLineIsLookedUpInEachOfTheCaches) {
  for (const auto& [line, lookups] : {std::pair("64", 2u), std::pair("128", 1u), {"32", 4u}}) {
    config::Schema schema;
    ReferenceSink sink(configured(schema, {{"cache.enabled", "true"}, {"cache.line", line}}));
    const Touch walker{.origin = Origin::Walker};
    EXPECT_EQ(sink.reference(PhysAddr(0x1020), 8, false, walker), Place::Memory);
    // The slowest of the parts.
    EXPECT_EQ(sink.reference(PhysAddr(0x1000), 128, false, walker),
              lookups == 1 ? Place::L1 : Place::Memory);
    EXPECT_EQ(sink.reference(PhysAddr(0x1000), 128, false, walker), Place::L1);
    EXPECT_EQ(sink.total(Origin::Walker), 3u);
    // Each counts once, where the slowest part was.
    const uint64_t from_memory = lookups == 1 ? 1 : 2;
    EXPECT_EQ(sink.caches()->hits(Origin::Walker, Place::Memory), from_memory);
    EXPECT_EQ(sink.caches()->hits(Origin::Walker, Place::L1), 3 - from_memory);
  }
}

TEST(Sink, CyclesWithoutCaches) {
  config::Schema schema;
  const config::Config config = configured(schema, {{"cost.reference", "25"}});
  ReferenceSink sink(config);
  sink.reference_run(PhysAddr(0), 8, 4, false, {.origin = Origin::Handler, .level = 1});
  EXPECT_EQ(sink.cycles(Origin::Handler), 100u);
  stats::Report report;
  sink.report(report);
  EXPECT_EQ(report.value("refs.handler.cycles"), 100u);
  EXPECT_EQ(report.value("refs.handler.level1.reads"), 4u);
  EXPECT_EQ(report.value("refs.handler.writes"), 0u);
  EXPECT_EQ(report.find("refs.handler.served.l1"), nullptr);
  for (const stats::Counter& counter : report.counters())
    EXPECT_TRUE(counter.denominator.empty() || report.find(counter.denominator) != nullptr)
        << counter.name;
}

TEST(Sink, KindsOfReferencesHavePricesOfTheirOwn) {
  config::Schema schema;
  const config::Config config =
      configured(schema, {{"cost.reference", "25"}, {"cost.reference.walker", "6"}});
  ReferenceSink sink(config);
  for (const Origin origin : {Origin::Walker, Origin::Handler, Origin::Kernel})
    sink.reference(PhysAddr(0), 8, false, {.origin = origin});
  EXPECT_EQ(sink.cycles(Origin::Walker), 6u);
  EXPECT_EQ(sink.cycles(Origin::Handler), 25u);
  EXPECT_EQ(sink.cycles(Origin::Kernel), 25u);
  // As the effective configuration has it: "same" stays what cost.reference is.
  config::Config again(schema);
  again.load_text(config.effective(), "effective.cfg");
  EXPECT_EQ(again.effective(), config.effective());
  again.set("cost.reference", "30", "test");
  EXPECT_EQ(ReferenceSink(again).costs().uncached(Origin::Kernel), 30u);
}

TEST(Sink, OfReferencesMadeAtTheSameTimeTheSlowestCounts) {
  const Touch walker{.origin = Origin::Walker};
  const Touch beside{.origin = Origin::Walker, .beside = true};
  ReferenceSink plain;
  for (const Touch& touch : {walker, beside, beside, walker})
    plain.reference(PhysAddr(0x1000), 8, false, touch);
  EXPECT_EQ(plain.total(Origin::Walker), 4u);
  EXPECT_EQ(plain.cycles(Origin::Walker), 2 * plain.costs().uncached(Origin::Walker));

  config::Schema schema;
  ReferenceSink sink(configured(schema, {{"cache.enabled", "true"}}));
  const CostTable& costs = sink.costs();
  const auto took = [&](uint64_t address, const Touch& touch) {
    const uint64_t before = sink.cycles(Origin::Walker);
    sink.reference(PhysAddr(address), 8, false, touch);
    return sink.cycles(Origin::Walker) - before;
  };
  EXPECT_EQ(took(0x1000, walker), costs.memory);
  EXPECT_EQ(took(0x1008, walker), costs.l1);
  EXPECT_EQ(took(0x2000, beside), costs.memory - costs.l1);  // as long as it takes longer
  EXPECT_EQ(took(0x3000, beside), 0u);
  EXPECT_EQ(took(0x3000, walker), costs.l1);
}

TEST(Sink, ALockedChangeIsOneReference) {
  ReferenceSink sink;
  {
    const ReferenceSink::ActingAs acting(sink, Origin::Walker, ReferenceSink::Access::Locked);
    sink.reference(PhysAddr(0x1000), 8, false, {.origin = Origin::Kernel});
    sink.reference_run(PhysAddr(0x1000), 16, 4, false, {.origin = Origin::Kernel});
    sink.reference_run(PhysAddr(0x1000), 16, 4, true, {.origin = Origin::Kernel});
    sink.reference(PhysAddr(0x1000), 8, false, {.origin = Origin::Walker});  // its own
  }
  sink.reference(PhysAddr(0x1000), 8, false, {.origin = Origin::Kernel});
  EXPECT_EQ(sink.total(Origin::Walker), 5u);
  EXPECT_EQ(sink.total(Origin::Kernel), 1u);
}

TEST(Sink, FetchesOfTheProgramAreCountedApart) {
  config::Schema schema;
  const config::Config config = configured(schema, {{"cache.enabled", "true"}});
  ReferenceSink sink(config);
  const Touch fetch{.origin = Origin::User, .fetch = true};
  EXPECT_EQ(sink.reference(PhysAddr(0), 4, false, fetch), Place::Memory);
  EXPECT_EQ(sink.reference(PhysAddr(4), 4, false, fetch), Place::L1I);
  EXPECT_EQ(sink.reference(PhysAddr(8), 4, false, {.origin = Origin::User}), Place::L2);
  stats::Report report;
  sink.report(report);
  EXPECT_EQ(report.value("refs.user.reads"), 3u);
  EXPECT_EQ(report.value("refs.user.fetches"), 2u);
  EXPECT_EQ(report.value("refs.user.served.l1i"), 1u);
  EXPECT_EQ(report.value("refs.user.served.l1"), 0u);
  EXPECT_EQ(report.value("refs.user.cycles"), 200u + 0 + 14);  // a hit of a fetch takes no more
  EXPECT_EQ(report.find("refs.walker.served.l1i"), nullptr);
}

TEST(Sink, CyclesAreCountsTimesCosts) {
  config::Schema schema;
  const config::Config config = configured(schema, {{"cache.enabled", "true"},
                                                    {"cache.l1.bytes", "128"},
                                                    {"cache.l1.ways", "2"},
                                                    {"cache.l2.bytes", "256"},
                                                    {"cache.l2.ways", "4"},
                                                    {"cache.l3.bytes", "0"},
                                                    {"cost.l1", "1"},
                                                    {"cost.l2", "10"},
                                                    {"cost.l3", "100"},
                                                    {"cost.memory", "1000"}});
  ReferenceSink sink(config);
  ASSERT_TRUE(sink.has_caches());
  // 16 words over two lines: two from memory, fourteen from L1.
  sink.reference_run(PhysAddr(0), 8, 16, false, {.origin = Origin::Kernel, .level = 0});
  EXPECT_EQ(sink.cycles(Origin::Kernel), 2 * 1000u + 14 * 1u);
  // A third and fourth line push them out to L2.
  sink.reference(PhysAddr(128), 8, false, {.origin = Origin::User});
  sink.reference(PhysAddr(192), 8, false, {.origin = Origin::User});
  sink.reference(PhysAddr(0), 8, false, {.origin = Origin::Walker, .level = 2});
  EXPECT_EQ(sink.cycles(Origin::User), 2000u);
  EXPECT_EQ(sink.cycles(Origin::Walker), 10u);
  stats::Report report;
  sink.report(report);
  EXPECT_EQ(report.value("refs.kernel.served.l1"), 14u);
  EXPECT_EQ(report.value("refs.kernel.served.memory"), 2u);
  EXPECT_EQ(report.value("refs.walker.served.l2"), 1u);
}

// A run is the same as its words one by one, whatever the stride.
TEST(Sink, RunsAreTheSameAsSingleReferences) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    config::Schema schema;
    const config::Config config = configured(schema, {{"cache.enabled", "true"},
                                                      {"cache.l1.bytes", "512"},
                                                      {"cache.l1.ways", "2"},
                                                      {"cache.l2.bytes", "2K"},
                                                      {"cache.l2.ways", "4"},
                                                      {"cache.l1.line", "32"},
                                                      {"cache.walker", seed % 2 == 0 ? "l1" : "l2"},
                                                      {"cache.l3.bytes", "8K"}});
    ReferenceSink runs(config);
    ReferenceSink singles(config);
    Random random(seed);
    for (int i = 0; i < 200; ++i) {
      const PhysAddr first(random.below(1 << 12) * 8);
      const uint64_t stride = 8 * random.below(12);
      const uint64_t count = random.below(40);
      const Touch touch{.origin = static_cast<Origin>(random.below(kOrigins)),
                        .level = static_cast<uint8_t>(random.below(4))};
      const bool write = random.below(2) == 0;
      runs.reference_run(first, stride, count, write, touch);
      for (uint64_t n = 0; n < count; ++n)
        singles.reference(first + n * stride, 8, write, touch);
    }
    for (unsigned o = 0; o < kOrigins; ++o) {
      const auto origin = static_cast<Origin>(o);
      for (unsigned i = 0; i < kPlaces; ++i) {
        const auto place = static_cast<Place>(i);
        EXPECT_EQ(runs.caches()->hits(origin, place), singles.caches()->hits(origin, place));
      }
      for (unsigned level = 0; level < kMaxLevels; ++level)
        for (const bool write : {false, true})
          EXPECT_EQ(runs.count(origin, level, write), singles.count(origin, level, write));
      EXPECT_EQ(runs.cycles(origin), singles.cycles(origin));
    }
  }
}

TEST(Sink, BadCacheGeometryNamesTheKey) {
  config::Schema schema;
  const config::Config config =
      configured(schema, {{"cache.enabled", "true"}, {"cache.l2.ways", "3"}});
  try {
    ReferenceSink sink(config);
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("cache.l2"), std::string::npos) << error.what();
  }
}

}  // namespace sink_test
}  // namespace mmusim::mem
