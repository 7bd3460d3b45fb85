// A counter that says what it is: the number, and what a report says of it.
//
// What a part counts is a struct of nothing but Counts (or of such structs, or of arrays of them),
// in the order they are reported:
//
//     struct TableCounts {
//       stats::Count loads{"table.loads", "loads", "Loads from the linear table."};
//       stats::Count misses{"table.misses", "loads", "... that missed.", "table.loads"};
//     };
//     ++counts.loads;
//
// so that a counter is added, summed over CPUs and reported by the one line that declares it. A
// Count is used as the integer it is, but not assigned from another one; one without a name is not
// reported by itself. What is no sum is declared with Count::state().
#ifndef MMUSIM_STATS_COUNT_H_
#define MMUSIM_STATS_COUNT_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "stats/report.h"

namespace mmusim::stats {

struct Count {
  const char* name = "";
  const char* unit = "";
  const char* meaning = "";
  const char* denominator = "";
  uint64_t value = 0;
  CounterKind kind = CounterKind::Sum;

  Count() = default;
  constexpr Count(const char* of_name, const char* of_unit, const char* what,
                  const char* divided_by = "")
      : name(of_name), unit(of_unit), meaning(what), denominator(divided_by) {}
  static constexpr Count state(const char* of_name, const char* of_unit, const char* what,
                               const char* divided_by = "") {
    Count count(of_name, of_unit, what, divided_by);
    count.kind = CounterKind::State;
    return count;
  }
  Count(const Count&) = default;
  // It would take the other's name along: the number is what is meant (b.value).
  Count& operator=(const Count&) = delete;

  operator uint64_t() const { return value; }
  Count& operator=(uint64_t n) {
    value = n;
    return *this;
  }
  Count& operator++() { return *this = value + 1; }
  Count& operator+=(uint64_t n) { return *this = value + n; }
  Count& operator-=(uint64_t n) { return *this = value - n; }
};

template <class Counts>
concept MadeOfCounts = std::is_trivially_copyable_v<Counts> && sizeof(Counts) % sizeof(Count) ==
                           0 &&
                       alignof(Counts) == alignof(Count);

// All of them, in order.
template <MadeOfCounts Counts>
constexpr auto list(const Counts& counts) {
  return std::bit_cast<std::array<Count, sizeof(Counts) / sizeof(Count)>>(counts);
}

template <MadeOfCounts Counts>
void add(Counts& sum, const Counts& more) {
  auto all = list(sum);
  const auto others = list(more);
  for (size_t i = 0; i < all.size(); ++i)
    all[i] += others[i].value;
  std::memcpy(static_cast<void*>(&sum), &all, sizeof sum);
}

template <MadeOfCounts Counts>
void report(const Counts& counts, Report& report) {
  for (const Count& count : list(counts))
    if (*count.name != '\0')
      report.put(
          {count.name, count.value, count.unit, count.meaning, count.denominator, count.kind});
}

}  // namespace mmusim::stats

#endif  // MMUSIM_STATS_COUNT_H_
