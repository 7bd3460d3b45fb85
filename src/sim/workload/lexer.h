// The words of a script. Plain data; no state.
#ifndef MMUSIM_SIM_WORKLOAD_LEXER_H_
#define MMUSIM_SIM_WORKLOAD_LEXER_H_

#include <string>
#include <string_view>
#include <vector>

#include "sim/workload/expression.h"

namespace mmusim::sim::workload {

struct Token {
  std::string text;  // "{", "}", a word, or what stood in quotes; empty: the end of a line
  Position at;
  bool quoted = false;

  [[nodiscard]] bool ends_line() const { return text.empty() && !quoted; }
  [[nodiscard]] bool is(std::string_view word) const { return !quoted && text == word; }
};

// Comments are left out; every line, the last too, ends with an end-of-line token.
// Errors: UsageError.
std::vector<Token> tokens_of(std::string_view text, const std::string& script);

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_LEXER_H_
