#include "config/schema.h"

#include <string>
#include <utility>

#include "base/error.h"
#include "base/units.h"
#include "config/nearest.h"
#include "config/value.h"

namespace mmusim::config {
namespace {

// "section.name": what an INI file and a command line can both spell without quoting.
bool well_formed(std::string_view name) {
  if (name.find('.') == std::string_view::npos) return false;
  if (name.front() == '.' || name.back() == '.' || name.find("..") != std::string_view::npos) {
    return false;
  }
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-") ==
         std::string_view::npos;
}

}  // namespace

void Schema::add(Key key) {
  MMUSIM_ASSERT(well_formed(key.name));
  const ParsedValue value = parse_value(key, key.default_value);
  MMUSIM_ASSERT(value.problem.empty());
  key.default_value = value.text;
  const bool fresh = index_.emplace(key.name, keys_.size()).second;
  MMUSIM_ASSERT(fresh);
  keys_.push_back(std::move(key));
}

void Schema::number(std::string name, uint64_t value, std::string help, uint64_t least,
                    uint64_t most) {
  add({std::move(name),
       Type::Number,
       std::to_string(value),
       std::move(help),
       least,
       most,
       {},
       false,
       {}});
}

void Schema::number_or(std::string name, std::string word, std::string help, uint64_t least,
                       uint64_t most) {
  add({std::move(name), Type::Number, word, std::move(help), least, most, {}, false, word});
}

void Schema::count(std::string name, uint64_t value, std::string help, uint64_t least,
                   uint64_t most) {
  add({std::move(name),
       Type::Count,
       std::to_string(value),
       std::move(help),
       least,
       most,
       {},
       false,
       {}});
}

void Schema::size(std::string name, uint64_t bytes, std::string help, uint64_t least,
                  uint64_t most) {
  add({std::move(name),
       Type::Size,
       format_size(bytes),
       std::move(help),
       least,
       most,
       {},
       false,
       {}});
}

void Schema::flag(std::string name, bool value, std::string help) {
  add({std::move(name),
       Type::Flag,
       value ? "true" : "false",
       std::move(help),
       0,
       1,
       {},
       false,
       {}});
}

void Schema::choice(std::string name, std::string value, std::vector<std::string> choices,
                    std::string help) {
  add({std::move(name),
       Type::Choice,
       std::move(value),
       std::move(help),
       0,
       0,
       std::move(choices),
       false,
       {}});
}

void Schema::choice_or_path(std::string name, std::string value, std::vector<std::string> choices,
                            std::string help) {
  add({std::move(name),
       Type::Choice,
       std::move(value),
       std::move(help),
       0,
       0,
       std::move(choices),
       true,
       {}});
}

void Schema::text(std::string name, std::string value, std::string help) {
  add({std::move(name), Type::Text, std::move(value), std::move(help), 0, 0, {}, false, {}});
}

const Key* Schema::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &keys_[found->second];
}

std::string Schema::nearest(std::string_view name) const {
  std::vector<std::string> names;
  names.reserve(keys_.size());
  for (const Key& key : keys_)
    names.push_back(key.name);
  return config::nearest(name, names);
}

}  // namespace mmusim::config
