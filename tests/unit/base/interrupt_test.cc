#include "base/interrupt.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>
#include <thread>

#include "base/error.h"

namespace mmusim {
namespace {

// In a child process, since the flag stays set.
void interrupt_and_check(int signal) {
  catch_interrupts();
  check_interrupt();  // nothing yet
  std::raise(signal);
  try {
    check_interrupt();
  } catch (const Error& error) {
    std::exit(error.exit_status());
  }
  std::exit(0);
}

// One Ctrl-C that arrives twice.
void interrupt_twice_at_once() {
  catch_interrupts();
  std::raise(SIGINT);
  std::raise(SIGINT);
  std::exit(7);
}

void interrupt_again_later() {
  catch_interrupts();
  std::raise(SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  std::raise(SIGINT);
  std::exit(0);
}

TEST(InterruptDeathTest, TurnsASignalIntoAnErrorWithTheShellsStatus) {
  EXPECT_EXIT(interrupt_and_check(SIGINT), testing::ExitedWithCode(130), "");
  EXPECT_EXIT(interrupt_and_check(SIGTERM), testing::ExitedWithCode(143), "");
}

TEST(InterruptDeathTest, SignalThatArrivesTwiceStillLetsTheProgramCleanUp) {
  EXPECT_EXIT(interrupt_twice_at_once(), testing::ExitedWithCode(7), "");
}

TEST(InterruptDeathTest, SecondSignalKillsAtOnce) {
  EXPECT_EXIT(interrupt_again_later(), testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace mmusim
