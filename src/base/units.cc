#include "base/units.h"

#include <charconv>
#include <fmt/format.h>
#include <limits>

namespace mmusim {

namespace {

// A number and what follows it; nothing where the text begins with none or it exceeds 64 bits.
struct Quantity {
  uint64_t value = 0;
  std::string_view suffix;
};
std::optional<Quantity> quantity(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  Quantity q;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), q.value, base);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  q.suffix = text.substr(static_cast<size_t>(end - text.data()));
  return q;
}

// 1 for K, 2 for M, ..., in either case; 0 for anything else.
unsigned power_of(char letter) {
  constexpr std::string_view kLetters = "KMGT";
  const size_t at = kLetters.find(static_cast<char>(letter & ~0x20));
  return at == std::string_view::npos ? 0 : static_cast<unsigned>(at) + 1;
}

std::optional<uint64_t> scaled(uint64_t value, uint64_t unit, unsigned power) {
  for (; power > 0; --power) {
    if (value > std::numeric_limits<uint64_t>::max() / unit) return std::nullopt;
    value *= unit;
  }
  return value;
}

}  // namespace

std::optional<uint64_t> parse_size(std::string_view text) {
  const auto q = quantity(text);
  if (!q) return std::nullopt;
  std::string_view suffix = q->suffix;
  if (suffix.empty() || suffix == "B" || suffix == "b") return q->value;
  const unsigned power = power_of(suffix.front());
  suffix.remove_prefix(1);
  const bool bytes =
      suffix.empty() || suffix == "B" || suffix == "b" || suffix == "iB" || suffix == "ib";
  if (power == 0 || !bytes) return std::nullopt;
  return scaled(q->value, 1024, power);
}

std::optional<uint64_t> parse_count(std::string_view text) {
  const auto q = quantity(text);
  if (!q) return std::nullopt;
  if (q->suffix.empty()) return q->value;
  const unsigned power = power_of(q->suffix.front());
  if (power == 0 || q->suffix.size() != 1) return std::nullopt;
  return scaled(q->value, 1000, power);
}

std::string format_size(uint64_t bytes) {
  static constexpr struct {
    unsigned shift;
    char letter;
  } kUnits[] = {{40, 'T'}, {30, 'G'}, {20, 'M'}, {10, 'K'}};
  for (const auto& unit : kUnits) {
    if (bytes != 0 && (bytes & ((uint64_t{1} << unit.shift) - 1)) == 0) {
      return fmt::format("{}{}", bytes >> unit.shift, unit.letter);
    }
  }
  return fmt::format("{}", bytes);
}

std::string format_count(uint64_t count) {
  std::string digits = fmt::format("{}", count);
  for (size_t i = digits.size(); i > 3; i -= 3)
    digits.insert(i - 3, 1, ',');
  return digits;
}

std::string format_counted(uint64_t count, std::string_view one, std::string_view many) {
  const std::string number = format_count(count);
  if (count == 1 || many.empty()) return fmt::format("{} {}{}", number, one, count == 1 ? "" : "s");
  return fmt::format("{} {}", number, many);
}

std::string format_rights(Rights rights) {
  return {rights.has(Rights::kRead) ? 'r' : '-', rights.has(Rights::kWrite) ? 'w' : '-',
          rights.has(Rights::kExec) ? 'x' : '-'};
}

}  // namespace mmusim
