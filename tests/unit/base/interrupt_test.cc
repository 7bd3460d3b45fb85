#include "base/interrupt.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/output_file.h"

namespace mmusim {
namespace interrupt_test {

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

TEST(InterruptDeathTest, TurnsASignalIntoAnErrorWithTheShellsStatus) {
  EXPECT_EXIT(interrupt_and_check(SIGINT), testing::ExitedWithCode(130), "");
  EXPECT_EXIT(interrupt_and_check(SIGTERM), testing::ExitedWithCode(143), "");
}

TEST(InterruptDeathTest, SignalThatArrivesTwiceStillLetsTheProgramCleanUp) {
  EXPECT_EXIT(interrupt_twice_at_once(), testing::ExitedWithCode(7), "");
}

// A loop that never asks is ended all the same, and what it was writing goes.
TEST(InterruptDeathTest, EndsWhatDoesNotAsk) {
  std::string name = (std::filesystem::temp_directory_path() / "mmusim-interrupt-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const std::filesystem::path folder = name;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    EXPECT_EXIT(
        {
          std::signal(SIGHUP, SIG_DFL);  // as it may not be here: nohup(1)
          catch_interrupts();
          OutputFile file((folder / "result").string());
          const RemovedWhenInterrupted made((folder / "folder").string());
          std::filesystem::create_directory(folder / "folder");
          std::raise(signal);
          for (volatile bool forever = true; forever;) {
          }
        },
        testing::ExitedWithCode(128 + signal), "interrupted");
    EXPECT_TRUE(std::filesystem::is_empty(folder));
  }
  std::filesystem::remove_all(folder);
}

// nohup(1) has it ignored.
TEST(InterruptDeathTest, LeavesAnIgnoredHangUpIgnored) {
  EXPECT_EXIT(
      {
        std::signal(SIGHUP, SIG_IGN);
        catch_interrupts();
        std::raise(SIGHUP);
        check_interrupt();
        std::_Exit(0);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace interrupt_test
}  // namespace mmusim
