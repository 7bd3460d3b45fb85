// Random histories of several address spaces on two CPUs, over pages that meet in a few slots of
// their TSBs: every access must give what the page table says, and nothing more may be reachable at
// any time.
#include <array>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "machine.h"

namespace mmusim::sparc64::testing {
namespace history_test {

struct Leaf {
  uint64_t pfn = 0;
  unsigned rights = 0;
};
constexpr unsigned kSpaces = 3;
constexpr unsigned kCpus = 2;

// On both sides of the hole; those 4M apart meet in a TSB of 512 entries, those 2M apart in the
// TLB.
std::vector<VirtAddr> meeting_pages() {
  std::vector<VirtAddr> pages;
  for (const uint64_t start : {uint64_t{0x1000'0000}, uint64_t{0xffff'f801'0000'0000}})
    for (uint64_t i = 0; i < 40; ++i)
      pages.emplace_back(start + (i << 21) + (i % 3 << 13));
  return pages;
}

class History {
 public:
  explicit History(const std::string& backend, const std::string& tsb)
      : world_("[sparc64]\ntsb = " + tsb +
                   "\n[sparc64.dtlb]\nentries = 16\nways = 16\n"
                   "[sparc64.dtlb.set0]\nentries = 16\nways = 2\n"
                   "[sparc64.itlb]\nentries = 16\nways = 16\n",
               backend, kCpus),
        pages_(meeting_pages()) {
    world_.run(0, 1);
    running_.fill(0);
  }

  void step(Random& random) {
    const auto cpu = static_cast<uint32_t>(random.below(kCpus));
    const auto mm = static_cast<unsigned>(random.below(kSpaces));
    const VirtAddr va = pages_[random.below(pages_.size())];
    switch (random.below(20)) {
      case 0:
        world_.run(mm, cpu);
        running_[cpu] = mm;
        return;
      case 1:
        return change(mm, va, 0);
      case 2:
        return change(mm, va, random.below(2) == 0 ? kR : kRX);
      case 3:
        return unmap_some(mm, random);
      case 4:
        if (random.below(8) == 0) world_.tlbs().resident(MmId(mm), random.below(2000), 0);
        return;
      default:
        return access(cpu, va, random);
    }
  }

  World& world() { return world_; }
  void check_reachable() {
    world_.tlbs().for_each_entry([&](const mmu::CachedTranslation& t) {
      const auto found = leaves_.find({static_cast<unsigned>(t.mm.value()), t.base.value()});
      ASSERT_NE(found, leaves_.end()) << t.where;
      EXPECT_EQ(t.pfn.value(), found->second.pfn) << t.where;
      EXPECT_EQ(t.rights.bits() & ~found->second.rights & 7, 0u) << t.where;
    });
  }

 private:
  using Key = std::pair<unsigned, uint64_t>;

  void access(uint32_t cpu, VirtAddr va, Random& random) {
    const unsigned mm = running_[cpu];
    const auto kind = static_cast<AccessKind>(random.below(4));
    mmu::Translation t = world_.access(va, kind, false, cpu);
    const auto found = leaves_.find({mm, va.value()});
    if (found == leaves_.end()) {
      EXPECT_EQ(t.fault, mmu::FaultReason::NotPresent);
      leaves_[{mm, va.value()}] = {next_frame_, kRW | kRX};
      world_.map(va, next_frame_++, kRW | kRX, true, mm);
      t = world_.access(va, kind, true, cpu);
    } else if (!Rights(found->second.rights).allows(kind)) {
      EXPECT_FALSE(t.ok());
      return;
    } else if (!t.ok()) {
      // It has more rights since it was loaded: the kernel finds the fault spurious.
      world_.tlbs().flush_local_page(CpuId(cpu), MmId(mm), va);
      t = world_.access(va, kind, true, cpu);
    }
    ASSERT_TRUE(t.ok());
    EXPECT_EQ(t.pfn.value(), (leaves_[{mm, va.value()}].pfn));
    EXPECT_TRUE(t.rights.allows(kind));
  }
  void change(unsigned mm, VirtAddr va, unsigned rights) {
    const auto found = leaves_.find({mm, va.value()});
    if (found == leaves_.end()) return;
    const pt::Lookup there = world_.table(mm).peek(va);
    ASSERT_EQ(world_.table(mm).install(there.handle, there.entry,
                                       world_.format().with_rights(there.entry, Rights(rights))),
              pt::Status::Ok);
    found->second.rights = rights;
    flush(mm, {va, va + kPage.bytes()});
  }
  void unmap_some(unsigned mm, Random& random) {
    const VirtAddr first = pages_[random.below(pages_.size())];
    const VirtRange range{first, first + (kPage.bytes() << random.below(14))};
    for (auto at = leaves_.begin(); at != leaves_.end();) {
      const VirtAddr va(at->first.second);
      if (at->first.first != mm || !range.contains(va)) {
        ++at;
        continue;
      }
      world_.unmap(va, mm);
      at = leaves_.erase(at);
    }
    flush(mm, range);
  }
  void flush(unsigned mm, VirtRange range) {
    world_.tlbs().flush_range(MmId(mm), range, kPage, false);
  }

  World world_;
  std::vector<VirtAddr> pages_;
  std::map<Key, Leaf> leaves_;
  std::array<unsigned, kCpus> running_{};
  uint64_t next_frame_ = 0x100;
};

class Sparc64History : public ::testing::TestWithParam<std::tuple<const char*, const char*>> {};

TEST_P(Sparc64History, EveryTranslationIsThePageTables) {
  const auto& [backend, tsb] = GetParam();
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    History history(backend, tsb);
    Random random(seed);
    for (unsigned i = 0; i < 6000 && !HasFatalFailure(); ++i) {
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
