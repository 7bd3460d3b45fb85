// Every kind of lie is convicted, of the promise it breaks, by a case or by a random run.
#include <algorithm>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

#include "pt/conformance/check.h"
#include "pt/conformance/watch.h"
#include "tests/conformance/lying_table.h"

namespace mmusim::pt::conformance {
namespace {

struct Planted {
  Lie lie;
  const char* name;
  // One of these must be among the promises found broken. A case's own sentence is told as its
  // name.
  std::vector<std::string> convicted_of;
  bool apart = false;    // it crashes or hangs: in a process of its own
  bool watched = false;  // only memory under watch shows it
};

const std::vector<Planted>& planted() {
  using namespace promise;
#define LIE(name) Lie::name, #name
  static const std::vector<Planted> kPlanted = {
      {LIE(WrongEntry), {kPeek, kSteps}},
      {LIE(WrongSize), {kPeek}},
      {LIE(VoidTooLarge), {kVoid}},
      {LIE(VoidTooSmall), {kVoid}},
      {LIE(NoSlot), {kPeek}},
      {LIE(PeekReports), {kPeek}},
      {LIE(SilentLookups), {kWalk}},
      {LIE(FindOneTwice), {kWalk}},
      {LIE(HostCache), {kSteps}},
      {LIE(HostMap), {kSteps}, false, true},
      {LIE(WrongWord), {kSteps}},
      {LIE(NoMemoryAtAll), {kSteps}},
      {LIE(NoLeafWord), {kSteps}},
      {LIE(NoDirectoryWord), {kSteps}, false, true},
      {LIE(NoRootWord), {kSteps}, false, true},
      {LIE(WordNotRead), {kSteps}, false, true},
      {LIE(AcrossLines), {kSteps}},
      {LIE(WrongLevel), {kLevels}},
      {LIE(FlatLevels), {kLevels}},
      {LIE(NeverDependent), {kDepends}},
      {LIE(AlwaysDependent), {kDepends}},
      {LIE(BesideWhatItNeeds), {kBeside}},
      {LIE(BeginsTooWide), {kBegins}},
      {LIE(BeginsElsewhere), {kBegins}},
      {LIE(NoCompare), {kInstall}},
      {LIE(NoBadAlign), {kInstall}},
      {LIE(ClearKeeps), {kPeek, "kept_entries"}},
      {LIE(ClearForgetsOld), {kClear}},
      {LIE(WrongHandle), {kEnsure}},
      {LIE(BadSizeTaken), {"sizes_not_offered"}},
      {LIE(StaleHandle), {"handles_go_stale"}},
      {LIE(StaleAfterSplit), {"handles_go_stale", kStale}},
      {LIE(EnsureLosesLeaf), {kEnsure, kInstall, kPeek}},
      {LIE(NoMemoryForNothing), {kEnsure}},
      {LIE(KeptBecomesNone), {"kept_entries"}},
      {LIE(ForgottenLeaf), {kCursor}},
      {LIE(EndlessCursor), {kCursor}},
      {LIE(TwiceInACursor), {kCursor}},
      {LIE(SlowCursor), {kCursor, kCursorEnds, kAlive}, true},
      {LIE(SeekIgnored), {"cursors_resume", kResume}},
      {LIE(BuildHoles), {kBuild}},
      {LIE(HostRuns), {"words_decide", kCursor}},
      {LIE(MissedByFork), {kCopy}},
      {LIE(CopyNotStopped), {kCopy}},
      {LIE(MoveForgetsLast), {"move_without_memory", kMove}},
      {LIE(MoveSaysDone), {"move_without_memory", kMove}},
      {LIE(TrimTakesLeaves), {kCursor}},
      {LIE(TrimNoFloor), {kTrimKeeps, "trim_keeps_to_its_limits"}},
      {LIE(TrimNoCeiling), {kTrimKeeps, "trim_keeps_to_its_limits"}},
      {LIE(TrimLazy), {kTrimFrees}},
      {LIE(GatherElsewhere), {kGatherRange}},
      {LIE(GatherTooFar), {kGatherRange}},
      {LIE(FreedAtOnce), {kGather}},
      {LIE(FreedSmaller), {kFrees, kGather}},
      {LIE(DoubleFree), {kFrees}},
      {LIE(SplitForgetsLast), {kSplit, "split_without_memory"}},
      {LIE(SplitSaysOk), {kSplit, "split_without_memory"}},
      {LIE(SplitToPages), {"split_to_each_size"}},
      {LIE(ReserveNothing), {"split_reserve_suffices"}},
      {LIE(PromoteAnything), {"promotion_wants_uniform_leaves"}},
      {LIE(SilentEnsure), {kReported}, false, true},
      {LIE(SilentInstall), {kReported}},
      {LIE(SilentClear), {kReported}},
      {LIE(SilentSplit), {kReported}},
      {LIE(SilentPromote), {kReported}},
      {LIE(SilentMove), {kReported}},
      {LIE(SilentTrim), {kReported}},
      {LIE(LeakedTable), {kNothingLeft}},
      {LIE(StatsLeaves), {kAccount}},
      {LIE(StatsBytes), {kAccount}},
      {LIE(StatsRoot), {kAccount, kVisit}},
      {LIE(StatsTables), {kAccount}},
      {LIE(VisitLeavesOut), {kVisit}},
      {LIE(VisitTwice), {kVisit}},
      {LIE(VisitChildFirst), {kVisit}},
      {LIE(VisitWrongBase), {kVisit}},
      {LIE(VisitWrongLeaves), {kVisit}},
      {LIE(VisitWrongTables), {kVisit}},
      {LIE(VisitReports), {kVisit}},
      {LIE(Crash), {kAlive}, true},
      {LIE(CrashInTrim), {kAlive}, true},
      {LIE(Hang), {kAlive}, true},
      {LIE(HangInSplit), {kAlive}, true},
      {LIE(Throws), {kAlive}, true},
  };
#undef LIE
  return kPlanted;
}

// The layout with the smallest tables, where all can happen and nothing takes long.
const Layout& odd() {
  const auto found = std::find_if(layouts().begin(), layouts().end(), [](const Layout& layout) {
    return std::string_view(layout.name) == "odd";
  });
  return *found;
}

// What is found broken, by whoever has to look: in this process.
std::set<std::string> charges(const Planted& subject) {
  const Backend backend = liar(subject.lie);
  std::set<std::string> broken;
  const auto convicted = [&] {
    return std::any_of(subject.convicted_of.begin(), subject.convicted_of.end(),
                       [&](const std::string& charge) { return broken.count(charge) != 0; });
  };
  for (const PromiseCase& promise : promise_cases()) {
    if (convicted()) return broken;
    const auto found = run_promise(backend, odd(), "", promise);
    if (!found) continue;
    broken.insert(found->promise);
    if (found->promise == promise.sentence) broken.insert(promise.name);
  }
  constexpr uint64_t kSeeds = 800;
  for (uint64_t seed = 1; seed < kSeeds && !convicted(); ++seed) {
    const RunPlan plan = plan_of(seed);
    if (plan.layout != &odd()) continue;
    Reached reached;
    const auto at = run_sequence(backend, plan, "", reached, 5);
    if (at) broken.insert(at->broken.promise);
  }
  return broken;
}

// The same, each part apart.
std::set<std::string> charges_apart(const Planted& subject) {
  const Backend backend = liar(subject.lie);
  std::set<std::string> broken;
  for (uint64_t seed = 0; seed < 100 && broken.empty(); ++seed) {
    const RunPlan plan = plan_of(seed);
    if (plan.layout != &odd()) continue;
    Reached reached;
    const Outcome outcome =
        isolated({.piece = std::chrono::milliseconds(300)}, reached, [&](Reached& shared) {
          const auto at = run_sequence(backend, plan, "", shared);
          if (at) throw at->broken;
        });
    if (outcome.broken) broken.insert(outcome.broken->promise);
  }
  return broken;
}

class PlantedLie : public testing::TestWithParam<Planted> {};

TEST_P(PlantedLie, IsConvicted) {
  const Planted& subject = GetParam();
  if (subject.watched && !MemoryWatch::works()) return;  // the kit says so, too
  const std::set<std::string> broken = subject.apart ? charges_apart(subject) : charges(subject);
  std::string found;
  bool convicted = false;
  for (const std::string& charge : broken) {
    found += "\n  " + charge;
    convicted = convicted ||
                std::count(subject.convicted_of.begin(), subject.convicted_of.end(), charge) != 0;
  }
  EXPECT_TRUE(convicted) << "found broken:" << found;
}

INSTANTIATE_TEST_SUITE_P(Lies, PlantedLie, testing::ValuesIn(planted()),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(Planted, AreAllThereAre) {
  EXPECT_EQ(planted().size(), static_cast<size_t>(Lie::Count) - 1);
  const Planted honest{Lie::None, "None", {}};
  for (const PromiseCase& promise : promise_cases())
    if (const auto found = run_promise(liar(honest.lie), odd(), "", promise))
      ADD_FAILURE() << promise.name << ": " << found->expected << "; " << found->came;
}

}  // namespace
}  // namespace mmusim::pt::conformance
