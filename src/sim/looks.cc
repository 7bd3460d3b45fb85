#include "sim/looks.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "base/error.h"
#include "base/units.h"

namespace mmusim::sim {

void Looks::made(uint64_t instructions) {
  if (!left_out_) left_out_ = instructions;
  if (interval_ == 0) {
    next_ = 0;
    return;
  }
  const uint64_t intervals = (instructions - *left_out_) / interval_ + 1;
  const bool comes = intervals <= (UINT64_MAX - *left_out_) / interval_;
  next_ = comes ? *left_out_ + intervals * interval_ : 0;
}

void Looks::require_few_intervals(uint64_t instructions) const {
  if (interval_ == 0 || instructions <= warmup_ ||
      (instructions - warmup_) / interval_ <= kMostIntervals)
    return;
  throw UsageError("run.interval",
                   fmt::format("{} instructions in intervals of {} make more than {} of them",
                               format_count(instructions - warmup_), format_count(interval_),
                               format_count(kMostIntervals)),
                   "take longer intervals, or less of the trace (run.limit)");
}

void CountersOverTime::look(stats::Report now, uint64_t instructions) {
  if (!counting_ && looks_.warmup() != 0)
    first_ = now;
  else
    add_interval(now, instructions);
  counting_ = true;
  last_ = std::move(now);
  last_instructions_ = instructions;
}

stats::Report CountersOverTime::result(stats::Report end, uint64_t instructions) {
  if (looks_.warmup() == 0 && looks_.interval() == 0) return end;
  if (!looks_.left_out() || (looks_.warmup() != 0 && instructions == *looks_.left_out()))
    throw Error("run.warmup",
                fmt::format("nothing is left to count: {} instructions were replayed, and {} are "
                            "to be left out",
                            format_count(instructions), format_count(looks_.warmup())));
  if (looks_.interval() != 0 && instructions != last_instructions_)
    add_interval(end, instructions);
  else if (!intervals_.instructions.empty())
    add_to_last(end);
  stats::Report result = end.since(first_);
  if (looks_.warmup() != 0)
    result.state("run.warmup.instructions", *looks_.left_out(), "instructions",
                 "Instructions at the start that no other counter holds (run.warmup).");
  if (looks_.interval() != 0) {
    intervals_.every = looks_.interval();
    std::erase_if(intervals_.series, [](const stats::Intervals::Series& series) {
      return std::all_of(series.values.begin(), series.values.end(),
                         [](uint64_t value) { return value == 0; });
    });
    result.set_intervals(std::move(intervals_));
  }
  return result;
}

void CountersOverTime::add_interval(const stats::Report& now, uint64_t instructions) {
  looks_.require_few_intervals(instructions);
  intervals_.instructions.push_back(instructions - *looks_.left_out());
  for (stats::Intervals::Series& series : intervals_.series)
    series.values.push_back(0);
  add_to_last(now);
}

void CountersOverTime::add_to_last(const stats::Report& now) {
  const stats::Report part = now.since(last_);
  for (const stats::Counter& counter : part.counters()) {
    const auto [place, fresh] = places_.try_emplace(counter.name, intervals_.series.size());
    // One that was not there before has been 0.
    if (fresh)
      intervals_.series.push_back(
          {counter.name, std::vector<uint64_t>(intervals_.instructions.size(), 0)});
    uint64_t& value = intervals_.series[place->second].values.back();
    value = counter.value + (counter.kind == stats::CounterKind::Sum ? value : 0);
  }
}

}  // namespace mmusim::sim
