#include "mmu/cpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "tests/unit/mmu/toy_cpu.h"

namespace mmusim::mmu {
namespace cpus_test {

using ::testing::ElementsAre;
using toy::ToyMmu;

// A copy of a page table that has tables or none, and says when it is emptied and when it goes.
struct ToyCopy {
  ToyCopy(std::string of, std::string& log) : name(std::move(of)), out(&log) {}
  ToyCopy(const ToyCopy&) = delete;
  ToyCopy& operator=(const ToyCopy&) = delete;
  ~ToyCopy() { *out += "-" + name; }
  void drop(pt::Gather& gather) {
    *out += " drop " + name;
    if (has_tables) gather.unlinked({VirtAddr(0), VirtAddr(0x1000)}, toy::k4K);
  }
  std::string name;
  std::string* out;
  bool has_tables = true;
};
struct ToySpace : Space {
  using Maker = std::string;  // what copies write into
  std::unique_ptr<ToyCopy> copy;
};
constexpr uint8_t kTable = 1;  // in Payload::extra

class ToyTlbs final : public Cpus<ToyMmu, ToySpace> {
 public:
  ToyTlbs(unsigned cpus, mem::FrameMemory& frames, mem::ReferenceSink& sink) : Cpus(frames, sink) {
    make_cpus(cpus, [&](CpuId) { return std::make_unique<ToyMmu>(frames, sink); });
    maker_.emplace();
  }
  bool activate(CpuId id, MmId mm, pt::PageTable& /*table*/) override {
    run(id, mm);
    return true;
  }
  void run(CpuId id, MmId mm) {
    cpu(id).current = mm;
    cpu(id).mmu->load(mm.value());
    spaces_[mm].ran_on |= bit_of(id.value());
  }
  using TlbMaintenance::flush_range;
  void flush_range(MmId, VirtRange, PageShift, bool, RangeFlush) override {}
  void flush_mm(MmId) override {}
  using TlbMaintenance::flush_local_page;
  void flush_local_page(CpuId, MmId, VirtAddr, bool) override {}
  void report(stats::Report& report) const override { paths(toy::kToySteps).report(report); }
  bool shrink() override {
    return drop_copies(&ToySpace::copy, [&](MmId mm, ToySpace&) {
      log() += " flush " + std::to_string(mm.value());
    });
  }
  std::vector<MmId> copied() const override { return with_copy(&ToySpace::copy); }
  void give_copy(MmId mm, bool tables) {
    spaces_[mm].copy = std::make_unique<ToyCopy>(std::to_string(mm.value()), log());
    spaces_[mm].copy->has_tables = tables;
  }
  bool alone(MmId mm) const { return only_here(mm); }
  uint64_t interrupts_for(MmId mm) const { return others(find_space(mm)->ran_on); }
  CpuCounters sum() const { return counters(); }

  std::string& log() { return *maker_; }

 private:
  void release(MmId mm, ToySpace& /*space*/) override {
    EXPECT_FALSE(is_loaded(mm));
    log() += " release " + std::to_string(mm.value());
  }
  std::optional<MmId> user_of(const Cpu& /*cpu*/, const tlb::EntryView& entry) const override {
    if (find_space(MmId(entry.space)) == nullptr) return std::nullopt;
    return MmId(entry.space);
  }
  bool maps_table(const tlb::Payload& entry) const override { return entry.extra == kTable; }
};

struct World {
  mem::FrameMemory frames{uint64_t{1} << 24, toy::k4K};
  mem::ReferenceSink sink;
  ToyTlbs tlbs{3, frames, sink};

