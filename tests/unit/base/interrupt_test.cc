#include "base/interrupt.h"

#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>

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

void interrupt_twice() {
  catch_interrupts();
  std::raise(SIGINT);
  std::raise(SIGINT);
  std::exit(0);
}

TEST(InterruptDeathTest, TurnsASignalIntoAnErrorWithTheShellsStatus) {
  EXPECT_EXIT(interrupt_and_check(SIGINT), testing::ExitedWithCode(130), "");
  EXPECT_EXIT(interrupt_and_check(SIGTERM), testing::ExitedWithCode(143), "");
}

TEST(InterruptDeathTest, SecondSignalKillsAtOnce) {
  EXPECT_EXIT(interrupt_twice(), testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace mmusim
