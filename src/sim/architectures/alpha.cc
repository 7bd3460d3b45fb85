// The line of Alpha.
#include "arch/alpha/architecture.h"
#include "sim/architectures/entry.h"

namespace mmusim::sim {

const Architecture& alpha_architecture() {
  return architecture_entry<alpha::Architecture>();
}

}  // namespace mmusim::sim
