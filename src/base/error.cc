#include "base/error.h"

#include <utility>

namespace mmusim {
namespace {

std::string compose(const std::string& where, const std::string& what,
                    const std::string& what_to_do) {
  std::string message = where.empty() ? what : fmt::format("{}: {}", where, what);
  if (!what_to_do.empty()) message += fmt::format(" ({})", what_to_do);
  return message;
}

thread_local std::string kept;

}  // namespace

Error::Error(const std::string& where, const std::string& what, const std::string& what_to_do,
             int exit_status)
    : std::runtime_error(compose(where, what, what_to_do)), exit_status_(exit_status) {}

void assertion_failed(const char* expression, const char* file, int line) {
  throw InternalError(
      fmt::format("internal error: {} at {}:{}; please report this", expression, file, line));
}

void keep_failure(const InternalError& failure) {
  if (kept.empty()) kept = failure.what();
}

std::string kept_failure() {
  return std::exchange(kept, {});
}

}  // namespace mmusim
