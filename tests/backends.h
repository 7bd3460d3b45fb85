// The page tables there are, for tests that go through all of them.
#ifndef MMUSIM_TESTS_BACKENDS_H_
#define MMUSIM_TESTS_BACKENDS_H_

#include <string>
#include <vector>

#include "pt/page_table.h"

namespace mmusim::tests {

// By name.
inline std::vector<std::string> backend_names() {
  std::vector<std::string> names;
  for (const pt::Backend& backend : pt::backends())
    names.emplace_back(backend.name);
  return names;
}

}  // namespace mmusim::tests

#endif  // MMUSIM_TESTS_BACKENDS_H_
