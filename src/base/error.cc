#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace mmusim {
namespace {

std::string compose(const std::string& where, const std::string& what,
                    const std::string& what_to_do) {
  std::string message = where.empty() ? what : fmt::format("{}: {}", where, what);
  if (!what_to_do.empty()) message += fmt::format(" ({})", what_to_do);
  return message;
}

}  // namespace

Error::Error(const std::string& where, const std::string& what, const std::string& what_to_do,
             int exit_status)
    : std::runtime_error(compose(where, what, what_to_do)), exit_status_(exit_status) {}

void assertion_failed(const char* expression, const char* file, int line) {
  fmt::print(stderr, "mmusim: internal error: {} at {}:{}; please report this\n", expression, file,
             line);
  std::abort();
}

}  // namespace mmusim
