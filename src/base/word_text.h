// The words of hardware tables as people are shown them: each kind of word says by a table of its
// fields what they are called, where they are and how they are printed.
//
// Kinds are constants; who reports a reference names the kind of word it is to, and nobody goes by
// what one is called. Plain data and pure functions.
#ifndef MMUSIM_BASE_WORD_TEXT_H_
#define MMUSIM_BASE_WORD_TEXT_H_

#include <cstdint>
#include <span>
#include <string>

namespace mmusim {

struct WordField {
  enum class As : uint8_t {
    Number,   // name=12
    Hex,      // name=0x12
    Value,    // name=v, which `values` has for the field's number
    Flag,     // name, where it is not 0
    Pointer,  // name 0x12
  };
  const char* name = "";
  unsigned low = 0;
  unsigned width = 64;
  As as = As::Number;
  unsigned scale = 0;  // log2 of the unit it is in: what is shown is in ones
  std::span<const char* const> values = {};
};

// Of a BitField (bits.h).
template <class Bits>
constexpr WordField field(const char* name, WordField::As as = WordField::As::Number,
                          unsigned scale = 0) {
  return {.name = name, .low = Bits::kLow, .width = Bits::kWidth, .as = as, .scale = scale};
}

std::string fields_text(std::span<const WordField> fields, uint64_t word);

struct WordKind {
  const char* name = "";                   // "PTE", "VHPT tag", ...
  std::span<const WordField> fields = {};  // none: it is not taken apart
  const char* zero = nullptr;              // what is said of a word of zeros; null: its fields
  // In place of all that, where the fields that count depend on others, or of several words.
  std::string (*text)(std::span<const uint64_t> words) = nullptr;

  // REQUIRES: `words` are not empty.
  [[nodiscard]] std::string describe(std::span<const uint64_t> words) const;
};

}  // namespace mmusim

#endif  // MMUSIM_BASE_WORD_TEXT_H_
