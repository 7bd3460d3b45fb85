// Random histories of several address spaces on two CPUs with small TLBs and few numbers: every
// access must give what the page table says, and nothing more may be reachable at any time.
#include <array>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <utility>

#include "base/random.h"
#include "machine.h"

namespace mmusim::alpha::testing {
namespace history_test {

struct Leaf {
  uint64_t pfn = 0;
  unsigned rights = 0;
};
constexpr unsigned kSpaces = 3;
constexpr unsigned kCpus = 2;
constexpr unsigned kPages = 48;  // in three leaf tables

VirtAddr page(uint64_t i) {
  return VirtAddr(0x1'2000'0000 + (i % 3 << 23) + i * kPage.bytes());
}

class History {
 public:
  explicit History(const std::string& backend)
      : world_(
            "[alpha]\nasn_bits = 3\n[alpha.itb]\nentries = 8\nways = 8\nreplacement = fifo\n"
            "[alpha.dtb]\nentries = 16\nways = 16\nreplacement = fifo\n",
            backend, kCpus) {
    world_.run(0, 1);
  }

  void step(Random& random) {
    const auto cpu = static_cast<uint32_t>(random.below(kCpus));
    const auto mm = static_cast<unsigned>(random.below(kSpaces));
    const VirtAddr va = page(random.below(kPages));
    switch (random.below(24)) {
      case 0:
        world_.run(mm, cpu);
        running_[cpu] = mm;
        return;
      case 1:
        return change(mm, va, 0);
      case 2:
        return change(mm, va, random.below(2) == 0 ? kR : kRX);
      case 3:
        return unmap(mm, va, 1 + random.below(3));
      default:
        return access(cpu, va, static_cast<AccessKind>(random.below(4)));
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

  bool hits(uint32_t cpu, VirtAddr va, AccessKind kind) {
    Mmu& mmu = world_.mmu(cpu);
    if (kind == AccessKind::Fetch) return mmu.fetch_hits(va);
    return writes(kind) ? mmu.store_hits(va) : mmu.load_hits(va);
  }
  void access(uint32_t cpu, VirtAddr va, AccessKind kind) {
    const unsigned mm = running_[cpu];
    const auto found = leaves_.find({mm, va.value()});
    const bool allowed = found != leaves_.end() && Rights(found->second.rights).allows(kind);
    // What the filter lets by must be what the whole path would.
    if (hits(cpu, va, kind)) {
      EXPECT_TRUE(allowed);
    }
    mmu::Translation t = world_.access(va, kind, false, cpu);
    if (found == leaves_.end()) {
      EXPECT_EQ(t.fault, mmu::FaultReason::NotPresent);
      leaves_[{mm, va.value()}] = {next_frame_, kRW | kRX};
      world_.map(va, next_frame_++, kRW | kRX, /*used=*/true, mm);
      t = world_.access(va, kind, true, cpu);
    } else if (!allowed) {
      EXPECT_EQ(t.fault, mmu::FaultReason::Protection);
      return;
    } else if (!t.ok()) {
      // Aged or clean, or found so by an entry from before the other CPU mended it: what the
      // kernel's fault code would do.
      EXPECT_EQ(t.fault, mmu::FaultReason::Protection);
      const pt::Lookup there = world_.table(mm).peek(va);
      const EntryFormat& format = world_.format();
      const pt::Entry used = there.entry | format.accessed_mask | format.dirty_mask;
      ++(used != there.entry ? mended : spurious);
      ASSERT_EQ(world_.table(mm).install(there.handle, there.entry, used), pt::Status::Ok);
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
    const EntryFormat& format = world_.format();
    // With the rights, the use bits go.
    const pt::Entry aged = format.with_rights(there.entry, Rights(rights)) &
                           ~(format.accessed_mask | format.dirty_mask);
    ASSERT_EQ(world_.table(mm).install(there.handle, there.entry, aged), pt::Status::Ok);
    found->second.rights = rights;
    world_.tlbs().flush_page(MmId(mm), va, kPage, /*code=*/false);
  }
  void unmap(unsigned mm, VirtAddr first, uint64_t pages) {
    const VirtRange range{first, first + pages * kPage.bytes()};
    for (uint64_t i = 0; i < pages; ++i) {
      const VirtAddr va = first + i * kPage.bytes();
      if (leaves_.erase({mm, va.value()}) != 0) world_.unmap(va, mm);
    }
    world_.tlbs().flush_range(MmId(mm), range, kPage, false);
  }

  World world_;
  std::map<Key, Leaf> leaves_;
  std::array<unsigned, kCpus> running_{};
  uint64_t next_frame_ = 0x100;

 public:
  uint64_t mended = 0;
  uint64_t spurious = 0;
};

class AlphaHistory : public ::testing::TestWithParam<const char*> {};

TEST_P(AlphaHistory, EveryTranslationIsThePageTables) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    History history(GetParam());
    Random random(seed);
    for (unsigned i = 0; i < 8000 && !HasFatalFailure(); ++i) {
      history.step(random);
      if (i % 16 == 0) history.check_reachable();
    }
    EXPECT_GT(history.mended, 50u);
    EXPECT_EQ(history.spurious, 0u) << "what a fault mends is flushed on every CPU";
    EXPECT_GT(history.world().counter("switch.roll_overs"), 10u);
    EXPECT_GT(history.world().counter("tlb.dtb.evictions"), 500u);
    EXPECT_GT(history.world().counter("cause.fault_on_execute"), 10u);
    EXPECT_EQ(history.world().counter("table.loads") > 0, GetParam() == std::string("mlpt"));
    for (unsigned mm = 0; mm < kSpaces; ++mm)
      history.world().tlbs().flush_mm(MmId(mm));
    EXPECT_TRUE(history.world().reachable().empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, AlphaHistory, ::testing::Values("mlpt", "gpt", "hashed"));

}  // namespace history_test
}  // namespace mmusim::alpha::testing
