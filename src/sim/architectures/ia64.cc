// The line of IA-64.
#include "arch/ia64/architecture.h"
#include "sim/architectures/entry.h"

namespace mmusim::sim {

const Architecture& ia64_architecture() {
  return architecture_entry<ia64::Architecture>();
}

}  // namespace mmusim::sim
