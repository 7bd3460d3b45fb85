// What results are compared by: counters that every architecture reports under the same names, over
// the work of the run.
//
// Plain values, for any thread.
#ifndef MMUSIM_REPORT_RATES_H_
#define MMUSIM_REPORT_RATES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "stats/report.h"

namespace mmusim::report {

// The value of a counter; 0 where the machine does not have it.
uint64_t value_or_0(const stats::Report& report, std::string_view name);

// A column of rates: the sum of counters, over 1000 units of work unless it is bytes.
struct Rate {
  const char* title;
  const char* key;
  std::vector<const char*> counters;

  [[nodiscard]] uint64_t of(const stats::Report& report) const;
};

struct RateGroup {
  const char* title;
  std::vector<Rate> rates;
};

const std::vector<RateGroup>& rate_groups();

// mmu.cycles, and what it is the sum of; the first kOfOneCpu are there with one CPU.
std::span<const Rate> cycle_rates();
inline constexpr size_t kOfOneCpu = 5;
// mmu.miss_cycles, likewise.
std::span<const Rate> miss_cycle_rates();

// What a run's work is measured in: instructions, or accesses where a script has none.
struct Work {
  const char* unit;
  uint64_t amount;
};
Work work_of(const stats::Report& report);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_RATES_H_
