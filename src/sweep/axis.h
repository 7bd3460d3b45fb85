// What varies in a sweep: keys, and the values each takes. Every combination of one step of each
// axis is a point.
#ifndef MMUSIM_SWEEP_AXIS_H_
#define MMUSIM_SWEEP_AXIS_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/schema.h"

namespace mmusim::sweep {

// A key, and the value it is given.
struct Setting {
  std::string key;
  std::string value;
};

// One key with its values, or several that go on together, as many values each.
struct Axis {
  std::vector<std::string> keys;
  std::vector<std::vector<std::string>> values;  // of each key
  std::string where;                             // who says so, for messages

  [[nodiscard]] size_t steps() const { return values.front().size(); }
};

// A list between commas of values and ranges: "64..4096 x2" (each twice the one before), "4..16
// +4". Ranges are of numbers as the key takes them (64K..1M x2), and reach their end. Errors:
// UsageError naming `where`.
std::vector<std::string> values_of(const config::Key& key, std::string_view list,
                                   const std::string& where);

// "key=a,b,c". Errors: UsageError, also for an unknown key.
Axis parse_vary(const config::Schema& schema, const std::string& text, const std::string& where);
// "key=a,b other=c,d": both at once. Errors: UsageError, also where their numbers of values differ.
Axis parse_zip(const config::Schema& schema, const std::string& text, const std::string& where);
// The same from keys and lists apart. REQUIRES: at least one.
Axis make_axis(const config::Schema& schema,
               const std::vector<std::pair<std::string, std::string>>& lists,
               const std::string& where);

inline constexpr size_t kMostPoints = 10'000;
// Every combination, the last axis changing first; one without settings where there is no axis.
// Errors: UsageError for a key on two axes, or more than kMostPoints.
std::vector<std::vector<Setting>> combinations(const std::vector<Axis>& axes);

}  // namespace mmusim::sweep

#endif  // MMUSIM_SWEEP_AXIS_H_
