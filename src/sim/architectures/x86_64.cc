// The line of x86-64.
#include "arch/x86/architecture.h"
#include "sim/architectures/entry.h"

namespace mmusim::sim {

const Architecture& x86_64_architecture() {
  return architecture_entry<x86::Architecture>();
}

}  // namespace mmusim::sim
