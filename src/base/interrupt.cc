#include "base/interrupt.h"

#include <csignal>
#include <ctime>

#include "base/error.h"

namespace mmusim {
namespace {

constexpr std::time_t kPatienceSeconds = 1;

volatile std::sig_atomic_t signal_seen = 0;
volatile std::time_t seen_at = 0;

std::time_t seconds_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);  // may be called in a signal handler
  return now.tv_sec;
}

extern "C" void on_signal(int number) {
  if (signal_seen == 0) {
    seen_at = seconds_now();
    signal_seen = number;
  } else if (seconds_now() - seen_at > kPatienceSeconds) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

void check_interrupt() {
  if (signal_seen != 0) throw Error("", "interrupted", "nothing was written", 128 + signal_seen);
}

}  // namespace mmusim
