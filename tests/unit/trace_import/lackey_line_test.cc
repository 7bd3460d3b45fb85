// Reference lines: the word-at-a-time reader against sprintf and against every single wrong
// character.
#include "trace/import/lackey_line.h"

#include <cinttypes>
#include <cstdio>
#include <gtest/gtest.h>
#include <optional>
#include <string>

#include "base/random.h"

namespace mmusim::trace::lackey {
namespace lackey_line_test {

struct Parsed {
  ReferenceLine ref;
  size_t bytes;
};

std::optional<Parsed> parse(const std::string& line) {
  const std::string padded = line + std::string(64, '\xee');
  ReferenceLine ref{};
  const char* next = parse_reference(padded.data(), ref);
  if (next == nullptr) return std::nullopt;
  return Parsed{ref, static_cast<size_t>(next - padded.data())};
}

TEST(LackeyLine, ReadsEachKind) {
  const struct {
    const char* line;
    AccessKind kind;
    uint64_t address;
    uint32_t size;
  } cases[] = {
      {"I  0401ab70,3\n", AccessKind::Fetch, 0x401ab70, 3},
      {" L 1fff0006c8,8\n", AccessKind::Load, 0x1fff0006c8, 8},
      {" S 0483c000,16\n", AccessKind::Store, 0x483c000, 16},
      {" M ffffffffffffffff,1\n", AccessKind::Modify, 0xffffffffffffffff, 1},
      {" L 00000000,99999\n", AccessKind::Load, 0, 99999},
  };
  for (const auto& c : cases) {
    const auto got = parse(c.line);
    ASSERT_TRUE(got) << c.line;
    EXPECT_EQ(got->ref.kind, c.kind) << c.line;
    EXPECT_EQ(got->ref.address, c.address) << c.line;
    EXPECT_EQ(got->ref.size, c.size) << c.line;
    EXPECT_EQ(got->bytes, std::string(c.line).size()) << c.line;
  }
}

TEST(LackeyLine, ReadsWhatPrintfPrints) {
  Random random(20260101);
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t address = random.next() >> random.below(64);
    const uint32_t size = 1 + static_cast<uint32_t>(random.below(4096));
    const char* const tag = std::array{"I ", " L", " S", " M"}[random.below(4)];
    char line[64];
    std::snprintf(line, sizeof line, "%s %08" PRIx64 ",%u\n", tag, address, size);
    const auto got = parse(line);
    ASSERT_TRUE(got) << line;
    ASSERT_EQ(got->ref.address, address) << line;
    ASSERT_EQ(got->ref.size, size) << line;
  }
}

TEST(LackeyLine, RefusesAnyOtherCharacterInAnyPlace) {
  const std::string good = " L 09afbc8d10,8\n";
  ASSERT_TRUE(parse(good));
  for (size_t at = 0; at + 1 < good.size(); ++at) {
    for (int c = 0; c < 256; ++c) {
      std::string line = good;
      line[at] = static_cast<char>(c);
      const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
      const bool expected = line == good || (at == 1 && (c == 'S' || c == 'M')) ||
                            (at >= 3 && at < 13 && hex) || (at == 14 && c >= '1' && c <= '9');
      ASSERT_EQ(parse(line).has_value(), expected) << "byte " << at << " = " << c;
    }
  }
}

TEST(LackeyLine, RefusesWhatDoesNotFit) {
  for (const char* line :
       {"I  0401ab7,3\n", "I  0401ab70,\n", "I  0401ab70,0\n", "I  0401ab70\n", "I  0401ab70,3 \n",
        " L 10000000000000000,8\n", " L 0401ab70,100000\n", " L 0401ab70,4294967297\n",
        " L 0401AB70,8\n", " L -401ab70,8\n", "\n", "I\n", "I  \n", " X 0401ab70,8\n",
        "  L 0401ab70,8\n", " L 0401ab70,-1\n", " L 0401ab70,8,8\n"}) {
    EXPECT_FALSE(parse(line)) << line;
  }
}

}  // namespace lackey_line_test
}  // namespace mmusim::trace::lackey
