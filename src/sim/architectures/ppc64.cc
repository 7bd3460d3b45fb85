// The line of 64-bit PowerPC.
#include "arch/ppc64/architecture.h"
#include "sim/architectures/entry.h"

namespace mmusim::sim {

const Architecture& ppc64_architecture() {
  return architecture_entry<ppc64::Architecture>();
}

}  // namespace mmusim::sim
