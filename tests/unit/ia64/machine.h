// An IA-64 machine small enough to work out by hand: TLBs from a few lines of configuration, and
// page tables of any backend with leaves put in one by one.
#ifndef MMUSIM_TESTS_UNIT_IA64_MACHINE_H_
#define MMUSIM_TESTS_UNIT_IA64_MACHINE_H_

#include <string>

#include "arch/ia64/architecture.h"
#include "tests/unit/arch_world.h"

namespace mmusim::ia64::testing {

using mmusim::testing::kR;
using mmusim::testing::kRW;
using mmusim::testing::kRX;

// Bits as the manual numbers them, so that a test does not lean on the names it tests.
inline constexpr uint64_t kP = 1, kA = 1 << 5, kD = 1 << 6, kPl3 = 3 << 7;
inline constexpr uint64_t kSize16K = uint64_t{14} << 53;
inline constexpr uint64_t kTi = uint64_t{1} << 63;

class World : public mmusim::testing::ArchWorld<Architecture> {
 public:
  explicit World(const std::string& text = "", const std::string& backend = "mlpt",
                 unsigned cpus = 1)
      : ArchWorld("[mem]\nbytes = 256M\n[ia64]\nswap_rid = false\n[ia64.vhpt]\nbytes = 64K\n", text,
                  backend, cpus) {}

  // Evicts by force, as if other pages had come: the VHPT stays.
  void drop_tlbs() {
    for (const unsigned region : {0u, 1u, 2u, 3u, 4u})
      mmu().purge({region_base(region), region_base(region) + (uint64_t{1} << 60)},
                  tlbs().context(MmId(0)));
  }
};

using mmusim::testing::Cost;
using mmusim::testing::cost_of;

}  // namespace mmusim::ia64::testing

#endif  // MMUSIM_TESTS_UNIT_IA64_MACHINE_H_
