#include "python/running.h"

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <pybind11/pybind11.h>
#include <thread>
#include <utility>

#include "base/interrupt.h"

namespace mmusim::python {
namespace py = pybind11;
namespace {

// How soon Ctrl-C is seen.
constexpr std::chrono::milliseconds kLook{50};

// One run at a time: what commands print and say has one place, and so has an interruption.
std::timed_mutex one_run;

// Whether a handler of a signal has raised; then the error is set.
bool signalled() {
  const py::gil_scoped_acquire gil;
  return PyErr_CheckSignals() != 0;
}

class Run {
 public:
  explicit Run(const std::vector<std::string>& words) : thread_([this, &words] { work(words); }) {}
  ~Run() {
    if (thread_.joinable()) thread_.join();
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // False: it is still at work.
  bool ended_within(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [this] { return ended_; });
  }
  // REQUIRES: it has ended.
  Outcome outcome() {
    thread_.join();
    return std::move(outcome_);
  }

 private:
  void work(const std::vector<std::string>& words) {
    try {
      cli::run_embedded(words, outcome_.said);
    } catch (...) {
      outcome_.failure = std::current_exception();
    }
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

  Outcome outcome_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  std::thread thread_;  // last: it uses all others
};

}  // namespace

Outcome run(const std::vector<std::string>& words) {
  bool raised = false;
  Outcome outcome;
  {
    const py::gil_scoped_release no_gil;
    std::unique_lock<std::timed_mutex> turn(one_run, std::defer_lock);
    while (!raised && !turn.try_lock_for(kLook))
      raised = signalled();
    if (!raised) {
      Run running(words);
      while (!running.ended_within(kLook)) {
        if (raised || !signalled()) continue;
        raised = true;
        interrupt();
      }
      outcome = running.outcome();
      end_interruption();
    }
  }
  if (raised) throw py::error_already_set();
  return outcome;
}

}  // namespace mmusim::python
