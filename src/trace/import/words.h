// Words of a line of text, and numbers in them, for importers.
#ifndef MMUSIM_TRACE_IMPORT_WORDS_H_
#define MMUSIM_TRACE_IMPORT_WORDS_H_

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace mmusim::trace {

// Without blanks and tabs at its ends.
inline std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Words between blanks and tabs: the next one of `text`, which moves behind it; empty at the end.
inline std::string_view next_word(std::string_view& text) {
  size_t begin = 0;
  while (begin < text.size() && (text[begin] == ' ' || text[begin] == '\t'))
    ++begin;
  size_t end = begin;
  while (end < text.size() && text[end] != ' ' && text[end] != '\t')
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
