// Numbers of a script: sizes, sums, products, variables and places of segments.
//
// Parsed once and evaluated each time the script comes by. Arithmetic is on whole numbers; what
// does not fit into 63 bits is an error of the script.
#ifndef MMUSIM_SIM_WORKLOAD_EXPRESSION_H_
#define MMUSIM_SIM_WORKLOAD_EXPRESSION_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mmusim::sim::workload {

struct Position {
  unsigned line = 0;
  unsigned column = 0;
};

// Errors: UsageError, naming script, line and column.
[[noreturn]] void fail_at(const std::string& script, Position at, const std::string& what,
                          const std::string& hint = "");

class Expression {
 public:
  // What a name in an expression stands for.
  using Lookup = std::function<int64_t(const std::string& name, Position at)>;

  Expression() = default;
  explicit Expression(int64_t value) : constant_(value) {}
  // All of `text`, which begins at `at`. `what` says in messages what should be there ("a size").
  // Errors: UsageError.
  static Expression parse(std::string_view text, Position at, const std::string& script,
                          const char* what);

  // Errors: UsageError: overflow, division by zero, and what `lookup` throws.
  [[nodiscard]] int64_t value(const std::string& script, const Lookup& lookup) const {
    return program_.empty() ? constant_ : run(script, lookup);
  }
  [[nodiscard]] Position at() const { return at_; }

 private:
  friend class ExpressionParser;
  struct Op {
    char kind = '#';  // '#': a number; 'n': a name; 'm': minus; else the operator
    int64_t number = 0;
    std::string name;
    Position at;
  };
  [[nodiscard]] int64_t run(const std::string& script, const Lookup& lookup) const;

  int64_t constant_ = 0;
  std::vector<Op> program_;  // in reverse Polish order; empty: constant_
  Position at_;
};

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_EXPRESSION_H_
