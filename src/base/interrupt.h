// Ctrl-C as a value: long loops ask now and then and stop by throwing, so that nothing is left half
// written. Where no loop asks in time (one huge system call of a trace, a plug-in that never
// returns) the process ends all the same: at most kPatience after the signal its files are removed
// and it exits, from the signal handler.
#ifndef MMUSIM_BASE_INTERRUPT_H_
#define MMUSIM_BASE_INTERRUPT_H_

#include <chrono>
#include <cstddef>
#include <string>

namespace mmusim {

class Error;

// From a signal to the end, for whatever asks check_interrupt() too seldom.
constexpr std::chrono::milliseconds kPatience{400};

// Makes SIGINT, SIGTERM and SIGHUP (unless it is ignored: nohup) set a flag instead of killing the
// process, and start the clock. Call once, before there are threads.
void catch_interrupts();

// For a program that has signals of its own: check_interrupt() throws, from now on and in every
// thread, as after a SIGINT; no clock is started. From any thread.
void interrupt();
// ... until this. REQUIRES: nothing is running that is to stop.
void end_interruption();

// Throws Error (exit status 128 + the signal's number) if a signal has come since
// catch_interrupts(), or interrupt() was called. Cheap: one relaxed load.
void check_interrupt();

// Whether that is what was thrown.
[[nodiscard]] bool is_interruption(const Error& error);

// While one lives, a first SIGINT only asks for an end (end_is_asked_for()), for work of which some
// would be lost by ending at once: it may go on to a place where less is. One more press
// (presses.h: a wrapper that passes signals on makes two signals of one) and any other signal is an
// interruption as ever. REQUIRES: one at a time.
class PatientInterrupts {
 public:
  PatientInterrupts();
  ~PatientInterrupts();
  PatientInterrupts(const PatientInterrupts&) = delete;
  PatientInterrupts& operator=(const PatientInterrupts&) = delete;
};
[[nodiscard]] bool end_is_asked_for();
// Throws as check_interrupt() does if an end has been asked for: at such a place.
void end_if_asked_for();

// What is said of an interrupted program's work from now on; at first "nothing was written".
// REQUIRES: the text lives until the end.
void interruption_says(const char* what);

// The user has been told of the interruption; should the end still take too long, it is silent.
void interruption_told();

// A file, or an empty folder, that is removed should the process be ended by the clock. What is
// removed must be the process's own: a temporary name.
class RemovedWhenInterrupted {
 public:
  // REQUIRES: at most kMost at a time; one more is simply not removed.
  explicit RemovedWhenInterrupted(const std::string& path);
  ~RemovedWhenInterrupted() { spare(); }
  RemovedWhenInterrupted(const RemovedWhenInterrupted&) = delete;
  RemovedWhenInterrupted& operator=(const RemovedWhenInterrupted&) = delete;
  // It stays from now on.
  void spare();

  static constexpr size_t kMost = 256;

 private:
  size_t place_ = kMost;
};

}  // namespace mmusim

#endif  // MMUSIM_BASE_INTERRUPT_H_
