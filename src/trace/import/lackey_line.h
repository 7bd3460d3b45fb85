// A reference line of a lackey log, read as fast as it can be:
//
//     I  0401ab70,3        an instruction of 3 bytes was fetched
//      L 1fff0006c8,8      8 bytes were loaded       (likewise S: stored, M: loaded and stored)
//
// The address is hexadecimal in small letters, at least 8 digits; the size is decimal. Source: the
// printf formats of lackey's --trace-mem as observed in the logs of Valgrind 3.19.
#ifndef MMUSIM_TRACE_IMPORT_LACKEY_LINE_H_
#define MMUSIM_TRACE_IMPORT_LACKEY_LINE_H_

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/types.h"

namespace mmusim::trace::lackey {

// The value of 8 hexadecimal digits (0-9, a-f), or -1 if one of them is not. Works on all 8 at
// once, one to a byte of a word. REQUIRES: 8 readable bytes.
inline int64_t eight_hex_digits(const char* text) {
  uint64_t x = 0;
  std::memcpy(&x, text, 8);
  if constexpr (std::endian::native == std::endian::big) x = __builtin_bswap64(x);
  constexpr uint64_t kOnes = 0x0101010101010101u;
  constexpr uint64_t kHigh = 0x80 * kOnes;
  // Each sum sets its byte's high bit where the character is at least the one named; no carry
  // crosses a byte as long as all characters are below 0x80, which `valid` asks for too.
  const uint64_t from_0 = (x & ~kHigh) + (0x80 - '0') * kOnes;
  const uint64_t behind_9 = (x & ~kHigh) + (0x80 - '9' - 1) * kOnes;
  const uint64_t from_a = (x & ~kHigh) + (0x80 - 'a') * kOnes;
  const uint64_t behind_f = (x & ~kHigh) + (0x80 - 'f' - 1) * kOnes;
  const uint64_t valid = ((from_0 & ~behind_9) | (from_a & ~behind_f)) & ~x & kHigh;
  if (valid != kHigh) return -1;
  uint64_t n = (x & 0x0f * kOnes) + 9 * ((x >> 6) & kOnes);  // letters have bit 6
  // The first character is in the lowest byte and is worth most.
  n = ((n & 0x000f000f000f000fu) << 4) | ((n >> 8) & 0x000f000f000f000fu);
  n = ((n & 0x000000ff000000ffu) << 8) | ((n >> 16) & 0x000000ff000000ffu);
  return static_cast<int64_t>(((n & 0xffff) << 16) | (n >> 32));
}

inline int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

constexpr uint32_t word_of(char a, char b, char c) {
  return std::bit_cast<uint32_t>(std::array<char, 4>{a, b, c, '\0'});
}
inline constexpr uint32_t kTagMask = word_of('\xff', '\xff', '\xff');

struct ReferenceLine {
  uint64_t address;
  uint32_t size;
  AccessKind kind;
};

// Reads the line at `line` into `out` and returns the start of the next one; null if this is not a
// reference line as above, or a size is not 1 .. 99999. REQUIRES: the line ends with a newline, and
// 64 bytes behind that can be read.
inline const char* parse_reference(const char* line, ReferenceLine& out) {
  uint32_t tag = 0;
  std::memcpy(&tag, line, 4);
  tag &= kTagMask;
  if (tag == word_of('I', ' ', ' ')) {
    out.kind = AccessKind::Fetch;
  } else if (tag == word_of(' ', 'L', ' ')) {
    out.kind = AccessKind::Load;
  } else if (tag == word_of(' ', 'S', ' ')) {
    out.kind = AccessKind::Store;
  } else if (tag == word_of(' ', 'M', ' ')) {
    out.kind = AccessKind::Modify;
  } else {
    return nullptr;
  }
  const int64_t first = eight_hex_digits(line + 3);
  if (first < 0) return nullptr;
  uint64_t address = static_cast<uint64_t>(first);
  const char* p = line + 11;
  while (*p != ',') {
    const int digit = hex_digit(*p);
    if (digit < 0 || (address >> 60) != 0) return nullptr;
    address = address << 4 | static_cast<uint64_t>(digit);
    ++p;
  }
  out.address = address;
  ++p;
  uint32_t size = static_cast<uint32_t>(*p) - '0';
  if (size > 9) return nullptr;
  for (++p; *p != '\n'; ++p) {
    const uint32_t digit = static_cast<uint32_t>(*p) - '0';
    if (digit > 9 || size > 9999) return nullptr;
    size = size * 10 + digit;
  }
  if (size == 0) return nullptr;
  out.size = size;
  return p + 1;
}

}  // namespace mmusim::trace::lackey

#endif  // MMUSIM_TRACE_IMPORT_LACKEY_LINE_H_
