#include "sim/architectures.h"

#include "base/error.h"

namespace mmusim::sim {

const std::vector<Architecture>& all_architectures() {
  static const std::vector<Architecture> kAll = {
      x86_64_architecture(), i386_architecture(),    ia64_architecture(),
      ppc64_architecture(),  sparc64_architecture(), alpha_architecture(),
  };
  return kAll;
}

const Architecture& architecture_of(const config::Config& config) {
  for (const Architecture& a : all_architectures())
    if (config.choice("machine.arch") == a.name) return a;
  throw UsageError("machine.arch", "no such architecture");
}

}  // namespace mmusim::sim
