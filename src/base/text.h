// Pieces of a text that a person wrote.
#ifndef MMUSIM_BASE_TEXT_H_
#define MMUSIM_BASE_TEXT_H_

#include <string_view>
#include <vector>

namespace mmusim {

// Without blanks and tabs at its ends.
constexpr std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// What stands between the commas, as it stands there: one more than there are commas.
inline std::vector<std::string_view> list_items(std::string_view list) {
  std::vector<std::string_view> items;
  while (true) {
    const size_t comma = list.find(',');
    items.push_back(list.substr(0, comma));
    if (comma == std::string_view::npos) return items;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace mmusim

#endif  // MMUSIM_BASE_TEXT_H_
