#include "base/units.h"

#include <charconv>
#include <fmt/format.h>
#include <limits>

namespace mmusim {

std::optional<uint64_t> parse_size(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  std::string_view suffix = text.substr(static_cast<size_t>(end - text.data()));
  if (suffix.empty() || suffix == "B") return value;
  unsigned shift = 0;
  switch (suffix.front()) {
    case 'K':
    case 'k':
      shift = 10;
      break;
    case 'M':
    case 'm':
      shift = 20;
      break;
    case 'G':
    case 'g':
      shift = 30;
      break;
    case 'T':
    case 't':
      shift = 40;
      break;
    default:
      return std::nullopt;
  }
  suffix.remove_prefix(1);
  if (!suffix.empty() && suffix != "B" && suffix != "iB") return std::nullopt;
  if (value > (std::numeric_limits<uint64_t>::max() >> shift)) return std::nullopt;
  return value << shift;
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

std::string format_rights(Rights rights) {
  return {rights.has(Rights::kRead) ? 'r' : '-', rights.has(Rights::kWrite) ? 'w' : '-',
          rights.has(Rights::kExec) ? 'x' : '-'};
}

}  // namespace mmusim
