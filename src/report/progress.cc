#include "report/progress.h"

#include <fmt/format.h>
#include <unistd.h>
#include <utility>

namespace mmusim::report {
namespace {

constexpr std::chrono::milliseconds kTerminalInterval{250};
constexpr std::chrono::seconds kLineInterval{20};

}  // namespace

std::string format_duration(double seconds) {
  const auto whole = static_cast<uint64_t>(seconds < 0 ? 0 : seconds + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string format_rate(double per_second) {
  if (per_second < 1e3) return fmt::format("{:.0f}", per_second);
  if (per_second < 999.5e3) return fmt::format("{:.3g} thousand", per_second / 1e3);
  if (per_second < 999.5e6) return fmt::format("{:.3g} million", per_second / 1e6);
  return fmt::format("{:.3g} billion", per_second / 1e9);
}

std::string progress_line(const std::string& job, double seconds, uint64_t done, uint64_t total,
                          uint64_t items, const std::string& unit) {
  std::string line = job;
  const double fraction = total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total);
  if (total != 0) line += fmt::format(": {:.0f} %", fraction * 100);
  if (seconds > 0) {
    line += fmt::format(", {} {}/s", format_rate(static_cast<double>(items) / seconds), unit);
  }
  // Too early, the guess would be worth nothing.
  if (fraction > 0.01 && fraction <= 1) {
    line += fmt::format(", {} left", format_duration(seconds * (1 - fraction) / fraction));
  }
  return line;
}

std::string silence_text(double seconds) {
  constexpr double kWorthSaying = 3;
  if (seconds < kWorthSaying) return "";
  return fmt::format(", at one piece of work for {}", format_duration(seconds));
}

Progress::Progress(std::string job, std::string unit, Style style, std::FILE* out)
    : job_(std::move(job)),
      unit_(std::move(unit)),
      style_(style),
      out_(out),
      interval_(style == Style::Terminal ? Clock::duration(kTerminalInterval)
                                         : Clock::duration(kLineInterval)) {
  if (style_ != Style::None) writer_ = std::thread([this] { write_lines(); });
}

Progress::Style Progress::style_for_stderr() {
  return isatty(STDERR_FILENO) != 0 ? Style::Terminal : Style::Lines;
}

Progress::~Progress() {
  if (!writer_.joinable()) return;
  {
    const std::scoped_lock lock(mutex_);
    finished_ = true;
  }
  ended_.notify_one();
  writer_.join();
}

void Progress::write_lines() {
  const auto seconds = [](Clock::duration time) {
    return std::chrono::duration<double>(time).count();
  };
  const Clock::time_point start = Clock::now();
  Clock::time_point news = start;  // when something was last seen to change
  uint64_t last_done = 0;
  uint64_t last_items = 0;
  bool standing = false;  // a line, on the terminal
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, interval_, [this] { return finished_; })) {
    const Clock::time_point now = Clock::now();
    const uint64_t done = done_.load(std::memory_order_relaxed);
    const uint64_t items = items_.load(std::memory_order_relaxed);
    if (done != last_done || items != last_items) news = now;
    last_done = done;
    last_items = items;
    const std::string line = progress_line(job_, seconds(now - start), done,
                                           total_.load(std::memory_order_relaxed), items, unit_) +
                             (beside_.empty() ? "" : ", " + beside_) +
                             silence_text(seconds(now - news));
    if (style_ == Style::Terminal) {
      fmt::print(out_, "\r\033[K{}", line);
      std::fflush(out_);
      standing = true;
    } else {
      fmt::print(out_, "{}\n", line);
    }
  }
  if (standing) {
    std::fputs("\r\033[K", out_);
    std::fflush(out_);
  }
}

}  // namespace mmusim::report
