// A sun4u machine small enough to work out by hand: TLBs from a few lines of configuration, and
// page tables of any backend with leaves put in one by one.
#ifndef MMUSIM_TESTS_UNIT_SPARC64_MACHINE_H_
#define MMUSIM_TESTS_UNIT_SPARC64_MACHINE_H_

#include <string>

#include "arch/sparc64/architecture.h"
#include "tests/unit/arch_world.h"

namespace mmusim::sparc64::testing {

using mmusim::testing::kR;
using mmusim::testing::kRW;
using mmusim::testing::kRX;

class World : public mmusim::testing::ArchWorld<Architecture> {
 public:
  explicit World(const std::string& text = "", const std::string& backend = "mlpt",
                 unsigned cpus = 1)
      : ArchWorld("[mem]\nbytes = 64M\n", text, backend, cpus) {}
};

using mmusim::testing::Cost;
using mmusim::testing::cost_of;

}  // namespace mmusim::sparc64::testing

#endif  // MMUSIM_TESTS_UNIT_SPARC64_MACHINE_H_
