// The kit finds every lie, says which promise it breaks, and shortens what shows it.
#include <algorithm>
#include <gtest/gtest.h>
#include <set>

#include "pt/conformance/check.h"
#include "pt/conformance/isolate.h"
#include "tests/conformance/lying_table.h"

namespace mmusim::pt::conformance {
namespace {

Options few() {
  Options options;
  options.operations = 1500;
  options.piece = std::chrono::seconds(1);
  options.most_failures = 1;
  return options;
}

// A random run finds it, says which promise it breaks, and is shortened to at most `most`
// operations.
void expect_caught(Lie lie, const char* broken, size_t most) {
  Verdict verdict;
  check_runs(liar(lie), few(), verdict);
  ASSERT_EQ(verdict.failures.size(), 1u);
  const Failure& failure = verdict.failures.front();
  // Where memory is watched, what nobody was told of may show before what it does.
  EXPECT_TRUE(failure.broken.promise == broken || failure.broken.promise == promise::kReported)
      << failure.broken.promise << ": " << failure.broken.came;
  EXPECT_TRUE(failure.seed);
  EXPECT_LE(failure.steps.size(), most);
  EXPECT_GE(failure.steps.size(), 1u);
}

TEST(Kit, WrongEntry) {
  expect_caught(Lie::WrongEntry, promise::kPeek, 1);
}
TEST(Kit, ForgottenLeaf) {
  expect_caught(Lie::ForgottenLeaf, promise::kCursor, 2);
}
TEST(Kit, VoidTooLarge) {
  expect_caught(Lie::VoidTooLarge, promise::kVoid, 2);
}
TEST(Kit, SilentLookups) {
  expect_caught(Lie::SilentLookups, promise::kWalk, 1);
}
TEST(Kit, EndlessCursor) {
  expect_caught(Lie::EndlessCursor, promise::kCursor, 1);
}
TEST(Kit, TwiceInACursor) {
  expect_caught(Lie::TwiceInACursor, promise::kCursor, 2);
}
TEST(Kit, DoubleFree) {
  expect_caught(Lie::DoubleFree, promise::kFrees, 3);
}
TEST(Kit, LeakedTable) {
  expect_caught(Lie::LeakedTable, promise::kAccount, 1);
}
TEST(Kit, TrimTakesLeaves) {
  expect_caught(Lie::TrimTakesLeaves, promise::kCursor, 2);
}
TEST(Kit, NoCompare) {
  expect_caught(Lie::NoCompare, promise::kInstall, 1);
}
TEST(Kit, ClearKeeps) {
  expect_caught(Lie::ClearKeeps, promise::kPeek, 2);
}
TEST(Kit, MissedByFork) {
  expect_caught(Lie::MissedByFork, promise::kCopy, 3);
}
TEST(Kit, Throws) {
  expect_caught(Lie::Throws, promise::kAlive, 1);
}

TEST(Kit, Crash) {
  expect_caught(Lie::Crash, promise::kAlive, 1);
}

// Cases that look up a mapped page hang; each is told after its time. Here only one part is run.
TEST(Kit, HangIsAVerdict) {
  const Backend backend = liar(Lie::Hang);
  const RunPlan plan = plan_of(3);
  Reached reached;
  const Outcome outcome =
      isolated({.piece = std::chrono::seconds(1)}, reached,
               [&](Reached& shared) { (void)run_sequence(backend, plan, "", shared); });
  ASSERT_TRUE(outcome.broken);
  EXPECT_EQ(outcome.broken->promise, promise::kAlive);
  // Of processor time; or, where much else runs, of the clock.
  const std::string& came = outcome.broken->came;
  EXPECT_TRUE(came == "none within 1 seconds of processor time" || came == "none within 10 seconds")
      << came;
}

// Only a promise made for it finds this one.
TEST(Kit, StaleHandles) {
  Verdict verdict;
  check_promises(liar(Lie::StaleHandle), few(), verdict);
  ASSERT_FALSE(verdict.failures.empty());
  EXPECT_TRUE(std::any_of(verdict.failures.begin(), verdict.failures.end(),
                          [](const Failure& f) { return f.part == "handles_go_stale"; }));
}

TEST(Kit, HonestTablesPass) {
  const Verdict verdict = check(backends().front(), few());
  EXPECT_TRUE(verdict.failures.empty());
  EXPECT_GE(verdict.operations, 1500u);
  EXPECT_EQ(verdict.promises, promise_cases().size() * layouts().size());
}

// Any seed means the same run for ever, on whatever machine.
TEST(Kit, SeedsAreRepeatable) {
  const RunPlan one = plan_of(77);
  const RunPlan again = plan_of(77);
  EXPECT_EQ(one.sequence, again.sequence);
  EXPECT_EQ(one.layout, again.layout);
  EXPECT_NE(plan_of(78).sequence, one.sequence);
}

// Shortening finds the two operations that matter among many.
TEST(Kit, ShorteningKeepsWhatMatters) {
  Sequence sequence = draw(5, 200, true, 4, 12);
  const auto matters = [](const Sequence& candidate) {
    bool moved = false;
    for (const Operation& o : candidate) {
      if (o.action == Action::Move && o.pages >= 3) moved = true;
      if (o.action == Action::Trim && moved) return true;
    }
    return false;
  };
  ASSERT_TRUE(matters(sequence));
  sequence = shortest(sequence, 100'000, matters);
  ASSERT_EQ(sequence.size(), 2u);
  EXPECT_EQ(sequence[0].pages, 3u);
  EXPECT_EQ(sequence[0].salt, 0u);
  EXPECT_EQ(sequence[1].pages, 1u);
}

}  // namespace
}  // namespace mmusim::pt::conformance
