// Tells the presses of a key, or what somebody asked for, apart among the signals that come of
// them. One Ctrl-C may arrive several times: a terminal sends a signal to each process of the
// foreground, and who runs the program may pass its own on (timeout(1) does, to its child and then
// to its process group; a shell script's trap). Two presses may follow each other as quickly.
#ifndef MMUSIM_BASE_PRESSES_H_
#define MMUSIM_BASE_PRESSES_H_

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>

namespace mmusim {

// Who sends decides. A terminal sends one signal for each press. A process sends what is one thing
// to it in one breath, and may pass on what has arrived from another already. May be used in a
// signal handler, and in several at a time.
class Presses {
 public:
  // In place of a process id, none of which is larger than 2^22: the kernel's own signals.
  static constexpr uint32_t kTerminal = 0xffffff;

  // Of one process, or between a terminal and any: the same press, if not further apart.
  static constexpr std::chrono::milliseconds kBreath{100};
  // So long a process may take to pass on what has arrived from another sender.
  static constexpr std::chrono::milliseconds kPassingOn{1000};

  // Whether a signal that has arrived is a press of its own, and not again the last one. `at`: of a
  // clock that does not go back.
  bool is_new(int number, uint32_t sender, std::chrono::milliseconds at);
  // The same of what a handler with SA_SIGINFO is given, now.
  bool is_new(int number, const siginfo_t* info);

  void forget() { last_.store(0); }

 private:
  std::atomic<uint64_t> last_{0};  // signal, sender and time; 0: none
  static_assert(std::atomic<uint64_t>::is_always_lock_free);
};

// Whether a signal was sent by the kernel, as for a key of a terminal, and not by a process.
[[nodiscard]] inline bool from_terminal(const siginfo_t* info) {
  return info != nullptr && info->si_code == SI_KERNEL;
}

}  // namespace mmusim

#endif  // MMUSIM_BASE_PRESSES_H_
