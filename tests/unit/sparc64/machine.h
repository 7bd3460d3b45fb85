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

// What an action adds to the counters.
struct Cost {
  uint64_t instructions = 0;
  uint64_t traps = 0;
  uint64_t handler_reads = 0;
  uint64_t handler_writes = 0;
  bool operator==(const Cost&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Cost& c) {
    return out << c.instructions << " instructions, " << c.traps << " traps, handler reads "
               << c.handler_reads << " and writes " << c.handler_writes;
  }
};

template <class Action>
Cost cost_of(World& world, Action action) {
  const auto now = [&] {
    const mmu::MissPath& path = world.mmu().path();
    return Cost{path.instructions() + path.instructions(/*of_faults=*/true),
                path.traps() + path.traps(/*of_faults=*/true), world.reads(mem::Origin::Handler),
                world.writes(mem::Origin::Handler)};
  };
  const Cost before = now();
  action();
  const Cost after = now();
  return {after.instructions - before.instructions, after.traps - before.traps,
          after.handler_reads - before.handler_reads, after.handler_writes - before.handler_writes};
}

}  // namespace mmusim::sparc64::testing

#endif  // MMUSIM_TESTS_UNIT_SPARC64_MACHINE_H_
