#include "config/value.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>

#include "base/error.h"
#include "base/units.h"
#include "config/nearest.h"

namespace mmusim::config {
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// Values in messages are cut: a hostile file can hold a line of a gigabyte.
std::string shown(std::string_view text) {
  constexpr size_t kMost = 60;
  if (text.size() <= kMost) return std::string(text);
  return fmt::format("{}...", text.substr(0, kMost));
}

ParsedValue parse_quantity(const Key& key, std::string_view text) {
  ParsedValue result;
  if (!key.word.empty() && text == key.word) {
    result.text = key.word;
    return result;
  }
  // A number of things there are few of has no suffix: "entries = 64K" is nearly always a slip.
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  const bool letters =
      !hexadecimal && text.find_first_not_of("0123456789") != std::string_view::npos;
  const auto number = key.type == Type::Size                ? parse_size(text)
                      : key.type == Type::Number && letters ? std::optional<uint64_t>()
                                                            : parse_count(text);
  if (!number) {
    result.problem =
        fmt::format("'{}' is not a {} (it takes {})", shown(text),
                    key.type == Type::Size ? "size" : "whole number", allowed_values(key));
  } else if (*number < key.least || *number > key.most) {
    result.problem =
        fmt::format("{} is out of range (it takes {})", shown(text), allowed_values(key));
  } else {
    result.number = *number;
    result.text = key.type == Type::Size ? format_size(*number) : fmt::format("{}", *number);
  }
  return result;
}

ParsedValue parse_flag(const Key& key, std::string_view text) {
  ParsedValue result;
  if (text == "true" || text == "yes" || text == "on" || text == "1") {
    result.number = 1;
  } else if (text != "false" && text != "no" && text != "off" && text != "0") {
    result.problem =
        fmt::format("'{}' is not a flag (it takes {})", shown(text), allowed_values(key));
  }
  result.text = result.number != 0 ? "true" : "false";
  return result;
}

ParsedValue parse_choice(const Key& key, std::string_view text) {
  ParsedValue result;
  result.text = std::string(text);
  if (key.or_path && text.find('/') != std::string_view::npos) return result;
  if (std::find(key.choices.begin(), key.choices.end(), text) == key.choices.end()) {
    const std::string hint = suggestion(text, key.choices);
    result.problem = fmt::format("'{}' is not one of {}{}{}", shown(text), allowed_values(key),
                                 hint.empty() ? "" : "; ", hint);
  }
  return result;
}

}  // namespace

ParsedValue parse_value(const Key& key, std::string_view text) {
  switch (key.type) {
    case Type::Number:
    case Type::Count:
    case Type::Size:
      return parse_quantity(key, text);
    case Type::Flag:
      return parse_flag(key, text);
    case Type::Choice:
      return parse_choice(key, text);
    case Type::Text:
      break;
  }
  ParsedValue result;
  result.text = std::string(text);
  return result;
}

std::string allowed_values(const Key& key) {
  const auto bound = [&](uint64_t value) {
    return key.type == Type::Size ? format_size(value) : fmt::format("{}", value);
  };
  if (!key.word.empty()) {
    Key number = key;
    number.word.clear();
    return fmt::format("{}, or {}", allowed_values(number), key.word);
  }
  switch (key.type) {
    case Type::Number:
    case Type::Count:
    case Type::Size: {
      if (key.most != kUnlimited) return fmt::format("{} to {}", bound(key.least), bound(key.most));
      const char* unit = key.type == Type::Size ? "bytes, also with K, M, G or T"
                         : key.type == Type::Count
                             ? "a whole number, also with K, M, G or T (thousands, millions ...)"
                             : "a whole number";
      if (key.least == 0) return unit;
      return fmt::format("{}, at least {}", unit, bound(key.least));
    }
    case Type::Flag:
      return "true or false";
    case Type::Choice:
      return fmt::format("{}{}", fmt::join(key.choices, ", "), key.or_path ? ", or a path" : "");
    case Type::Text:
      break;
  }
  return "text";
}

}  // namespace mmusim::config
