#include "base/interrupt.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <list>
#include <mutex>
#include <string_view>
#include <unistd.h>

#include "base/error.h"
#include "base/presses.h"

namespace mmusim {
namespace {

static_assert(std::atomic<int>::is_always_lock_free);  // so that handlers may use them
constexpr int kInterrupted = 128;  // exit status, with the signal's number added
std::atomic<int> signal_seen{0};
std::atomic<bool> told{false};
std::atomic<const char*> what_is_said{"nothing was written"};
std::atomic<bool> patient{false};
std::atomic<bool> end_asked{false};
Presses presses;
timer_t deadline{};
bool has_deadline = false;

std::array<std::atomic<const char*>, RemovedWhenInterrupted::kMost> removed_paths{};

// Both handlers call nothing but what POSIX lists as safe in one.
extern "C" void on_deadline(int /*number*/) {
  for (auto* const remove : {unlink, rmdir})  // files first, so that their folders are empty
    for (const std::atomic<const char*>& slot : removed_paths)
      if (const char* const path = slot.load(); path != nullptr) static_cast<void>(remove(path));
  const auto say = [](std::string_view text) {
    static_cast<void>(!write(STDERR_FILENO, text.data(), text.size()));
  };
  if (!told.load()) {
    say("mmusim: error: interrupted (");
    say(what_is_said.load());
    say(")\n");
  }
  _exit(kInterrupted + signal_seen.load());
}

// Whether that is all there is to do: it only asks for an end, or is the same Ctrl-C again.
bool only_asks(int number, const siginfo_t* info) {
  if (number != SIGINT || !patient.load()) return false;
  return !presses.is_new(number, info) || !end_asked.exchange(true);
}

[[noreturn]] void throw_interrupted(int signal) {
  throw Error("", "interrupted", what_is_said.load(), kInterrupted + signal);
}

extern "C" void on_signal(int number, siginfo_t* info, void* /*context*/) {
  if (only_asks(number, info)) return;
  int none = 0;
  if (!signal_seen.compare_exchange_strong(none, number)) return;
  constexpr long kNanoseconds =
      std::chrono::duration_cast<std::chrono::nanoseconds>(kPatience).count();
  const itimerspec patience{{0, 0}, {0, kNanoseconds}};
  if (has_deadline) timer_settime(deadline, 0, &patience, nullptr);
}

void handle(int number, bool unless_ignored) {
  struct sigaction before {};
  sigaction(number, nullptr, &before);
  if (unless_ignored && before.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(number, &action, nullptr);
}

}  // namespace

void catch_interrupts() {
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN;  // SIGALRM may have other uses
  std::signal(SIGRTMIN, on_deadline);
  has_deadline = timer_create(CLOCK_MONOTONIC, &event, &deadline) == 0;
  for (const int number : {SIGINT, SIGTERM, SIGHUP})
    handle(number, number == SIGHUP);
}

void interrupt() {
  signal_seen.store(SIGINT);
}

void end_interruption() {
  signal_seen.store(0);
}

void check_interrupt() {
  const int signal = signal_seen.load(std::memory_order_relaxed);
  if (signal != 0) throw_interrupted(signal);
}

PatientInterrupts::PatientInterrupts() {
  end_asked.store(false);
  presses.forget();
  patient.store(true);
}

PatientInterrupts::~PatientInterrupts() {
  patient.store(false);
}

bool end_is_asked_for() {
  return end_asked.load(std::memory_order_relaxed);
}

void end_if_asked_for() {
  if (end_is_asked_for()) throw_interrupted(SIGINT);
}

bool is_interruption(const Error& error) {
  return error.exit_status() > kInterrupted;
}

void interruption_says(const char* what) {
  what_is_said.store(what);
}

void interruption_told() {
  told.store(true);
}

RemovedWhenInterrupted::RemovedWhenInterrupted(const std::string& path) {
  // Never taken away, since a handler may be reading them: a process has few.
  static std::mutex mutex;
  static std::list<std::string> paths;
  const std::scoped_lock lock(mutex);
  for (size_t i = 0; i < kMost; ++i) {
    if (removed_paths[i].load() != nullptr) continue;
    removed_paths[i].store(paths.emplace_back(path).c_str());
    place_ = i;
    return;
  }
}

void RemovedWhenInterrupted::spare() {
  if (place_ != kMost) removed_paths[place_].store(nullptr);
  place_ = kMost;
}

}  // namespace mmusim
