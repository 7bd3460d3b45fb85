#include "sim/architectures.h"

namespace mmusim::sim {

const std::vector<Architecture>& all_architectures() {
  static const std::vector<Architecture> kAll = {
      x86_64_architecture(), i386_architecture(),    ia64_architecture(),
      ppc64_architecture(),  sparc64_architecture(), alpha_architecture(),
  };
  return kAll;
}

}  // namespace mmusim::sim
