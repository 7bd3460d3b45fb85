// Random histories over pages that meet in a few groups of the hash table. The kernel's accesses
// take entries of the same TLBs and segments; its frames are of two segments of the linear map, and
// whatever is left of that must be true.
#include <gtest/gtest.h>
#include <ostream>
#include <string>
#include <vector>

#include "base/random.h"
#include "machine.h"
#include "tests/unit/arch_history.h"

namespace mmusim::ppc64::testing {
namespace history_test {

struct Params {
  const char* backend;
  bool tera_segments;
};
void PrintTo(const Params& params, std::ostream* out) {
  *out << params.backend << (params.tera_segments ? " with" : " without") << " segments of 1T";
}

// Pages of two segments, one of 1T where there are any, whose primary or secondary group is one of
// two, by context 1.
std::vector<VirtAddr> meeting_pages(bool tera) {
  std::vector<VirtAddr> pages;
  for (const uint64_t start : {uint64_t{0x1000'0000}, uint64_t{3} << 40}) {
    const size_t enough = pages.size() + 40;
    for (VirtAddr va(start); pages.size() < enough; va += k4K.bytes())
      if ((hash_of(va, user_segment(va, 1, tera), k4K) & 2047 & ~uint64_t{1}) == 0x124)
        pages.push_back(va);
  }
  return pages;
}

class History : public mmusim::testing::ArchHistory<World> {
 public:
  explicit History(const Params& params)
      : ArchHistory(std::string("[ppc64]\ntera_segments = ") +
                        (params.tera_segments ? "true" : "false") +
                        "\nlinear_map = true\n[mem]\nbytes = 512M\n[ppc64.slb]\nentries = 8\n"
                        "[ppc64.tlb]\nentries = 32\nways = 2\n"
                        "[ppc64.derat]\nentries = 8\nways = 8\n[ppc64.ierat]\nentries = 8\n",
                    params.backend, meeting_pages(params.tera_segments), 0x10000) {
  }  // in the kernel's second segment without those of 1T

  // How many entries of the kernel's there are.
  uint64_t check_linear_map() {
    uint64_t entries = 0;
    for (uint32_t cpu = 0; cpu < kCpus; ++cpu)
      world().mmu(cpu).for_each_entry([&](const char* where, const tlb::EntryView& entry) {
        if (entry.base < kLinearMap) return;
        ++entries;
        EXPECT_EQ(entry.space, kLinearSpace) << where;
        EXPECT_EQ(entry.payload.pfn.value(), (entry.base - kLinearMap) >> k4K.log2()) << where;
        EXPECT_EQ(entry.payload.leaf, kLargePage) << where;
        EXPECT_FALSE(entry.payload.rights.has(Rights::kUser)) << where;
      });
    return entries;
  }
};

class Ppc64History : public ::testing::TestWithParam<Params> {};

TEST_P(Ppc64History, EveryTranslationIsThePageTables) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    History history(GetParam());
    Random random(seed);
    for (unsigned i = 0; i < 6000 && !HasFatalFailure(); ++i) {
      history.step(random);
      if (i % 16 == 0) {
        history.check_reachable();
        EXPECT_GT(history.check_linear_map(), 0u);
      }
    }
    EXPECT_EQ(history.mended() + history.spurious(), 0u) << "the hash fault notes uses by itself";
    const uint64_t segments = history.world().counter("linear.slb_misses");
    if (GetParam().tera_segments) {
      EXPECT_EQ(segments, 0u);
    } else {
      EXPECT_GT(segments, 10u);
    }
    EXPECT_GT(history.world().counter("linear.tlb_misses"), 1u);
    EXPECT_GT(history.world().counter("linear.fetch_misses"), 20u);
    EXPECT_GT(history.world().counter("htab.evictions"), 50u);
    EXPECT_GT(history.world().counter("htab.updates_missed"), 10u);
    EXPECT_GT(history.world().counter("htab.invalidates_missed"), 10u);
    EXPECT_GT(history.world().counter("htab.secondary_hits"), 50u);
    EXPECT_GT(history.world().counter("slb.misses"), 5u);
    history.check_flushed();
    EXPECT_EQ(history.world().counter("htab.used"), 0u);
    EXPECT_GT(history.check_linear_map(), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, Ppc64History,
                         ::testing::Values(Params{"mlpt", true}, Params{"gpt", true},
                                           Params{"mlpt", false}));

}  // namespace history_test
}  // namespace mmusim::ppc64::testing
