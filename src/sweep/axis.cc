#include "sweep/axis.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/text.h"
#include "base/units.h"

namespace mmusim::sweep {
namespace {

// "FIRST..LAST xN" or "FIRST..LAST +N".
class Range {
 public:
  Range(const config::Key& key, std::string_view text, const std::string& where)
      : key_(key), text_(text), where_(where) {
    const size_t dots = text.find("..");
    const size_t blank = std::min(text.find_first_of(" \t", dots), text.size());
    const std::string_view step = trimmed(text.substr(blank));
    first_ = number(text.substr(0, dots));
    last_ = number(text.substr(dots + 2, blank - dots - 2));
    if (step.size() < 2 || (step.front() != 'x' && step.front() != '+'))
      wrong("it does not say how it goes on", "as in 64..4096 x2, or 4..16 +4");
    times_ = step.front() == 'x';
    by_ = number(step.substr(1));
    if (by_ < (times_ ? 2U : 1U) || first_ > last_ || (times_ && first_ == 0))
      wrong("it does not go up", "as in 64..4096 x2, or 4..16 +4");
  }

  void add(std::vector<std::string>& values) const {
    uint64_t value = first_;
    while (true) {
      values.push_back(fmt::format("{}", value));
      if (value == last_) return;
      if (values.size() > kMostPoints)
        wrong(fmt::format("it has more than {} values", kMostPoints), "");
      if (times_ ? value > last_ / by_ : last_ - value < by_)
        wrong(fmt::format("it does not reach its end: the last is {}", value),
              "end it there, or choose another step");
      value = times_ ? value * by_ : value + by_;
    }
  }

 private:
  [[nodiscard]] uint64_t number(std::string_view text) const {
    using config::Type;
    if (key_.type != Type::Size && key_.type != Type::Count && key_.type != Type::Number)
      wrong(fmt::format("{} takes no numbers", key_.name), "give its values between commas");
    const auto value = key_.type == Type::Size ? parse_size(text) : parse_count(text);
    if (!value) wrong(fmt::format("'{}' is not a whole number", text), "as in 64..4096 x2");
    return *value;
  }
  [[noreturn]] void wrong(const std::string& what, const std::string& advice) const {
    throw UsageError(where_, fmt::format("'{}' is no range: {}", text_, what), advice);
  }

  const config::Key& key_;
  std::string_view text_;
  const std::string& where_;
  uint64_t first_ = 0;
  uint64_t last_ = 0;
  uint64_t by_ = 0;
  bool times_ = false;
};

const config::Key& key_named(const config::Schema& schema, const std::string& name,
                             const std::string& where) {
  const config::Key* const key = schema.find(name);
  if (key == nullptr)
    throw UsageError(where, fmt::format("unknown key '{}'", name),
                     fmt::format("the nearest known key is '{}'", schema.nearest(name)));
  struct Own {
    const char* key;
    const char* option;
  };
  constexpr Own kOwn[] = {{"run.trace", "the traces as arguments"},
                          {"run.machine", "--machines"},
                          {"machine.name", "--machines"},
                          {"machine.page_table", "--page-tables"}};
  for (const Own& own : kOwn)
    if (name == own.key)
      throw UsageError(where, fmt::format("'{}' is not varied so", name),
                       fmt::format("give {}", own.option));
  return *key;
}

std::pair<std::string, std::string> divided(const std::string& text, const std::string& where) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw UsageError(where, fmt::format("'{}' is no KEY=VALUE,VALUE,...", text),
                     "as in tlb.l2.entries=512,1024,2048");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

}  // namespace

std::vector<std::string> values_of(const config::Key& key, std::string_view list,
                                   const std::string& where) {
  std::vector<std::string> values;
  for (const std::string_view item : list_items(list)) {
    const std::string_view part = trimmed(item);
    if (part.empty())
      throw UsageError(where,
                       fmt::format("{}: '{}' has an empty place in its list", key.name, list));
    if (part.find("..") != std::string_view::npos && key.type != config::Type::Text)
      Range(key, part, where).add(values);
    else
      values.emplace_back(part);
  }
  return values;
}

Axis make_axis(const config::Schema& schema,
               const std::vector<std::pair<std::string, std::string>>& lists,
               const std::string& where) {
  Axis axis{.keys = {}, .values = {}, .where = where};
  for (const auto& [name, list] : lists) {
    axis.keys.push_back(name);
    axis.values.push_back(values_of(key_named(schema, name, where), list, where));
    if (axis.values.back().size() != axis.steps())
      throw UsageError(where,
                       fmt::format("{} has {} values and {} has {}", axis.keys.front(),
                                   axis.steps(), name, axis.values.back().size()),
                       "keys that go on together have as many values each");
  }
  return axis;
}

Axis parse_vary(const config::Schema& schema, const std::string& text, const std::string& where) {
  return make_axis(schema, {divided(text, where)}, where);
}

Axis parse_zip(const config::Schema& schema, const std::string& text, const std::string& where) {
  // A word without = goes on with the list before it: "a=1..8 x2 b=1,2,3,4".
  std::vector<std::string> words;
  std::istringstream in(text);
  for (std::string word; in >> word;) {
    if (words.empty() || word.find('=') != std::string::npos)
      words.push_back(word);
    else
      words.back() += ' ' + word;
  }
  std::vector<std::pair<std::string, std::string>> lists;
  lists.reserve(words.size());
  for (const std::string& word : words)
    lists.push_back(divided(word, where));
  if (lists.size() < 2)
    throw UsageError(where, fmt::format("'{}' has no two keys that go on together", text),
                     "as in \"tlb.l2.entries=512,1024 tlb.l2.ways=4,8\"");
  return make_axis(schema, lists, where);
}

std::vector<std::vector<Setting>> combinations(const std::vector<Axis>& axes) {
  std::set<std::string> varied;
  size_t points = 1;
  for (const Axis& axis : axes) {
    for (const std::string& key : axis.keys)
      if (!varied.insert(key).second)
        throw UsageError(axis.where, fmt::format("'{}' is varied twice", key));
    if (points > kMostPoints / axis.steps())
      throw UsageError(axis.where, fmt::format("that would be more than {} points", kMostPoints),
                       "divide it into several sweeps");
    points *= axis.steps();
  }
  std::vector<std::vector<Setting>> all(1);
  for (const Axis& axis : axes) {
    std::vector<std::vector<Setting>> longer;
    for (const std::vector<Setting>& begin : all)
      for (size_t step = 0; step < axis.steps(); ++step) {
        longer.push_back(begin);
        for (size_t i = 0; i < axis.keys.size(); ++i)
          longer.back().push_back({axis.keys[i], axis.values[i][step]});
      }
    all = std::move(longer);
  }
  return all;
}

}  // namespace mmusim::sweep
