// Rings of processes that are killed, as the collector finds them.
#include "record/collector.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "record/share_memory.h"

namespace mmusim::record {
namespace collector_test {

// A process that has ended; `waited_for`, or still to be.
uint32_t ended_process(bool waited_for) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info;
  waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | (waited_for ? 0 : WNOWAIT));
  return static_cast<uint32_t>(child);
}

class CollectorRings : public ::testing::Test {
 protected:
  ~CollectorRings() override {
    writer_.abandon();
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
  void take(uint32_t ring, uint32_t process, RingState state) {
    heads_of(memory_.share())[ring].state.store(ring_state(process, state));
    memory_.share().registrations.fetch_add(1);
  }
  RingState state(uint32_t ring) { return state_of(heads_of(memory_.share())[ring].state.load()); }
  void look() {
    collector_.collect();
    collector_.look_for_ends();
  }

  ShareMemory memory_{4};
  trace::Writer writer_{
      (std::filesystem::temp_directory_path() / fmt::format("rings-{}.mmt", getpid())).string(),
      trace::Header{}};
  Collector collector_{writer_, *isa_named("x86_64"), memory_.share(), memory_.file()};
};

// Killed between taking its first ring and saying that it is there.
TEST_F(CollectorRings, OfDefinitionsAreFreedWhereRingsAreWanting) {
  take(0, ended_process(true), RingState::Definitions);
  take(1, ended_process(false), RingState::Definitions);
  take(2, static_cast<uint32_t>(getpid()), RingState::Definitions);
  memory_.share().starved.store(1);
  look();
  EXPECT_EQ(state(0), RingState::Free);
  EXPECT_EQ(state(1), RingState::Free);
  EXPECT_EQ(state(2), RingState::Definitions);
}

// As long as a thread of the process has something that is not read yet.
TEST_F(CollectorRings, OfDefinitionsStayWhileAThreadRefersToThem) {
  const uint32_t process = ended_process(true);
  take(0, process, RingState::Definitions);
  take(1, process, RingState::Thread);
  memory_.share().starved.store(1);
  collector_.look_for_ends();
  EXPECT_EQ(state(0), RingState::Definitions);
}

// Whoever is about to take a number holds all others back, unless it is dead; its parent may never
// ask.
TEST_F(CollectorRings, OfOneKilledAsItTookThemAreFreed) {
  take(0, ended_process(true), RingState::Claimed);
  take(1, ended_process(false), RingState::Claimed);
  take(2, static_cast<uint32_t>(getpid()), RingState::Claimed);
  look();
  EXPECT_EQ(state(0), RingState::Free);
  EXPECT_EQ(state(1), RingState::Free);
  EXPECT_EQ(state(2), RingState::Claimed);
}

// What a killed process left makes no sense: the recording ends all the same.
TEST_F(CollectorRings, WithANumberThatWasNeverGivenAreReadToTheirEnd) {
  constexpr uint64_t kNever = 1'000'000;
  const uint32_t process = ended_process(true);
  const std::array<uint64_t, 12> words = {
      kEventTag | static_cast<uint64_t>(EventKind::Start) << kIndexShift |
          uint64_t{8} << kAddressShift,
      memory_.share().sequence.fetch_add(1),
      static_cast<uint64_t>(StartKind::Image),
      process,
      process,
      0,
      0,
      0,
      0,
      0,
      kHeadTag | kNever << kTagBits,
      kHeadTag | (kNever + 1) << kTagBits};
  std::copy(words.begin(), words.end(), words_of(memory_.share(), 1));
  heads_of(memory_.share())[1].written.store(words.size());
  take(0, process, RingState::Definitions);
  take(1, process, RingState::Thread);
  collector_.collect();
  EXPECT_EQ(collector_.running(), 1u);
  for (int i = 0; i < 4; ++i)
    look();
  EXPECT_EQ(collector_.running(), 0u);
  EXPECT_EQ(collector_.counts().lost_words, 2u);
  EXPECT_EQ(state(1), RingState::Free);
}

}  // namespace collector_test
}  // namespace mmusim::record
