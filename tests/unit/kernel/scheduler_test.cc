// Where threads run: each decision worked out by hand.
#include "kernel/scheduler.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "config/keys.h"

namespace mmusim::kernel {
namespace scheduler_test {

trace::ThreadId thread(uint32_t tid) {
  return {Pid(1), Tid(tid)};
}

class SchedulerTest : public ::testing::Test {
 protected:
  SchedulerTest() { SchedulerOptions::keys().declare(schema_); }
  Scheduler make(unsigned cpus, bool affinity = true) {
    config::Config config(schema_);
    config.set("sched.affinity", affinity ? "true" : "false", "test");
    return Scheduler(SchedulerOptions::keys().read(config), cpus);
  }
  static std::vector<uint32_t> turns(Scheduler& scheduler, const std::vector<uint32_t>& threads) {
    std::vector<uint32_t> cpus;
    for (const uint32_t tid : threads)
      cpus.push_back(scheduler.turn(thread(tid)).value());
    return cpus;
  }
  using Cpus = std::vector<uint32_t>;

 private:
  config::Schema schema_;
};

TEST_F(SchedulerTest, NewThreadsGoWhereFewestAre) {
  Scheduler s = make(3);
  EXPECT_EQ(turns(s, {1, 2, 3, 4, 5}), (Cpus{0, 1, 2, 0, 1}));
  // And stay there.
  EXPECT_EQ(turns(s, {5, 4, 3, 2, 1, 1}), (Cpus{1, 0, 2, 1, 0, 0}));
}

TEST_F(SchedulerTest, AThreadMovesWhenAnotherCpuHasTwoLess) {
  Scheduler s = make(2);
  EXPECT_EQ(turns(s, {1, 2, 3, 4}), (Cpus{0, 1, 0, 1}));
  s.ended(thread(2));
  EXPECT_EQ(turns(s, {1, 3}), (Cpus{0, 0}));  // two against one
  s.ended(thread(4));
  EXPECT_EQ(turns(s, {3, 1}), (Cpus{1, 0}));  // two against none: the first to come moves
  EXPECT_EQ(turns(s, {3, 1}), (Cpus{1, 0}));
}

TEST_F(SchedulerTest, SleepersComeBackWhereTheyWereIfNobodyIsThere) {
  Scheduler s = make(2);
  EXPECT_EQ(turns(s, {1, 2}), (Cpus{0, 1}));
  s.sleeps(thread(1));
  s.sleeps(thread(1));  // still
  EXPECT_EQ(turns(s, {1}), (Cpus{0}));
  s.sleeps(thread(1));
  EXPECT_EQ(turns(s, {3}), (Cpus{0}));  // where nobody is
  EXPECT_EQ(turns(s, {1}), (Cpus{0}));  // one on each: the lowest
  s.sleeps(thread(1));
  s.ended(thread(2));
  EXPECT_EQ(turns(s, {1}), (Cpus{1}));
}

TEST_F(SchedulerTest, PinnedThreadsStay) {
  Scheduler s = make(4);
  EXPECT_EQ(turns(s, {1, 2}), (Cpus{0, 1}));
  s.pin(thread(1), CpuId(3));
  EXPECT_EQ(turns(s, {1, 1}), (Cpus{3, 3}));
  s.forked(thread(1), thread(5));
  s.forked(thread(2), thread(6));
  EXPECT_EQ(turns(s, {5, 6}), (Cpus{3, 0}));
  EXPECT_EQ(turns(s, {1, 5}), (Cpus{3, 3}));  // though there are two and elsewhere none
  s.ended(thread(5));
  EXPECT_EQ(turns(s, {5}), (Cpus{2}));  // another thread of that name
}

TEST_F(SchedulerTest, ARecordingSaysWhere) {
  Scheduler s = make(4);
  EXPECT_EQ(turns(s, {1, 2}), (Cpus{0, 1}));
  s.recorded(thread(1), CpuId(6));  // of more CPUs than there are
  EXPECT_EQ(turns(s, {1, 2, 1}), (Cpus{2, 1, 2}));
  s.forked(thread(1), thread(3));  // which it says nothing of
  EXPECT_EQ(turns(s, {3}), (Cpus{0}));
  s.recorded(thread(1), CpuId(1));
  EXPECT_EQ(turns(s, {1, 2}), (Cpus{1, 2}));  // of which nothing is said makes way
  s.pin(thread(1), CpuId(3));
  s.recorded(thread(1), CpuId(0));
  EXPECT_EQ(turns(s, {1}), (Cpus{3}));
}

// At the fork the parent runs, though it may sleep when the child's turn comes.
TEST_F(SchedulerTest, ForkedThreadsFindTheirParentsCpuTaken) {
  Scheduler s = make(3);
  EXPECT_EQ(turns(s, {1}), (Cpus{0}));
  s.forked(thread(1), thread(2));
  s.forked(thread(1), thread(3));
  s.sleeps(thread(1));
  EXPECT_EQ(turns(s, {3, 2}), (Cpus{2, 1}));
  // Nobody forked it: the CPU of who ran before is taken.
  s.sleeps(thread(2));
  s.sleeps(thread(3));
  EXPECT_EQ(turns(s, {1}), (Cpus{0}));
  s.place_beside(thread(1), thread(4));
  s.sleeps(thread(1));
  EXPECT_EQ(turns(s, {4}), (Cpus{1}));
}

TEST_F(SchedulerTest, WhoHasWaitedLongestGoesOn) {
  Scheduler s = make(2);
  EXPECT_EQ(turns(s, {1, 2, 3, 4, 5}), (Cpus{0, 1, 0, 1, 0}));
  EXPECT_EQ(s.waiting_on(CpuId(0)), thread(1));
  EXPECT_EQ(s.waiting_on(CpuId(1)), thread(2));
  turns(s, {1});
  EXPECT_EQ(s.waiting_on(CpuId(0)), thread(3));
  s.ended(thread(2));
  s.sleeps(thread(4));
  EXPECT_EQ(s.waiting_on(CpuId(1)), std::nullopt);
  s.forked(thread(1), thread(6));  // has not run yet
  EXPECT_EQ(s.waiting_on(CpuId(1)), std::nullopt);
}

TEST_F(SchedulerTest, WithoutAffinityThreadsGoRound) {
  Scheduler s = make(3, false);
  EXPECT_EQ(turns(s, {1, 1, 1, 1, 2, 2}), (Cpus{0, 1, 2, 0, 1, 2}));
}

TEST_F(SchedulerTest, CountsTurnsAndMoves) {
  stats::Report none;
  make(1).report(none);
  EXPECT_TRUE(none.counters().empty());
  Scheduler s = make(2);
  turns(s, {1, 2, 3, 1});  // on 0, 1, 0, 0
  s.ended(thread(2));
  turns(s, {3, 1});  // 3 moves to 1
  stats::Report report;
  s.report(report);
  const auto value = [&report](const std::string& name) {
    for (const stats::Counter& counter : report.counters())
      if (counter.name == name) return counter.value;
    return ~uint64_t{0};
  };
  EXPECT_EQ(value("sched.cpus"), 2u);
  EXPECT_EQ(value("sched.turns"), 6u);
  EXPECT_EQ(value("sched.turns.cpu0"), 4u);
  EXPECT_EQ(value("sched.turns.cpu1"), 2u);
  EXPECT_EQ(value("sched.placed"), 3u);
  EXPECT_EQ(value("sched.moved"), 1u);
}

}  // namespace scheduler_test
}  // namespace mmusim::kernel
