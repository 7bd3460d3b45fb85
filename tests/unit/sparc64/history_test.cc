// Random histories over pages that meet in a few slots of their TSBs, which grow.
#include <gtest/gtest.h>
#include <string>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "machine.h"
#include "tests/unit/arch_history.h"

namespace mmusim::sparc64::testing {
namespace history_test {

// On both sides of the hole; those 4M apart meet in a TSB of 512 entries, those 2M apart in the
// TLB.
std::vector<VirtAddr> meeting_pages() {
  std::vector<VirtAddr> pages;
  for (const uint64_t start : {uint64_t{0x1000'0000}, uint64_t{0xffff'f801'0000'0000}})
    for (uint64_t i = 0; i < 40; ++i)
      pages.emplace_back(start + (i << 21) + (i % 3 << 13));
  return pages;
}

class Sparc64History : public ::testing::TestWithParam<std::tuple<const char*, const char*>> {};

TEST_P(Sparc64History, EveryTranslationIsThePageTables) {
  const auto& [backend, tsb] = GetParam();
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    mmusim::testing::ArchHistory<World> history(std::string("[sparc64]\ntsb = ") + tsb +
                                                    "\n[sparc64.dtlb]\nentries = 16\nways = 16\n"
                                                    "[sparc64.dtlb.set0]\nentries = 16\nways = 2\n"
                                                    "[sparc64.itlb]\nentries = 16\nways = 16\n",
                                                backend, meeting_pages());
    Random random(seed);
    for (unsigned i = 0; i < 6000 && !HasFatalFailure(); ++i) {
      if (random.below(160) == 0)
        history.world().tlbs().resident(MmId(random.below(history.kSpaces)), random.below(2000), 0);
      history.step(random);
      if (i % 64 == 0) history.check_reachable();
    }
    EXPECT_GT(history.world().counter("flush.pages"), 50u);
    EXPECT_GT(history.world().counter("tlb.dtlb.evictions"), 50u);
    if (std::string(tsb) != "none") {
      EXPECT_GT(history.world().counter("tsb.hits"), 50u);
      EXPECT_GT(history.world().counter("tsb.flushed"), 20u);
      EXPECT_GT(history.world().counter("tsb.copied"), 10u);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, Sparc64History,
                         ::testing::Combine(::testing::Values("mlpt", "gpt", "hashed"),
                                            ::testing::Values("none", "two")));

}  // namespace history_test
}  // namespace mmusim::sparc64::testing
