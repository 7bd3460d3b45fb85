// A trace small enough to work out every number by hand.
#include <filesystem>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>

#include "base/error.h"
#include "sim/simulation.h"
#include "tests/unit/sim/trace_by_hand.h"
#include "trace/writer.h"

namespace mmusim::sim {
namespace replay_test {

constexpr uint64_t kPage = 4096;

class SmallTrace : public tests::TraceByHand {
 protected:
  void map(uint64_t start, uint64_t pages, uint32_t prot) {
    trace::MmapEvent event;
    event.hint = VirtAddr(start);
    event.length = pages * kPage;
    event.prot = prot;
    event.flags = 0x32;  // private, fixed, anonymous
    event.result = static_cast<int64_t>(start);
    writer_->event(event);
  }

  stats::Report run(bool check = true, const std::function<void(config::Config&)>& configure = {}) {
    config::Config config = config_of_trace();
    config.set("run.check", check ? "true" : "false", "test");
    if (configure) configure(config);
    return replay(config, {}).report;
  }
};

TEST_F(SmallTrace, CountsWhatAProgramDoes) {
  thread(1);
  map(0x400000, 1, 5);    // code, r-x
  map(0x10000000, 2, 3);  // data, rw-
  fetch(0x400000);        // faults: read of an anonymous page gives the zero page
  load(0x10000000);       // faults: the zero page again
  store(0x10000008);      // faults: a page of its own
  fetch(0x400004);
  store(0x10000010);  // hits
  load(0x10000ffc);   // 8 bytes over the page end: a hit, and a fault in the second page
  const stats::Report report = run();

  EXPECT_EQ(report.value("run.instructions"), 2u);
  EXPECT_EQ(report.value("access.fetches"), 2u);
  EXPECT_EQ(report.value("access.data"), 5u) << "four accesses, one of them in two pages";
  EXPECT_EQ(report.value("access.straddles"), 1u);
  EXPECT_EQ(report.value("access.retries"), 4u) << "one for each fault";
  EXPECT_EQ(report.value("access.refused"), 0u);
  EXPECT_EQ(report.value("tlb.l1i.lookups"), 2u);
  EXPECT_EQ(report.value("tlb.l1i.misses"), 1u);
  EXPECT_EQ(report.value("tlb.l1d.lookups"), 5u);
  // load: miss. store: hits the read-only zero page and is refused there. store: hit. straddle:
  // hit, miss.
  EXPECT_EQ(report.value("tlb.l1d.misses"), 2u);
  EXPECT_EQ(report.value("kernel.faults.minor"), 4u);
}

TEST_F(SmallTrace, AWriteAfterForkIsACopyAndTheOtherSideKeepsItsPage) {
  thread(1);
  map(0x400000, 1, 5);
  map(0x10000000, 1, 3);
  fetch(0x400000);
  store(0x10000000);
  writer_->event(trace::ForkEvent{{Pid(2), Tid(2)}, 0, false});
  thread(2);
  fetch(0x400000);
  store(0x10000000);  // copies
  writer_->event(trace::ExitEvent{0, true});
  thread(1);
  fetch(0x400000);
  store(0x10000000);  // the only user left: made writable again, no copy
  const stats::Report report = run();
  EXPECT_EQ(report.value("kernel.faults.cow_copy"), 1u);
  EXPECT_EQ(report.value("kernel.faults.cow_reuse"), 1u);
  EXPECT_EQ(report.value("kernel.forks"), 1u);
}

TEST_F(SmallTrace, TouchingWhatWasUnmappedFaultsAgain) {
  thread(1);
  map(0x400000, 1, 5);
  map(0x10000000, 1, 3);
  fetch(0x400000);
  store(0x10000000);
  writer_->event(trace::MunmapEvent{VirtAddr(0x10000000), kPage, 0});
  map(0x10000000, 1, 3);
  fetch(0x400004);
  store(0x10000000);
  const stats::Report report = run();
  EXPECT_EQ(report.value("kernel.faults.minor"), 3u) << "code, data, data again";
  EXPECT_EQ(report.value("tlb.l1d.misses"), 2u);
}

TEST_F(SmallTrace, TheLimitStopsTheReplay) {
  thread(1);
  map(0x400000, 1, 5);
  for (unsigned round = 0; round < 50000; ++round)
    fetch(0x400000 + (round % 2) * 64);
  const stats::Report report =
      run(false, [](config::Config& config) { config.set("run.limit", "10", "test"); });
  EXPECT_EQ(report.value("run.instructions") + report.value("run.events"), 10u);
}

TEST_F(SmallTrace, RunningOutOfMemoryIsAnErrorThatNamesTheKey) {
  thread(1);
  map(0x400000, 1, 5);
  map(0x10000000, 4096, 3);
  fetch(0x400000);
  for (unsigned i = 0; i < 200; ++i)
    store(0x10000000 + i * kPage);
  try {
    run(false, [](config::Config& config) { config.set("mem.bytes", "256K", "test"); });
    FAIL() << "64 frames held 200 pages";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("mem.bytes"));
  }
}

TEST_F(SmallTrace, CachesSeeTheProgramsAccesses) {
  thread(1);
  map(0x400000, 1, 5);
  map(0x10000000, 1, 3);
  fetch(0x400000);
  store(0x10000000);
  load(0x10000000);
  load(0x1000003c, 8);  // two lines
  const stats::Report report =
      run(true, [](config::Config& config) { config.set("cache.enabled", "true", "test"); });
  EXPECT_EQ(report.value("refs.user"), 5u);
}

TEST(Catalog, NamesEveryCounterOnceWithMeaning) {
  config::Schema schema;
  declare(schema);
  const stats::Report report = catalog(config::Config(schema));
  EXPECT_GT(report.counters().size(), 50u);
  for (const stats::Counter& counter : report.counters()) {
    EXPECT_FALSE(counter.meaning.empty()) << counter.name;
    if (!counter.name.starts_with("mem.")) {  // the memory a machine has, and sets aside
      EXPECT_EQ(counter.value, 0u) << counter.name;
    }
    if (!counter.denominator.empty()) {
      EXPECT_NE(report.find(counter.denominator), nullptr)
          << counter.name << " is divided by " << counter.denominator << ", which is not reported";
    }
  }
}

TEST_F(SmallTrace, ATableThatCannotMapTheAddressesIsAUsageError) {
  EXPECT_THROW(run(false,
                   [](config::Config& config) {
                     config.set("pt.mlpt.levels", "12:9:leaf,21:9:leaf,30:9", "test");
                   }),
               UsageError);
}

// A machine of 32-bit addresses: core2 has XD, pentium4's entries cannot refuse a fetch.
class SmallMachine : public SmallTrace {
 protected:
  stats::Report run_on(const std::string& machine, const char* relocate = "auto",
                       const char* backend = "mlpt") {
    return run(true, [&](config::Config& config) {
      config.load(std::string(MMUSIM_SOURCE_DIR) + "/configs/machines/" + machine + ".cfg");
      config.set("run.relocate", relocate, "test");
      config.set("kernel.imply", "false", "test");
      config.set("kernel.thp", "always", "test");
      config.set("machine.page_table", backend, "test");
      config.set("run.limit", limit_, "test");
    });
  }
  std::string limit_ = "0";
  std::string refusal(const char* relocate) {
    try {
      run_on("core2", relocate);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }
};

TEST_F(SmallMachine, AFetchIsAReadWhereEntriesCannotTell) {
  thread(1);
  map(0x400000, 1, 5);    // r-x
  map(0x10000000, 2, 3);  // rw-
  fetch(0x400000);
  store(0x10000000);
  fetch(0x10000000);
  fetch(0x10001000);  // not there yet: the fault is a read's
  const stats::Report told = run_on("core2");
  EXPECT_EQ(told.value("access.refused"), 2u);
  const stats::Report untold = run_on("pentium4");
  EXPECT_EQ(untold.value("access.refused"), 0u);
  // Where entries can tell, the page is mapped too, as for a read, before the fetch is refused.
  EXPECT_EQ(untold.value("kernel.faults.minor"), told.value("kernel.faults.minor"));
}

TEST_F(SmallMachine, HugePagesAreOfWhatAPdeMaps) {
  thread(1);
  map(0x400000, 1, 5);
  map(0x10000000, 0x1000, 3);  // 16M, which relocation aligns: below 0xb8000000
  fetch(0x400000);
  for (uint64_t at = 0; at < 0x1000000; at += 0x80000)
    store(0x10010000 + at);
  for (const char* backend : {"mlpt", "gpt", "hashed"}) {
    SCOPED_TRACE(backend);
    const stats::Report four = run_on("pentium4", "auto", backend);
    EXPECT_EQ(four.value("kernel.thp.faults"), 4u);
    EXPECT_GE(four.value("walker.leaves.4m"), 4u);
    const stats::Report two = run_on("core2", "auto", backend);
    EXPECT_EQ(two.value("kernel.thp.faults"), 8u);
    EXPECT_GE(two.value("walker.leaves.2m"), 8u);
  }
}

TEST_F(SmallMachine, WhatDoesNotFitIsRefused) {
  thread(1);
  map(0x400000, 1, 5);
  fetch(0x400000);
  map(0x100000000, 0xc0000, 3);  // 3 GiB
  fetch(0x400004);
  store(0x100000000);
  EXPECT_THAT(refusal("auto"), testing::HasSubstr("does not fit"));
  EXPECT_THAT(refusal("off"), testing::HasSubstr("user addresses of i386 end at 0xc0000000"));
}

// Nor is looked at what run.limit leaves out, where an event counts as an instruction.
TEST_F(SmallMachine, WhatIsNotReplayedNeedNotFit) {
  thread(1);
  for (uint64_t i = 0; i < 20; ++i)
    map(0x400000 + i * kPage, 1, 5);
  fetch(0x400000);
  map(0x100000000, 0xc0000, 3);  // 3 GiB
  fetch(0x400004);
  store(0x100000000);
  for (const char* relocate : {"auto", "off"}) {
    SCOPED_TRACE(relocate);
    limit_ = "21";  // 20 events and an instruction
    EXPECT_EQ(refusal(relocate), "accepted");
    limit_ = "0";
    EXPECT_NE(refusal(relocate), "accepted");
  }
}

// On a 64-bit kernel a 32-bit program has all but the last pages of 4 GiB.
TEST_F(SmallMachine, I386TracesStayWhereTheyWereUnlessTheyReachBeyondThreeGigabytes) {
  for (const uint64_t stack : {uint64_t{0xbfffe000}, uint64_t{0xffffc000}}) {
    writer_.reset();
    trace::Header header;
    header.isa = "i386";
    writer_ = std::make_unique<trace::Writer>(path_, header);
    thread(1);
    map(0x08048000, 1, 5);
    map(stack, 1, 3);
    fetch(0x08048000);
    store(stack);
    if (stack < 0xc0000000) {
      EXPECT_EQ(run_on("pentium4").value("relocation.active"), 0u);
      continue;
    }
    EXPECT_THAT(refusal("auto"), testing::HasSubstr("run.relocate = force"));
    const stats::Report moved = run_on("core2", "force");
    EXPECT_EQ(moved.value("relocation.active"), 1u);
    EXPECT_EQ(moved.value("access.refused"), 0u);
  }
}

TEST_F(SmallMachine, HighAddressesAreMovedOrRefused) {
  thread(1);
  map(0x400000, 1, 5);
  map(0x1ffeffe000, 1, 3);
  fetch(0x400000);
  store(0x1ffeffe000);
  EXPECT_EQ(refusal("auto"), "accepted");
  EXPECT_THAT(refusal("off"), testing::HasSubstr("goes to 0x1ffeffe000"));
}

TEST(Replay, WithoutATraceIsAUsageError) {
  config::Schema schema;
  declare(schema);
  EXPECT_THROW(replay(config::Config(schema), {}), UsageError);
}

}  // namespace replay_test
}  // namespace mmusim::sim
