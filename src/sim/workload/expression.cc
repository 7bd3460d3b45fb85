#include "sim/workload/expression.h"

#include <cctype>
#include <fmt/format.h>

#include "base/error.h"
#include "base/units.h"

namespace mmusim::sim::workload {

void fail_at(const std::string& script, Position at, const std::string& what,
             const std::string& hint) {
  throw UsageError(fmt::format("{}:{}:{}", script, at.line, at.column), what, hint);
}

// sum := product { + - product }; product := factor { * / % factor };
// factor := number | name | - factor | ( sum )
class ExpressionParser {
 public:
  ExpressionParser(std::string_view text, Position at, const std::string& script, const char* what)
      : text_(text), at_(at), script_(script), what_(what) {}

  Expression all() {
    sum(0);
    if (next_ != text_.size()) fail();
    Expression whole;
    whole.at_ = at_;
    if (program_.size() == 1 && program_[0].kind == '#')
      whole.constant_ = program_[0].number;
    else
      whole.program_ = std::move(program_);
    return whole;
  }

 private:
  static constexpr unsigned kMostDepth = 64;

  [[noreturn]] void fail() const {
    fail_at(script_, here(), fmt::format("'{}' is not {}", text_, what_));
  }
  [[nodiscard]] Position here() const {
    return {at_.line, at_.column + static_cast<unsigned>(next_)};
  }
  [[nodiscard]] char peek() const { return next_ < text_.size() ? text_[next_] : '\0'; }
  [[nodiscard]] bool is(int (*kind)(int)) const {
    return kind(static_cast<unsigned char>(peek())) != 0;
  }
  void add(char kind, Position at) { program_.push_back({kind, 0, "", at}); }

  void sum(unsigned depth) {
    product(depth);
    while (peek() == '+' || peek() == '-') {
      const Position at = here();
      const char kind = text_[next_++];
      product(depth);
      add(kind, at);
    }
  }
  void product(unsigned depth) {
    factor(depth);
    while (peek() == '*' || peek() == '/' || peek() == '%') {
      const Position at = here();
      const char kind = text_[next_++];
      factor(depth);
      add(kind, at);
    }
  }
  void factor(unsigned depth) {
    if (depth > kMostDepth) fail();
    const Position at = here();
    if (peek() == '-') {
      ++next_;
      factor(depth + 1);
      add('m', at);
    } else if (peek() == '(') {
      ++next_;
      sum(depth + 1);
      if (peek() != ')') fail();
      ++next_;
    } else if (is(std::isdigit)) {
      const size_t begin = next_;
      while (is(std::isalnum))
        ++next_;
      const auto value = parse_size(text_.substr(begin, next_ - begin));
      if (!value || *value > INT64_MAX) {
        next_ = begin;
        fail();
      }
      program_.push_back({'#', static_cast<int64_t>(*value), "", at});
    } else if (is(std::isalpha)) {
      const size_t begin = next_;
      while (is(std::isalnum) || peek() == '_' || peek() == '$' || peek() == '.')
        ++next_;
      program_.push_back({'n', 0, std::string(text_.substr(begin, next_ - begin)), at});
    } else {
      fail();
    }
  }

  std::string_view text_;
  Position at_;
  const std::string& script_;
  const char* what_;
  size_t next_ = 0;
  std::vector<Expression::Op> program_;
};

Expression Expression::parse(std::string_view text, Position at, const std::string& script,
                             const char* what) {
  return ExpressionParser(text, at, script, what).all();
}

int64_t Expression::run(const std::string& script, const Lookup& lookup) const {
  std::vector<int64_t> stack;
  for (const Op& op : program_) {
    if (op.kind == '#') {
      stack.push_back(op.number);
      continue;
    }
    if (op.kind == 'n') {
      stack.push_back(lookup(op.name, op.at));
      continue;
    }
    const int64_t right = stack.back();
    int64_t left = 0;
    if (op.kind != 'm') {
      stack.pop_back();
      left = stack.back();
    }
    int64_t& result = stack.back();
    bool overflow = false;
    switch (op.kind) {
      case '+':
        overflow = __builtin_add_overflow(left, right, &result);
        break;
      case '*':
        overflow = __builtin_mul_overflow(left, right, &result);
        break;
      case '/':
      case '%':
        if (right == 0) fail_at(script, op.at, "a division by zero");
        overflow = left == INT64_MIN && right == -1;
        if (!overflow) result = op.kind == '/' ? left / right : left % right;
        break;
      default:  // '-', and 'm', whose left is 0
        overflow = __builtin_sub_overflow(left, right, &result);
        break;
    }
    if (overflow) fail_at(script, op.at, "a number here does not fit into 63 bits");
  }
  return stack.back();
}

}  // namespace mmusim::sim::workload
