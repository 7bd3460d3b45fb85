// Says on stderr how far a long job is: on a terminal one line that is rewritten a few times a
// second, with rate and time left; elsewhere a plain line now and then, so that a log stays short
// and a quick job says nothing. A thread of its own writes it, so that it goes on while the job is
// deep in one piece of work; one that takes long is said to.
#ifndef MMUSIM_REPORT_PROGRESS_H_
#define MMUSIM_REPORT_PROGRESS_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace mmusim::report {

// "12 s", "3 min 20 s", "2 h 05 min".
std::string format_duration(double seconds);

// "850", "12.3 thousand", "4.56 million", "7.89 billion": three digits.
std::string format_rate(double per_second);

// One line about a job of which `done` of `total` (0: unknown) is finished after `seconds`, having
// handled `items` of what `unit` names.
std::string progress_line(const std::string& job, double seconds, uint64_t done, uint64_t total,
                          uint64_t items, const std::string& unit);

// What follows it when nothing has come for that long: "", or ", at one piece of work for 12 s".
std::string silence_text(double seconds);

class Progress {
 public:
  enum class Style { Terminal, Lines, None };

  // `job` is what is being done ("replaying x.mmt"), `unit` what is counted ("references").
  Progress(std::string job, std::string unit, Style style, std::FILE* out = stderr);
  // What suits stderr: Terminal if it is one, else Lines.
  static Style style_for_stderr();

  // Removes the line from the terminal.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap to call often. By one thread at a time.
  void update(uint64_t done, uint64_t total, uint64_t items) {
    done_.store(done, std::memory_order_relaxed);
    total_.store(total, std::memory_order_relaxed);
    items_.store(items, std::memory_order_relaxed);
  }
  // What else the line says at its end, from now on. Not for hot paths.
  void beside(std::string text) {
    const std::scoped_lock lock(mutex_);
    beside_ = std::move(text);
  }

 private:
  using Clock = std::chrono::steady_clock;

  void write_lines();

  std::string job_;
  std::string unit_;
  Style style_;
  std::FILE* out_;
  Clock::duration interval_;
  std::atomic<uint64_t> done_{0};
  std::atomic<uint64_t> total_{0};
  std::atomic<uint64_t> items_{0};
  std::mutex mutex_;  // of finished_ and beside_
  std::string beside_;
  std::condition_variable ended_;
  bool finished_ = false;
  std::thread writer_;  // last: it uses the others
};

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_PROGRESS_H_
