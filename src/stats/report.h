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
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mmusim::stats {

// What a number is of. Sums grow by what happens: over a part of a run they are the difference of
// two looks. States are as they are when looked at: what is in use now, the most there was, a size;
// their difference means nothing.
enum class CounterKind : uint8_t { Sum, State };
const char* name_of(CounterKind kind);  // "sum", "state"

struct Counter {
  std::string name;
  uint64_t value = 0;
  std::string unit;         // "accesses", "bytes", "frames", "events", ...
  std::string meaning;      // one sentence
  std::string denominator;  // name of the counter it is naturally divided by; "" if none
  CounterKind kind = CounterKind::Sum;
};

// A run's counters from one look to the next, again and again (run.interval). Those that are 0
// throughout are left out.
struct Intervals {
  uint64_t every = 0;                       // instructions an interval was asked to have
  std::vector<uint64_t> instructions = {};  // by which each ended, of those counted
  struct Series {
    std::string name;
    std::vector<uint64_t> values;  // one for each interval: of a state, at its end
  };
  std::vector<Series> series = {};  // in the report's order
};

class Report {
 public:
  // A sum, and a state. REQUIRES: no counter of that name yet.
  void add(std::string name, uint64_t value, std::string unit, std::string meaning,
           std::string denominator = "");
  void state(std::string name, uint64_t value, std::string unit, std::string meaning,
             std::string denominator = "");
  void put(Counter counter);  // of either kind

  [[nodiscard]] const Counter* find(std::string_view name) const;
  // The value of a counter that must exist.
  [[nodiscard]] uint64_t value(std::string_view name) const;
  [[nodiscard]] const std::vector<Counter>& counters() const {
    return counters_;
  }  // in order of adding

  // Where the run was looked at on the way.
  [[nodiscard]] const std::optional<Intervals>& intervals() const { return intervals_; }
  void set_intervals(Intervals intervals) { intervals_ = std::move(intervals); }

  // What was counted since an `earlier` look at the same run; states as they are here.
  [[nodiscard]] Report since(const Report& earlier) const;

 private:
  std::vector<Counter> counters_;
  std::map<std::string, size_t, std::less<>> index_;
  std::optional<Intervals> intervals_;
};

}  // namespace mmusim::stats

#endif  // MMUSIM_STATS_REPORT_H_
