// Random histories of several address spaces on two CPUs, over pages that meet in a few groups of
// the hash table: every access must give what the page table says, and nothing more may be
// reachable at any time. The kernel's accesses take entries of the same TLBs and segments; its
// frames are of two segments of the linear map, and whatever is left of that must be true.
#include <array>
#include <gtest/gtest.h>
#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "machine.h"

namespace mmusim::ppc64::testing {
namespace history_test {

struct Leaf {
  uint64_t pfn = 0;
  unsigned rights = 0;
};
constexpr unsigned kSpaces = 3;
constexpr unsigned kCpus = 2;

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

class History {
 public:
  explicit History(const Params& params)
      : world_(std::string("[ppc64]\ntera_segments = ") +
                   (params.tera_segments ? "true" : "false") +
                   "\nlinear_map = true\n[mem]\nbytes = 512M\n[ppc64.slb]\nentries = 8\n"
                   "[ppc64.tlb]\nentries = 32\nways = 2\n[ppc64.derat]\nentries = 8\nways = 8\n"
                   "[ppc64.ierat]\nentries = 8\n",
               params.backend, kCpus),
        pages_(meeting_pages(params.tera_segments)) {
    world_.run(0, 1);
    running_.fill(0);
  }

  void step(Random& random) {
    const auto cpu = static_cast<uint32_t>(random.below(kCpus));
    const auto mm = static_cast<unsigned>(random.below(kSpaces));
    const VirtAddr va = pages_[random.below(pages_.size())];
    switch (random.below(16)) {
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
  // How many entries of the kernel's there are.
  uint64_t check_linear_map() {
    uint64_t entries = 0;
    for (uint32_t cpu = 0; cpu < kCpus; ++cpu)
      world_.mmu(cpu).for_each_entry([&](const char* where, const tlb::EntryView& entry) {
        if (entry.base < kLinearMap) return;
        ++entries;
        EXPECT_EQ(entry.space, kLinearSpace) << where;
        EXPECT_EQ(entry.payload.pfn.value(), (entry.base - kLinearMap) >> k4K.log2()) << where;
        EXPECT_EQ(entry.payload.leaf, kLargePage) << where;
        EXPECT_FALSE(entry.payload.rights.has(Rights::kUser)) << where;
      });
    return entries;
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
      world_.map(va, next_frame_++, kRW | kRX, random.below(2) == 0, mm);
      t = world_.access(va, kind, true, cpu);
    } else if (!Rights(found->second.rights).allows(kind)) {
      EXPECT_EQ(t.fault, mmu::FaultReason::Protection);
      return;
    }
    ASSERT_TRUE(t.ok());
    EXPECT_EQ(t.pfn.value(), (leaves_[{mm, va.value()}].pfn));
    EXPECT_TRUE(t.rights.allows(kind));
    const pt::Entry entry = world_.table(mm).peek(va).entry;
    EXPECT_TRUE(world_.format().is_accessed(entry));
    EXPECT_TRUE(!writes(kind) || world_.format().is_dirty(entry));
  }
  void change(unsigned mm, VirtAddr va, unsigned rights) {
    const auto found = leaves_.find({mm, va.value()});
    if (found == leaves_.end()) return;
    const pt::Lookup there = world_.table(mm).peek(va);
    ASSERT_EQ(world_.table(mm).install(there.handle, there.entry,
                                       world_.format().with_rights(there.entry, Rights(rights))),
              pt::Status::Ok);
    found->second.rights = rights;
    flush(mm, {va, va + k4K.bytes()});
  }
  void unmap_some(unsigned mm, Random& random) {
    const VirtAddr first = pages_[random.below(pages_.size())];
    const VirtRange range{first, first + (k4K.bytes() << random.below(20))};
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
    world_.tlbs().flush_range(MmId(mm), range, k4K, false);
  }

  World world_;
  std::vector<VirtAddr> pages_;
  std::map<Key, Leaf> leaves_;
  std::array<unsigned, kCpus> running_{};
  uint64_t next_frame_ = 0x10000;  // the kernel's second segment without those of 1T
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
    for (unsigned mm = 0; mm < kSpaces; ++mm)
      history.world().tlbs().flush_mm(MmId(mm));
    EXPECT_EQ(history.world().counter("htab.used"), 0u);
    EXPECT_TRUE(history.world().reachable().empty());
    EXPECT_GT(history.check_linear_map(), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, Ppc64History,
                         ::testing::Values(Params{"mlpt", true}, Params{"gpt", true},
                                           Params{"mlpt", false}));

}  // namespace history_test
}  // namespace mmusim::ppc64::testing
