#include "sim/workload/lexer.h"

#include <cctype>
#include <fmt/format.h>

namespace mmusim::sim::workload {

namespace {

// So that what errors quote is no more than a screen. Longer than any path.
constexpr size_t kMostWord = 4096;

bool is_word(char c) {
  return static_cast<unsigned char>(c) > ' ' && c != '{' && c != '}' && c != '#' && c != '"';
}

}  // namespace

std::vector<Token> tokens_of(std::string_view text, const std::string& script) {
  std::vector<Token> tokens;
  Position at{1, 1};
  for (size_t i = 0; i <= text.size();) {
    if (i == text.size() || text[i] == '\n') {
      tokens.push_back({"", at, false});
      ++at.line;
      at.column = 1;
      ++i;
      continue;
    }
    const char c = text[i];
    if (c == '#') {
      while (i < text.size() && text[i] != '\n')
        ++i;
      continue;
    }
    size_t end = i + 1;
    if (c == '"') {
      while (end < text.size() && text[end] != '"' && text[end] != '\n')
        ++end;
      if (end == text.size() || text[end] != '"') fail_at(script, at, "a quoted name does not end");
      tokens.push_back({std::string(text.substr(i + 1, end - i - 1)), at, true});
      ++end;
    } else if (c == '{' || c == '}') {
      tokens.push_back({std::string(1, c), at, false});
    } else if (std::isspace(static_cast<unsigned char>(c)) == 0) {
      if (static_cast<unsigned char>(c) < ' ') fail_at(script, at, "a control character");
      while (end < text.size() && is_word(text[end]))
        ++end;
      tokens.push_back({std::string(text.substr(i, end - i)), at, false});
    }
    if (end - i > kMostWord)
      fail_at(script, at, fmt::format("a word of more than {} characters", kMostWord));
    at.column += static_cast<unsigned>(end - i);
    i = end;
  }
  return tokens;
}

}  // namespace mmusim::sim::workload
