#include "stats/report.h"

#include <fmt/format.h>
#include <utility>

#include "base/error.h"

namespace mmusim::stats {

const char* name_of(CounterKind kind) {
  return kind == CounterKind::Sum ? "sum" : "state";
}

void Report::add(std::string name, uint64_t value, std::string unit, std::string meaning,
                 std::string denominator) {
  put({std::move(name), value, std::move(unit), std::move(meaning), std::move(denominator)});
}

void Report::state(std::string name, uint64_t value, std::string unit, std::string meaning,
                   std::string denominator) {
  put({std::move(name), value, std::move(unit), std::move(meaning), std::move(denominator),
       CounterKind::State});
}

void Report::put(Counter counter) {
  const bool fresh = index_.emplace(counter.name, counters_.size()).second;
  MMUSIM_ASSERT(fresh);
  counters_.push_back(std::move(counter));
}

Report Report::since(const Report& earlier) const {
  Report report;
  for (Counter counter : counters_) {
    const Counter* const before = earlier.find(counter.name);
    if (counter.kind == CounterKind::Sum && before != nullptr) {
      if (before->value > counter.value)
        throw InternalError(fmt::format("the sum {} went back from {} to {}", counter.name,
                                        before->value, counter.value));
      counter.value -= before->value;
    }
    report.put(std::move(counter));
  }
  return report;
}

const Counter* Report::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &counters_[found->second];
}

uint64_t Report::value(std::string_view name) const {
  const Counter* counter = find(name);
  MMUSIM_ASSERT(counter != nullptr);
  return counter->value;
}

}  // namespace mmusim::stats
