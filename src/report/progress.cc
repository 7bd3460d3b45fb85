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
  if (per_second < 1e6) return fmt::format("{:.3g} thousand", per_second / 1e3);
  if (per_second < 1e9) return fmt::format("{:.3g} million", per_second / 1e6);
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

Progress::Progress(std::string job, std::string unit, Style style, std::FILE* out)
    : job_(std::move(job)),
      unit_(std::move(unit)),
      style_(style),
      out_(out),
      start_(Clock::now()),
      next_(start_ + (style == Style::Terminal ? Clock::duration(kTerminalInterval)
                                               : Clock::duration(kLineInterval))) {}

Progress::Style Progress::style_for_stderr() {
  return isatty(STDERR_FILENO) != 0 ? Style::Terminal : Style::Lines;
}

Progress::~Progress() {
  if (on_terminal_) {
    std::fputs("\r\033[K", out_);
    std::fflush(out_);
  }
}

void Progress::update(uint64_t done, uint64_t total, uint64_t items) {
  if (style_ == Style::None) return;
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + (style_ == Style::Terminal ? Clock::duration(kTerminalInterval)
                                           : Clock::duration(kLineInterval));
  const std::string line = progress_line(job_, std::chrono::duration<double>(now - start_).count(),
                                         done, total, items, unit_);
  if (style_ == Style::Terminal) {
    fmt::print(out_, "\r\033[K{}", line);
    std::fflush(out_);
    on_terminal_ = true;
  } else {
    fmt::print(out_, "{}\n", line);
  }
}

}  // namespace mmusim::report
