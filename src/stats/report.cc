#include "stats/report.h"

#include <utility>

#include "base/error.h"

namespace mmusim::stats {

void Report::add(std::string name, uint64_t value, std::string unit, std::string meaning,
                 std::string denominator) {
  const bool fresh = index_.emplace(name, counters_.size()).second;
  MMUSIM_ASSERT(fresh);
  counters_.push_back(
      {std::move(name), value, std::move(unit), std::move(meaning), std::move(denominator)});
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
