#include "pt/conformance/journal.h"

#include <fmt/format.h>

namespace mmusim::pt::conformance {

std::string Journal::text() const {
  const char* const what = name;
  if (what == nullptr) return "";
  std::string text = std::string(what) + "(";
  for (unsigned i = 0; i < count; ++i)
    text += fmt::format("{}{:#x}", i == 0 ? "" : ", ", arguments[i]);
  return text + ")";
}

}  // namespace mmusim::pt::conformance
