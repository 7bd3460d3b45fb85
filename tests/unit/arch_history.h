// Random histories of several address spaces on two CPUs, over few pages that meet in what an
// architecture keeps translations in: every access must give what the page table says, its use bits
// must be noted there, and nothing more may be reachable at any time.
#ifndef MMUSIM_TESTS_UNIT_ARCH_HISTORY_H_
#define MMUSIM_TESTS_UNIT_ARCH_HISTORY_H_

#include <array>
#include <cstdint>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/types.h"
#include "mmu/mmu.h"
#include "pt/page_table.h"
#include "tests/unit/arch_world.h"

namespace mmusim::testing {

template <class World>
class ArchHistory {
 public:
  static constexpr unsigned kSpaces = 3;
  static constexpr unsigned kCpus = 2;

  // `text`, `backend`: as World has them. Pages get frames from `first_frame` on, each its own.
  ArchHistory(const std::string& text, const std::string& backend, std::vector<VirtAddr> pages,
              uint64_t first_frame = 0x100)
      : world_(text, backend, kCpus), pages_(std::move(pages)), next_frame_(first_frame) {
    world_.run(0, 1);
  }

  // One thing more happens.
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
        return change(mm, va, 0, random.below(2) == 0);
      case 2:
        return change(mm, va, random.below(2) == 0 ? kR : kRX, random.below(2) == 0);
      case 3:
        return unmap_some(mm, va, 1 + random.below(random.below(2) == 0 ? 3 : kMostUnmapped));
      default:
        return access(cpu, va, static_cast<AccessKind>(random.below(4)), random.below(2) == 0);
    }
  }
  void check_reachable() {
    world_.tlbs().for_each_entry([&](const mmu::CachedTranslation& t) {
      const auto found = leaves_.find({static_cast<unsigned>(t.mm.value()), t.base.value()});
      ASSERT_NE(found, leaves_.end()) << t.where;
      EXPECT_EQ(t.pfn.value(), found->second.pfn) << t.where;
      EXPECT_EQ(t.rights.bits() & ~found->second.rights & 7, 0u) << t.where;
    });
  }
  // All address spaces are flushed.
  void check_flushed() {
    for (unsigned mm = 0; mm < kSpaces; ++mm)
      world_.tlbs().flush_mm(MmId(mm));
    EXPECT_TRUE(world_.reachable().empty());
  }

  World& world() { return world_; }
  // Accesses the kernel's fault code had to set use bits for, and such that found an entry that was
  // weaker than the page table.
  [[nodiscard]] uint64_t mended() const { return mended_; }
  [[nodiscard]] uint64_t spurious() const { return spurious_; }

 private:
  static constexpr uint64_t kMostUnmapped = 40;  // pages beside each other
  struct Leaf {
    uint64_t pfn = 0;
    unsigned rights = 0;
  };
  using Key = std::pair<unsigned, uint64_t>;  // address space, page

  [[nodiscard]] PageShift page() { return world_.frames().page(); }

  bool hits(uint32_t cpu, VirtAddr va, AccessKind kind) {
    auto& mmu = world_.mmu(cpu);
    if (kind == AccessKind::Fetch) return mmu.fetch_hits(va);
    return writes(kind) ? mmu.store_hits(va) : mmu.load_hits(va);
  }
  // `used`: a page that is not there comes with its use bits.
  void access(uint32_t cpu, VirtAddr va, AccessKind kind, bool used) {
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
      world_.map(va, next_frame_++, kRW | kRX, used, mm);
      t = world_.access(va, kind, true, cpu);
    } else if (!allowed) {
      // To hardware, what has no rights or is aged may be as if it were not there.
      const bool hidden = found->second.rights == 0 ||
                          !world_.format().is_accessed(world_.table(mm).peek(va).entry);
      EXPECT_TRUE(t.fault == mmu::FaultReason::Protection ||
                  (hidden && t.fault == mmu::FaultReason::NotPresent));
      return;
    }
    if (!t.ok()) t = after_fault(cpu, va, kind);
    ASSERT_TRUE(t.ok());
    EXPECT_EQ(t.pfn.value(), (leaves_[{mm, va.value()}].pfn));
    EXPECT_TRUE(t.rights.allows(kind));
    const pt::Entry entry = world_.table(mm).peek(va).entry;
    EXPECT_TRUE(world_.format().is_accessed(entry));
    EXPECT_TRUE(!writes(kind) || world_.format().is_dirty(entry));
  }
  // A page that is there is aged or clean, or an entry from before the other CPU mended that: what
  // the kernel's fault code would do.
  mmu::Translation after_fault(uint32_t cpu, VirtAddr va, AccessKind kind) {
    const unsigned mm = running_[cpu];
    const pt::Lookup there = world_.table(mm).peek(va);
    const auto& format = world_.format();
    const pt::Entry used =
        there.entry | format.accessed_mask | (writes(kind) ? format.dirty_mask : 0);
    ++(used != there.entry ? mended_ : spurious_);
    EXPECT_EQ(world_.table(mm).install(there.handle, there.entry, used), pt::Status::Ok);
    world_.tlbs().flush_local_page(CpuId(cpu), MmId(mm), va);
    return world_.access(va, kind, true, cpu);
  }
  // `age`: with the rights, the use bits go.
  void change(unsigned mm, VirtAddr va, unsigned rights, bool age) {
    const auto found = leaves_.find({mm, va.value()});
    if (found == leaves_.end()) return;
    const auto& format = world_.format();
    const pt::Lookup there = world_.table(mm).peek(va);
    pt::Entry entry = format.with_rights(there.entry, Rights(rights));
    if (age) entry &= ~(format.accessed_mask | format.dirty_mask);
    ASSERT_EQ(world_.table(mm).install(there.handle, there.entry, entry), pt::Status::Ok);
    found->second.rights = rights;
    world_.tlbs().flush_page(MmId(mm), va, page(), /*code=*/false);
  }
  void unmap_some(unsigned mm, VirtAddr first, uint64_t pages) {
    const VirtRange range{first, first + (pages << page().log2())};
    for (auto at = leaves_.begin(); at != leaves_.end();) {
      const VirtAddr va(at->first.second);
      if (at->first.first != mm || !range.contains(va)) {
        ++at;
        continue;
      }
      world_.unmap(va, mm);
      at = leaves_.erase(at);
    }
    world_.tlbs().flush_range(MmId(mm), range, page(), false);
  }

  World world_;
  std::vector<VirtAddr> pages_;
  std::map<Key, Leaf> leaves_;
  std::array<unsigned, kCpus> running_{};  // address space, by CPU
  uint64_t next_frame_;
  uint64_t mended_ = 0;
  uint64_t spurious_ = 0;
};

}  // namespace mmusim::testing

#endif  // MMUSIM_TESTS_UNIT_ARCH_HISTORY_H_
