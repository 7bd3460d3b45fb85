// The line of i386.
#include "arch/x86/architecture.h"
#include "sim/architectures/entry.h"

namespace mmusim::sim {

const Architecture& i386_architecture() {
  return architecture_entry<x86::I386>();
}

}  // namespace mmusim::sim
