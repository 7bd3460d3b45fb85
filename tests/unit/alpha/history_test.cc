// Random histories with small TLBs and few address space numbers.
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/random.h"
#include "machine.h"
#include "tests/unit/arch_history.h"

namespace mmusim::alpha::testing {
namespace history_test {

// In three leaf tables.
std::vector<VirtAddr> pages() {
  std::vector<VirtAddr> all;
  for (uint64_t i = 0; i < 48; ++i)
    all.emplace_back(0x1'2000'0000 + (i % 3 << 23) + i * kPage.bytes());
  return all;
}

class AlphaHistory : public ::testing::TestWithParam<const char*> {};

TEST_P(AlphaHistory, EveryTranslationIsThePageTables) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    mmusim::testing::ArchHistory<World> history(
        "[alpha]\nasn_bits = 3\n[alpha.itb]\nentries = 8\nways = 8\nreplacement = fifo\n"
        "[alpha.dtb]\nentries = 16\nways = 16\nreplacement = fifo\n",
        GetParam(), pages());
    Random random(seed);
    for (unsigned i = 0; i < 8000 && !HasFatalFailure(); ++i) {
      history.step(random);
      if (i % 16 == 0) history.check_reachable();
    }
    EXPECT_GT(history.mended(), 50u);
    EXPECT_EQ(history.spurious(), 0u) << "what a fault mends is flushed on every CPU";
    EXPECT_GT(history.world().counter("switch.roll_overs"), 10u);
    EXPECT_GT(history.world().counter("tlb.dtb.evictions"), 500u);
    EXPECT_GT(history.world().counter("cause.fault_on_execute"), 10u);
    EXPECT_EQ(history.world().counter("table.loads") > 0, GetParam() == std::string("mlpt"));
    history.check_flushed();
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, AlphaHistory, ::testing::Values("mlpt", "gpt", "hashed"));

}  // namespace history_test
}  // namespace mmusim::alpha::testing
