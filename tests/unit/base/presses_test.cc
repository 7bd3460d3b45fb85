#include "base/presses.h"

#include <csignal>
#include <gtest/gtest.h>
#include <unistd.h>
#include <vector>

namespace mmusim {
namespace presses_test {

struct Signal {
  int at;  // ms
  uint32_t sender;
  int number = SIGINT;
};
constexpr uint32_t kKey = Presses::kTerminal;
constexpr uint32_t kWrapper = 1234;
constexpr uint32_t kOther = 4194304;  // the largest there is

// The places of those that count.
std::vector<size_t> counted(const std::vector<Signal>& signals) {
  Presses presses;
  std::vector<size_t> places;
  for (size_t i = 0; i < signals.size(); ++i)
    if (presses.is_new(signals[i].number, signals[i].sender,
                       std::chrono::milliseconds(signals[i].at)))
      places.push_back(i);
  return places;
}

using Places = std::vector<size_t>;

TEST(Presses, EachOfATerminalCountsHoweverQuick) {
  EXPECT_EQ(counted({{0, kKey}, {0, kKey}, {1, kKey}, {33, kKey}}), (Places{0, 1, 2, 3}));
}

// timeout(1), told by somebody: to its child, and to its group; told again a little later.
TEST(Presses, WhatAProcessSendsInOneBreathIsOne) {
  EXPECT_EQ(counted({{5, kWrapper}, {5, kWrapper}, {9, kWrapper}}), (Places{0}));
  EXPECT_EQ(counted({{5, kWrapper}, {5, kWrapper}, {205, kWrapper}, {206, kWrapper}}),
            (Places{0, 2}));
}

// timeout(1) or a script at a prompt.
TEST(Presses, WhatIsPassedOnIsNoPressOfItsOwn) {
  EXPECT_EQ(counted({{0, kKey}, {1, kWrapper}, {1, kWrapper}}), (Places{0}));
  EXPECT_EQ(counted({{0, kKey}, {800, kWrapper}}), (Places{0}));
  EXPECT_EQ(counted({{0, kKey}, {1, kWrapper}, {150, kKey}, {151, kWrapper}}), (Places{0, 2}));
  EXPECT_EQ(counted({{0, kKey}, {10, kKey}, {11, kWrapper}, {12, kWrapper}}), (Places{0, 1}));
  EXPECT_EQ(counted({{0, kWrapper}, {300, kOther}, {600, kWrapper}}), (Places{0, 2}));
  // ... and overtakes the terminal's own.
  EXPECT_EQ(counted({{0, kWrapper}, {1, kKey}}), (Places{0}));
}

TEST(Presses, LaterOnesAndOtherSignalsCount) {
  EXPECT_EQ(counted({{0, kKey}, {1000, kWrapper}, {2000, kOther}}), (Places{0, 1, 2}));
  EXPECT_EQ(counted({{0, kWrapper}, {100, kKey}}), (Places{0, 1}));
  EXPECT_EQ(counted({{0, kKey, SIGINT}, {1, kWrapper, SIGTERM}}), (Places{0, 1}));
}

// Of the clock's lowest 32 bits.
TEST(Presses, ClockThatWrapsIsNoneThatGoesBack) {
  Presses presses;
  const std::chrono::milliseconds end{0xffffffff};
  EXPECT_TRUE(presses.is_new(SIGINT, kWrapper, end));
  EXPECT_FALSE(presses.is_new(SIGINT, kWrapper, end + std::chrono::milliseconds(50)));
  EXPECT_TRUE(presses.is_new(SIGINT, kWrapper, end + std::chrono::milliseconds(150)));
}

TEST(Presses, SendersAreWhomTheKernelNames) {
  siginfo_t key{};
  key.si_code = SI_KERNEL;
  siginfo_t sent{};
  sent.si_code = SI_USER;
  sent.si_pid = getpid();
  Presses presses;
  EXPECT_TRUE(presses.is_new(SIGINT, &key));
  EXPECT_TRUE(presses.is_new(SIGINT, &key));
  EXPECT_FALSE(presses.is_new(SIGINT, &sent));
  presses.forget();
  EXPECT_TRUE(presses.is_new(SIGINT, &sent));
}

}  // namespace presses_test
}  // namespace mmusim
