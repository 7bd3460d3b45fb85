// Numbers as people write them: "64K" in; "64K", "1,234,567" out. And rights.
#ifndef MMUSIM_BASE_UNITS_H_
#define MMUSIM_BASE_UNITS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace mmusim {

// A non-negative whole number: decimal or 0x hexadecimal, optionally followed by K, M, G or T
// (powers of 1024; an "iB" or "B" after the letter is allowed), in either case. Nothing where the
// text is not one or exceeds 2^64 - 1.
std::optional<uint64_t> parse_size(std::string_view text);

// The same for what is counted and has no bytes (instructions, operations): K, M, G and T are
// powers of 1000.
std::optional<uint64_t> parse_count(std::string_view text);

// The shortest text parse_size reads back to exactly this value: 65536 -> "64K", 1000 -> "1000".
std::string format_size(uint64_t bytes);

// With thousands separators: 1234567 -> "1,234,567".
std::string format_count(uint64_t count);

// The same with what is counted: "1 chunk", "2,000 chunks". `many`: if it is not `one` and an "s".
std::string format_counted(uint64_t count, std::string_view one, std::string_view many = {});

// "rwx", with '-' for what there is no right to.
std::string format_rights(Rights rights);

}  // namespace mmusim

#endif  // MMUSIM_BASE_UNITS_H_
