// The line of SPARC V9.
#include "arch/sparc64/architecture.h"
#include "sim/architectures/entry.h"

namespace mmusim::sim {

const Architecture& sparc64_architecture() {
  return architecture_entry<sparc64::Architecture>();
}

}  // namespace mmusim::sim
