// Rings of processes that are killed, as the collector finds them.
#include "record/collector.h"

#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <initializer_list>
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
  // Writes words behind what the ring has.
  void put(uint32_t ring, std::initializer_list<uint64_t> words) {
    RingHead& head = heads_of(memory_.share())[ring];
    uint64_t at = head.written.load();
    for (const uint64_t word : words)
      words_of(memory_.share(), ring)[at++] = word;
    head.written.store(at);
  }
  void put_event(uint32_t ring, EventKind kind, std::initializer_list<uint64_t> words) {
    put(ring,
        {kEventTag | static_cast<uint64_t>(kind) << kIndexShift | words.size() << kAddressShift,
         memory_.share().sequence.fetch_add(1)});
    put(ring, words);
  }
  // A thread's first event, of a process without definitions; `maker` is a process's first thread.
  void put_start(uint32_t ring, StartKind kind, uint32_t process, uint32_t maker = 0) {
    put_event(ring, EventKind::Start,
              {static_cast<uint64_t>(kind), process, process, maker, maker, 17, kNoRing, 0});
    take(ring, process, RingState::Thread);
  }
  void put_fork(uint32_t ring, uint32_t child) {
    put_event(ring, EventKind::Call,
              {static_cast<uint64_t>(Call::Fork), child, 17, 0, 0, 0, 0, 0, 0});
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
  take(0, process, RingState::Definitions);
  put_start(1, StartKind::Image, process);
  put(1, {kHeadTag | kNever << kTagBits, kHeadTag | (kNever + 1) << kTagBits});
  collector_.collect();
  EXPECT_EQ(collector_.running(), 1u);
  for (int i = 0; i < 4; ++i)
    look();
  EXPECT_EQ(collector_.running(), 0u);
  EXPECT_EQ(collector_.counts().lost_words, 2u);
  EXPECT_EQ(state(1), RingState::Free);
}

// A child that says so itself, and has ended and is forgotten before its maker has returned from
// the call, is one child.
TEST_F(CollectorRings, OfAChildThatEndsBeforeTheCallReturnsTellOfOne) {
  const auto maker = static_cast<uint32_t>(getpid());
  const uint32_t child = ended_process(false);
  put_start(0, StartKind::Image, maker);
  put_start(1, StartKind::Fork, child, maker);
  for (int i = 0; i < 3; ++i)
    look();
  ASSERT_EQ(collector_.running(), 1u);
  put_fork(0, child);
  collector_.collect();
  EXPECT_EQ(collector_.counts().processes, 2u);
  EXPECT_EQ(collector_.running(), 1u);
  // The next of that number is another.
  put_fork(0, child);
  collector_.collect();
  EXPECT_EQ(collector_.counts().processes, 3u);
}

// The same if the call returned first, and the child is dead before its own words have their turn.
TEST_F(CollectorRings, OfAChildThatEndsBeforeItsTurnTellOfOne) {
  const auto maker = static_cast<uint32_t>(getpid());
  const uint32_t child = ended_process(false);
  put_start(0, StartKind::Image, maker);
  put_fork(0, child);
  collector_.collect();
  collector_.look_for_ends();
  take(2, maker, RingState::Claimed);  // no number is certain
  put_start(1, StartKind::Fork, child, maker);
  look();
  EXPECT_EQ(collector_.running(), 2u);
  take(2, 0, RingState::Free);
  for (int i = 0; i < 3; ++i)
    look();
  EXPECT_EQ(collector_.counts().processes, 2u);
  EXPECT_EQ(collector_.running(), 1u);
}

// A process that is killed between a fork and telling of it: its child begins when it has been
// waited for, and executes blocks that it knew.
TEST_F(CollectorRings, OfAChildAreReadByWhatItsBuriedParentKnew) {
  const auto first = static_cast<uint32_t>(getpid());
  const uint32_t parent = ended_process(false);
  const uint32_t child = ended_process(false);
  put_start(0, StartKind::Image, first);
  put(2, {uint64_t{1} << 48, 0x401000, 4});  // block 0: one instruction of 4 bytes
  put_event(1, EventKind::Start,
            {static_cast<uint64_t>(StartKind::Fork), parent, parent, first, first, 17, 2, 0});
  take(1, parent, RingState::Thread);
  put_event(0, EventKind::Call,
            {static_cast<uint64_t>(Call::Wait4), parent, parent, 9, 1, 0, 0, 0, 0});
  put_event(3, EventKind::Start,
            {static_cast<uint64_t>(StartKind::Fork), child, child, parent, parent, 17, kNoRing, 1});
  put(3, {kBlockTag});
  take(3, child, RingState::Thread);
  for (int i = 0; i < 3; ++i)
    look();
  EXPECT_EQ(collector_.counts().lost_words, 0u);
  EXPECT_EQ(writer_.totals().instructions, 1u);
}

}  // namespace collector_test
}  // namespace mmusim::record
