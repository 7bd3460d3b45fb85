#include "base/presses.h"

#include <ctime>

namespace mmusim {
namespace {

using std::chrono::milliseconds;

milliseconds now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);  // which handlers may call
  return std::chrono::duration_cast<milliseconds>(std::chrono::seconds(time.tv_sec) +
                                                  std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace

bool Presses::is_new(int number, uint32_t sender, milliseconds at) {
  constexpr unsigned kSenderShift = 32;
  constexpr unsigned kSignalShift = 56;
  const auto time = static_cast<uint32_t>(at.count());
  const uint64_t one = uint64_t{static_cast<uint8_t>(number)} << kSignalShift |
                       uint64_t{sender & kTerminal} << kSenderShift | time;
  for (uint64_t last = last_.load();;) {
    const auto last_sender = static_cast<uint32_t>(last >> kSenderShift & kTerminal);
    const bool same_sender = last_sender == (sender & kTerminal);
    const uint32_t since = time - static_cast<uint32_t>(last);
    // A terminal's goes to all at once: who passes it on is behind it.
    const milliseconds within = sender != kTerminal ? (same_sender ? kBreath : kPassingOn)
                                : same_sender       ? milliseconds(0)
                                                    : kBreath;
    if (last >> kSignalShift == static_cast<uint8_t>(number) && since < within.count())
      return false;
    if (last_.compare_exchange_weak(last, one)) return true;
  }
}

bool Presses::is_new(int number, const siginfo_t* info) {
  const bool terminal = from_terminal(info);
  const auto sender = terminal || info == nullptr ? kTerminal : static_cast<uint32_t>(info->si_pid);
  return is_new(number, sender, now());
}

}  // namespace mmusim
