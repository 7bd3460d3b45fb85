// Words of a line of text, and numbers in them, for importers.
#ifndef MMUSIM_TRACE_IMPORT_WORDS_H_
#define MMUSIM_TRACE_IMPORT_WORDS_H_

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include "base/text.h"

namespace mmusim::trace {

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Digits, and nothing but.
inline bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// The last of the words between blanks and tabs; empty if there is none.
inline std::string_view last_word(std::string_view text) {
  text = trimmed(text);
  size_t begin = text.size();
  while (begin > 0 && !is_blank(text[begin - 1]))
    --begin;
  return text.substr(begin);
}

// Words between blanks and tabs: the next one of `text`, which moves behind it; empty at the end.
inline std::string_view next_word(std::string_view& text) {
  size_t begin = 0;
  while (begin < text.size() && is_blank(text[begin]))
    ++begin;
  size_t end = begin;
  while (end < text.size() && !is_blank(text[end]))
    ++end;
  const std::string_view word = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return word;
}

// The whole of `text` as a number without a sign but -; nothing if it is none, or does not fit.
template <class Integer = uint64_t>
std::optional<Integer> whole_number(std::string_view text, int base = 10) {
  Integer value{};
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_WORDS_H_