  void run(uint32_t cpu, uint64_t mm) { tlbs.run(CpuId(cpu), MmId(mm)); }
  void touch(uint32_t cpu, uint64_t at, uint64_t pfn, uint8_t extra = 0) {
    ToyMmu& mmu = tlbs.mmu(CpuId(cpu));
    mmu.pages = {{{VirtAddr(at), VirtAddr(at) + 0x1000},
                  {.pfn = Pfn(pfn),
                   .size = toy::k4K,
                   .rights = Rights(Rights::kRead),
                   .dirty = true,
                   .global = false,
                   .extra = extra}}};
    EXPECT_TRUE(mmu.access(VirtAddr(at), AccessKind::Load, false).ok());
  }
  std::vector<std::string> entries() {
    std::vector<std::string> all;
    tlbs.for_each_entry([&](const CachedTranslation& t) {
      all.push_back(std::to_string(t.cpu.value()) + ":" + std::to_string(t.mm.value()) + " " +
                    t.where + " " + std::to_string(t.pfn.value()));
    });
    return all;
  }
};

TEST(Cpus, ShowWhatCanBeUsedAndNotTheTablesPages) {
  World w;
  w.run(0, 1);
  w.run(2, 2);
  w.touch(0, 0x1000, 5);
  w.touch(2, 0x2000, 6, kTable);
  EXPECT_THAT(w.entries(), ElementsAre("0:1 l1d 5", "0:1 l2 5"));
  EXPECT_TRUE(w.tlbs.walk_caches_reach(PhysAddr(0x6000), 0x1000));
  EXPECT_TRUE(w.tlbs.walk_caches_reach(PhysAddr(0x6800), 8));       // within the page
  EXPECT_TRUE(w.tlbs.walk_caches_reach(PhysAddr(0x4000), 0x4000));  // around it
  EXPECT_FALSE(w.tlbs.walk_caches_reach(PhysAddr(0x7000), 0x1000));
  EXPECT_FALSE(w.tlbs.walk_caches_reach(PhysAddr(0x5000), 0x1000));  // no table
  w.tlbs.forget(MmId(2));
  EXPECT_FALSE(w.tlbs.walk_caches_reach(PhysAddr(0x6000), 0x1000));
}

TEST(Cpus, AForgottenSpaceIsLeftBeforeItIsReleased) {
  World w;
  w.run(0, 1);
  w.run(1, 1);
  w.run(2, 2);
  w.tlbs.forget(MmId(1));
  EXPECT_EQ(w.tlbs.log(), " release 1");
  EXPECT_FALSE(w.tlbs.mmu(CpuId(1)).loaded);
  EXPECT_TRUE(w.tlbs.mmu(CpuId(2)).loaded);
  w.tlbs.forget(MmId(1));  // nothing more
  EXPECT_EQ(w.tlbs.log(), " release 1");
}

TEST(Cpus, WhoAsksNeedsNoInterrupt) {
  World w;
  w.run(0, 1);
  w.run(1, 1);
  w.tlbs.work_on(CpuId(1));
  EXPECT_EQ(w.tlbs.interrupts_for(MmId(1)), 1u);
  w.tlbs.work_on(CpuId(2));
  EXPECT_EQ(w.tlbs.interrupts_for(MmId(1)), 2u);
  EXPECT_FALSE(w.tlbs.alone(MmId(1)));  // not even running
  w.tlbs.work_on(CpuId(0));
  EXPECT_TRUE(w.tlbs.alone(MmId(1)));
  w.tlbs.shared(MmId(1), true);
  EXPECT_FALSE(w.tlbs.alone(MmId(1)));
}

// Of a copy that a CPU has loaded the root stays; one without tables, and loaded, gives nothing.
TEST(Cpus, ShrinkingKeepsTheRootsThatAreLoaded) {
  World w;
  w.run(0, 1);
  w.run(1, 3);
  w.tlbs.give_copy(MmId(1), true);
  w.tlbs.give_copy(MmId(2), true);
  w.tlbs.give_copy(MmId(3), false);
  EXPECT_TRUE(w.tlbs.shrink());
  EXPECT_EQ(w.tlbs.log(), " drop 1 flush 1 drop 2 flush 2-2 drop 3");
  EXPECT_THAT(w.tlbs.copied(), ElementsAre(MmId(1), MmId(3)));
}

TEST(Cpus, SumsAreOverAllCpus) {
  World w;
  w.run(0, 1);
  w.run(1, 1);
  w.touch(0, 0x1000, 5);
  w.touch(1, 0x1000, 5);
  EXPECT_EQ(w.tlbs.sum().sides[kData].misses, 2u);
  stats::Report report;
  w.tlbs.report(report);
  EXPECT_EQ(report.value("path.handler"), 2u);
}

}  // namespace cpus_test
}  // namespace mmusim::mmu
