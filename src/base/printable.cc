#include "base/printable.h"

#include <cstddef>
#include <cstdint>
#include <fmt/format.h>

namespace mmusim {
namespace {

// The bytes of the UTF-8 sequence `text` begins with, and the character it stands for; 0 bytes if
// it is none (Unicode 15, table 3-7).
struct Sequence {
  size_t bytes = 0;
  uint32_t character = 0;
};
Sequence decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const uint32_t first = byte(0);
  if (first < 0x80) return {1, first};
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return {};
  uint32_t character = first & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    character = character << 6 | (byte(i) & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = character >= 0xd800 && character <= 0xdfff;
  if (character < kLeast[length] || surrogate || character > 0x10ffff) return {};
  return {length, character};
}

bool harmless(uint32_t c) {
  if (c < 0x20 || (c >= 0x7f && c <= 0x9f)) return false;
  const bool line_end = c == 0x2028 || c == 0x2029;
  const bool direction = c == 0x200e || c == 0x200f || c == 0x061c ||
                         (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
  return !line_end && !direction;
}

bool layout(uint32_t c) {
  return c == '\n' || c == '\t';
}

std::string escaped(std::string_view text, bool keep_lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Sequence next = decode(text);
    const size_t bytes = next.bytes == 0 ? 1 : next.bytes;
    if (next.bytes != 0 && (harmless(next.character) || (keep_lines && layout(next.character)))) {
      out += text.substr(0, bytes);
    } else if (next.character == '\n') {
      out += "\\n";
    } else if (next.character == '\t') {
      out += "\\t";
    } else {
      for (const char c : text.substr(0, bytes))
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    text.remove_prefix(bytes);
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) {
  return escaped(text, false);
}

std::string printable_lines(std::string_view text) {
  return escaped(text, true);
}

bool is_printable(std::string_view text) {
  while (!text.empty()) {
    const Sequence next = decode(text);
    if (next.bytes == 0 || !(harmless(next.character) || layout(next.character))) return false;
    text.remove_prefix(next.bytes);
  }
  return true;
}

}  // namespace mmusim
