#include "base/interrupt.h"

#include <csignal>

#include "base/error.h"

namespace mmusim {
namespace {

volatile std::sig_atomic_t signal_seen = 0;

extern "C" void on_signal(int number) {
  signal_seen = number;
  std::signal(number, SIG_DFL);
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
