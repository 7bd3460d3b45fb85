// What this build is, for --version and for the provenance of results.
#ifndef MMUSIM_CLI_VERSION_H_
#define MMUSIM_CLI_VERSION_H_

#include <string>

namespace mmusim::cli {

struct Version {
  std::string number;      // "0.1.0"
  std::string commit;      // abbreviated, "-dirty" behind it if files were changed; "" if unknown
  std::string build_type;  // "Release"
  std::string compiler;    // "GCC 12.2.0"
};

Version version();

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_VERSION_H_
