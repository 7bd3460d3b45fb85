#include "base/word_text.h"

#include <fmt/format.h>

namespace mmusim {

std::string fields_text(std::span<const WordField> fields, uint64_t word) {
  std::string text;
  for (const WordField& field : fields) {
    const uint64_t ones = field.width == 64 ? ~uint64_t{0} : (uint64_t{1} << field.width) - 1;
    const uint64_t number = word >> field.low & ones;
    const uint64_t shown = number << field.scale;
    if (field.as == WordField::As::Flag && number == 0) continue;
    if (!text.empty()) text += ' ';
    switch (field.as) {
      case WordField::As::Number:
        text += fmt::format("{}={}", field.name, shown);
        break;
      case WordField::As::Hex:
        text += fmt::format("{}={:#x}", field.name, shown);
        break;
      case WordField::As::Value:
        text += fmt::format("{}={}", field.name, field.values[number]);
        break;
      case WordField::As::Flag:
        text += field.name;
        break;
      case WordField::As::Pointer:
        text += fmt::format("{} {:#x}", field.name, shown);
        break;
    }
  }
  return text;
}

std::string WordKind::describe(std::span<const uint64_t> words) const {
  if (text != nullptr) return text(words);
  if (words.front() == 0 && zero != nullptr) return zero;
  return fields_text(fields, words.front());
}

}  // namespace mmusim
