#include "base/word_text.h"

#include <gtest/gtest.h>

#include "base/bits.h"

namespace mmusim {
namespace word_text_test {

using As = WordField::As;
constexpr const char* kSizes[] = {"4K", "64K", "1M", "16M"};
constexpr WordField kFields[] = {
    field<BitField<0>>("v"),
    field<BitField<1>>("dirty", As::Flag),
    field<BitField<4, 4>>("key", As::Hex),
    {.name = "size", .low = 8, .width = 2, .as = As::Value, .values = kSizes},
    field<BitField<12, 52>>("pa", As::Hex, 12),
    field<BitField<60, 4>>("next", As::Pointer)};

TEST(WordText, FieldsAreShownInOrderEachInItsWay) {
  EXPECT_EQ(fields_text(kFields, 0xf000'0000'0012'32b3),
            "v=1 dirty key=0xb size=1M pa=0xf000000000123000 next 0xf");
  EXPECT_EQ(fields_text(kFields, 0), "v=0 key=0x0 size=4K pa=0x0 next 0x0");
  EXPECT_EQ(fields_text({}, 5), "");
}

TEST(WordText, AFieldMayBeTheWholeWord) {
  constexpr WordField kWhole[] = {{.name = "at", .as = As::Pointer}};
  EXPECT_EQ(fields_text(kWhole, ~uint64_t{0}), "at 0xffffffffffffffff");
}

TEST(WordText, AKindMaySayWhatAWordOfZerosIsAndOfSeveralWordsItself) {
  constexpr WordKind kPlain{.name = "plain", .fields = kFields};
  constexpr WordKind kEntry{.name = "entry", .fields = kFields, .zero = "none"};
  constexpr WordKind kPair{.name = "pair", .text = [](std::span<const uint64_t> words) {
                             return std::to_string(words[0] + words[1]);
                           }};
  const uint64_t words[] = {0, 3};
  EXPECT_EQ(kPlain.describe(words), "v=0 key=0x0 size=4K pa=0x0 next 0x0");
  EXPECT_EQ(kEntry.describe(words), "none");
  EXPECT_EQ(kPair.describe(words), "3");
  EXPECT_EQ(WordKind{}.describe(words), "");
}

}  // namespace word_text_test
}  // namespace mmusim
