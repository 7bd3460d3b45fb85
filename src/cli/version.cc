#include "cli/version.h"

#include <fmt/format.h>

#include "commit.h"  // made by commit.cmake at every build

namespace mmusim::cli {

Version version() {
#if defined(__clang__)
  const std::string compiler =
      fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  const std::string compiler =
      fmt::format("GCC {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
  return {MMUSIM_VERSION, MMUSIM_COMMIT, MMUSIM_BUILD_TYPE, compiler};
}

}  // namespace mmusim::cli
