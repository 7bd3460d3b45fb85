// Random histories over pages of two regions that meet in a few slots of the long-format VHPT, by
// each walker.
#include <gtest/gtest.h>
#include <string>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "tests/unit/arch_history.h"
#include "tests/unit/ia64/machine.h"

namespace mmusim::ia64::testing {
namespace history_test {

// A VHPT of 64K has 2,048 slots: pages 32M apart meet in one.
std::vector<VirtAddr> meeting_pages() {
  std::vector<VirtAddr> pages;
  for (const unsigned region : {1u, 2u})
    for (uint64_t i = 0; i < 40; ++i)
      pages.push_back(region_base(region) + (i / 4 << 25) + (i % 4 << kPage.log2()));
  return pages;
}

struct Walker {
  const char* name;
  const char* text;
  bool is_long = true;
};
void PrintTo(const Walker& walker, std::ostream* out) {
  *out << walker.name;
}

class Ia64History : public ::testing::TestWithParam<std::tuple<const char*, Walker>> {};

TEST_P(Ia64History, EveryTranslationIsThePageTables) {
  const auto& [backend, walker] = GetParam();
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    mmusim::testing::ArchHistory<World> history(
        std::string(walker.text) +
            "[ia64.l1i]\nentries = 4\nways = 4\n[ia64.l1d]\nentries = 4\nways = 4\n"
            "[ia64.l2i]\nentries = 24\nways = 24\n[ia64.l2d]\nentries = 24\nways = 24\n",
        backend, meeting_pages());
    Random random(seed);
    for (unsigned i = 0; i < 6000 && !HasFatalFailure(); ++i) {
      history.step(random);
      if (i % 16 == 0) history.check_reachable();
    }
    EXPECT_GT(history.world().counter("tlb.l2d.evictions"), 500u);
    if (walker.is_long) {
      EXPECT_GT(history.world().counter("vhpt.hits"), 20u);
      EXPECT_GT(history.world().counter("vhpt.purged"), 20u);
    }
    history.check_flushed();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Walkers, Ia64History,
    ::testing::Combine(::testing::Values("mlpt", "gpt", "hashed"),
                       ::testing::Values(Walker{"long", "[ia64]\nwalker = long\n"},
                                         Walker{"chains", "[ia64.vhpt]\nchains = true\n"},
                                         Walker{"short", "[ia64]\nwalker = short\n", false},
                                         Walker{"off", "[ia64]\nwalker = off\n", false})));

}  // namespace history_test
}  // namespace mmusim::ia64::testing
