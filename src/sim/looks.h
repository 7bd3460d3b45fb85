// Looks at a run's counters on its way: at the end of what is not to be counted (run.warmup), and
// after every so many instructions (run.interval).
//
// A look is made where exactly so many instructions have been replayed: batches are cut there
// (batch_cut.h), and a stretch of them ends, whoever shares it (stretch.h). Not thread-safe.
#ifndef MMUSIM_SIM_LOOKS_H_
#define MMUSIM_SIM_LOOKS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "stats/report.h"

namespace mmusim::sim {

// When: the same for all machines of a pass.
class Looks {
 public:
  Looks(uint64_t warmup, uint64_t interval) : warmup_(warmup), interval_(interval) {
    next_ = warmup != 0 ? warmup : interval;
  }

  [[nodiscard]] bool due(uint64_t instructions) const {
    return next_ != 0 && instructions >= next_;
  }
  // Instructions up to the next look, at least one.
  [[nodiscard]] uint64_t left(uint64_t instructions) const {
    return next_ > instructions ? next_ - instructions : UINT64_MAX;
  }
  // Where the next one is; nothing: there is none.
  [[nodiscard]] std::optional<uint64_t> next() const {
    return next_ == 0 ? std::nullopt : std::optional(next_);
  }
  // REQUIRES: due(instructions). Says when the next one is.
  void made(uint64_t instructions);
  // Instructions not counted; nothing: there is more to leave out.
  [[nodiscard]] std::optional<uint64_t> left_out() const { return left_out_; }

  // Each interval takes some KiB of the host's memory, and some time: there may be so many.
  static constexpr uint64_t kMostIntervals = 100'000;
  // Errors: UsageError where so many instructions are more intervals than there may be.
  void require_few_intervals(uint64_t instructions) const;

  [[nodiscard]] uint64_t warmup() const { return warmup_; }
  [[nodiscard]] uint64_t interval() const { return interval_; }

 private:
  uint64_t warmup_;
  uint64_t interval_;
  uint64_t next_;  // 0: none
  std::optional<uint64_t> left_out_ = warmup_ == 0 ? std::optional<uint64_t>(0) : std::nullopt;
};

// What one machine's counters were at them.
class CountersOverTime {
 public:
  explicit CountersOverTime(const Looks& looks) : looks_(looks) {}

  // At a look, or at the end: `now` is all that was counted since the run began. REQUIRES: what is
  // left out is over, or is by this look. Errors: those of require_few_intervals(), of a trace that
  // does not say beforehand how long it is.
  void look(stats::Report now, uint64_t instructions);
  // The result: what `end` has more than was left out, with the intervals. Errors: Error where the
  // run ended before there was anything to count.
  stats::Report result(stats::Report end, uint64_t instructions);

 private:
  void add_interval(const stats::Report& now, uint64_t instructions);
  // What was counted since the last look. Events behind the last instruction of the run may be all
  // there is: they are the last interval's.
  void add_to_last(const stats::Report& now);

  const Looks& looks_;
  bool counting_ = false;  // what is not to be counted is over
  stats::Report first_;    // where counting began
  stats::Report last_;     // at the last look
  uint64_t last_instructions_ = 0;
  stats::Intervals intervals_;
  std::map<std::string, size_t> places_;  // of series
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_LOOKS_H_
