// What a run counted, each number with its name, meaning and denominator.
//
// A component has plain integer members in its hot path and a method `report(stats::Report&) const`
// that says them once, at the end. `mmusim list counters` is the same call on a machine that has
// run nothing, so the documentation cannot drift from the numbers. Names are dotted paths, unique
// in a report ("tlb.l1d.misses").
#ifndef MMUSIM_STATS_REPORT_H_
#define MMUSIM_STATS_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mmusim::stats {

struct Counter {
  std::string name;
  uint64_t value = 0;
  std::string unit;         // "accesses", "bytes", "frames", "events", ...
  std::string meaning;      // one sentence
  std::string denominator;  // name of the counter it is naturally divided by; "" if none
};

class Report {
 public:
  // REQUIRES: no counter of that name yet.
  void add(std::string name, uint64_t value, std::string unit, std::string meaning,
           std::string denominator = "");

  [[nodiscard]] const Counter* find(std::string_view name) const;
  // The value of a counter that must exist.
  [[nodiscard]] uint64_t value(std::string_view name) const;
  [[nodiscard]] const std::vector<Counter>& counters() const {
    return counters_;
  }  // in order of adding

 private:
  std::vector<Counter> counters_;
  std::map<std::string, size_t, std::less<>> index_;
};

}  // namespace mmusim::stats

#endif  // MMUSIM_STATS_REPORT_H_
