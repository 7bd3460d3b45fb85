#include "base/program_file.h"

#include <bit>
#include <sys/auxv.h>
#include <system_error>

namespace mmusim {

namespace fs = std::filesystem;

namespace {

fs::path look_it_up() {
  std::error_code error;
  fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) return program;
  const unsigned long started_by = getauxval(AT_EXECFN);
  if (started_by == 0) return {};
  program = fs::canonical(std::bit_cast<const char*>(started_by), error);
  return error ? fs::path() : program;
}

}  // namespace

const fs::path& program_file() {
  static const fs::path found = look_it_up();
  return found;
}

}  // namespace mmusim
