#include "sweep/results.h"

#include <algorithm>
#include <optional>

namespace mmusim::sweep {
namespace {

using report::Column;
using report::Ratio;
using report::Table;
using report::Value;

constexpr const char* kWork = "run.instructions";

// A key's value, as a number if it is one.
Value value_of(const config::Config& config, const std::string& name) {
  switch (config.schema().find(name)->type) {
    case config::Type::Number:
      if (const auto number = config.number_if(name)) return *number;
      break;
    case config::Type::Count:
      return config.count(name);
    case config::Type::Size:
      return config.size(name);
    case config::Type::Flag:
      return config.flag(name);
    case config::Type::Choice:
    case config::Type::Text:
      break;
  }
  return config.value_text(name);
}

const char* word_of(Outcome::Is is) {
  switch (is) {
    case Outcome::Is::Missing:
      return "missing";
    case Outcome::Is::Failed:
      return "failed";
    case Outcome::Is::Kept:
    case Outcome::Is::Done:
      break;
  }
  return "done";
}

class Builder {
 public:
  Builder(const std::vector<Point>& points, const std::vector<Outcome>& outcomes)
      : points_(points), outcomes_(outcomes) {
    table_.rows.resize(points.size());
  }

  template <class Cell>
  void add(Column column, Cell cell) {
    table_.columns.push_back(std::move(column));
    for (size_t i = 0; i < points_.size(); ++i)
      table_.rows[i].cells.emplace_back(cell(i));
  }
  // What a key says of each point; people are shown it where it differs.
  void key(const std::string& shown, const std::string& name) {
    const bool differs = std::any_of(points_.begin(), points_.end(), [&](const Point& point) {
      return point.config.value_text(name) != points_.front().config.value_text(name);
    });
    add({.key = shown,
         .title = shown,
         .meaning = points_.front().config.schema().find(name)->help,
         .readers = differs ? Column::For::All : Column::For::Programs},
        [&](size_t i) { return value_of(points_[i].config, name); });
  }
  void counter(const std::string& name) {
    const stats::Counter* const any = find_any(name);
    add({.key = name,
         .unit = any == nullptr ? "" : any->unit,
         .meaning = any == nullptr ? "" : any->meaning,
         .readers = Column::For::Programs},
        [&](size_t i) {
          const auto value = value_in(i, name);
          return value ? Value(*value) : Value();
        });
  }
  void rate(const char* key, const char* title, const char* unit, std::vector<const char*> names) {
    add({.key = key, .title = title, .unit = unit, .readers = Column::For::People}, [&](size_t i) {
      if (!value_in(i, kWork)) return Value();
      uint64_t sum = 0;
      for (const char* const name : names)
        sum += value_in(i, name).value_or(0);
      return Value(Ratio{sum, *value_in(i, kWork), Ratio::As::PerThousand});
    });
  }
  Table table() { return std::move(table_); }

 private:
  [[nodiscard]] std::optional<uint64_t> value_in(size_t i, const std::string& name) const {
    const stats::Counter* const found = outcomes_[i].report.find(name);
    return found == nullptr ? std::nullopt : std::optional(found->value);
  }
  [[nodiscard]] const stats::Counter* find_any(const std::string& name) const {
    for (const Outcome& outcome : outcomes_)
      if (const stats::Counter* const found = outcome.report.find(name)) return found;
    return nullptr;
  }

  const std::vector<Point>& points_;
  const std::vector<Outcome>& outcomes_;
  Table table_{.id = "runs", .title = "Run"};
};

}  // namespace

std::vector<std::string> counters_shown() {
  return {kWork,
          "mmu.first.fetch_misses",
          "mmu.first.data_misses",
          "mmu.last.fetch_misses",
          "mmu.last.data_misses",
          "mmu.cycles"};
}

Table results_table(const std::vector<Point>& points, const std::vector<Outcome>& outcomes,
                    const std::vector<std::string>& counters) {
  Builder builder(points, outcomes);
  builder.add({.key = "run", .names = true}, [](size_t i) { return uint64_t{i + 1}; });
  builder.key("trace", "run.trace");
  builder.key("machine", "machine.name");
  builder.key("page_table", "machine.page_table");
  for (const Setting& setting : points.front().varied)
    builder.key(setting.key, setting.key);
  builder.add({.key = "status", .meaning = "done, or failed.", .readers = Column::For::Programs},
              [&](size_t i) { return std::string(word_of(outcomes[i].is)); });
  for (const std::string& name : counters)
    builder.counter(name);
  constexpr const char* kMisses = "misses per 1000 instructions";
  builder.rate("first_level", "first level", kMisses,
               {"mmu.first.fetch_misses", "mmu.first.data_misses"});
  builder.rate("last_level", "last level", kMisses,
               {"mmu.last.fetch_misses", "mmu.last.data_misses"});
  builder.rate("cycles", "cycles", "per 1000 instructions", {"mmu.cycles"});
  builder.add({.key = "result",
               .meaning = "The file with all of the run's counters.",
               .readers = Column::For::Programs},
              [&](size_t i) {
                return outcomes[i].is == Outcome::Is::Failed ? Value()
                                                             : Value(Store::name_of(points[i].id));
              });
  const bool fails = std::any_of(outcomes.begin(), outcomes.end(),
                                 [](const Outcome& o) { return o.is == Outcome::Is::Failed; });
  builder.add({.key = "error",
               .title = "failed",
               .meaning = "What ended the run.",
               .align = Column::Align::Left,
               .readers = fails ? Column::For::All : Column::For::Programs},
              [&](size_t i) { return outcomes[i].why.empty() ? Value() : Value(outcomes[i].why); });
  return builder.table();
}

}  // namespace mmusim::sweep
