// What an environment variable lists.
#ifndef MMUSIM_TESTS_BENCH_LISTED_H_
#define MMUSIM_TESTS_BENCH_LISTED_H_

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

namespace mmusim::bench {

// The items of the variable, or, where it is not set, of `otherwise`; none of an empty text.
inline std::vector<std::string> listed(const char* variable, char between, const char* otherwise) {
  const char* list = std::getenv(variable);
  std::stringstream text(list != nullptr ? list : otherwise);
  std::vector<std::string> items;
  for (std::string item; std::getline(text, item, between);)
    items.push_back(item);
  return items;
}

}  // namespace mmusim::bench

#endif  // MMUSIM_TESTS_BENCH_LISTED_H_
