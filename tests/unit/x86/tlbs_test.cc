// What the kernel does to all CPUs: PCIDs, switches, flushes now and later, interrupts.
#include "arch/x86/tlbs.h"

#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/random.h"
#include "stats/report.h"
#include "tests/effort.h"
#include "tests/unit/x86/machine.h"

namespace mmusim::x86::testing {
namespace tlbs_test {

constexpr uint64_t kVa = 0x00007f1234567000;

class TlbsTest : public ::testing::Test {
 protected:
  explicit TlbsTest(const std::string& text = "", unsigned cpus = 3)
      : machine(text), tlbs(machine.options(), cpus, machine.frames(), machine.sink()) {
    for (uint64_t id = 0; id < 10; ++id) {
      roots.push_back(machine.new_table());
      tables.push_back(std::make_unique<RootOnly>(machine.sink(), roots.back()));
      for (uint64_t page = 0; page < 80; ++page)
        machine.map(roots.back(), kVa + page * 0x1000, id * 0x1000 + page, kData);
    }
  }
  void run(unsigned cpu, uint64_t mm) { tlbs.activate(CpuId(cpu), MmId(mm), *tables[mm]); }
  mmu::Translation touch(unsigned cpu, uint64_t page = 0) {
    return tlbs.mmu(CpuId(cpu)).access(VirtAddr(kVa + page * 0x1000), AccessKind::Load, false);
  }
  // Whether the access was served without a walk.
  bool cached(unsigned cpu, uint64_t page = 0) {
    const uint64_t before = machine.walker_reads();
    EXPECT_TRUE(touch(cpu, page).ok());
    return machine.walker_reads() == before;
  }
  static VirtRange pages(uint64_t first, uint64_t count) {
    return {VirtAddr(kVa + first * 0x1000), VirtAddr(kVa + (first + count) * 0x1000)};
  }
  // (cpu, mm, page number from kVa) of everything usable, in any level.
  std::set<std::tuple<unsigned, uint64_t, uint64_t>> usable() {
    std::set<std::tuple<unsigned, uint64_t, uint64_t>> all;
    tlbs.for_each_entry([&](const mmu::CachedTranslation& t) {
      all.emplace(t.cpu.value(), t.mm.value(), (t.base.value() - kVa) >> 12);
    });
    return all;
  }
  const TlbsCounts& counters() { return tlbs.flush_counters(); }

  Machine machine;
  Tlbs tlbs;
  std::vector<PhysAddr> roots;
  std::vector<std::unique_ptr<RootOnly>> tables;
};

TEST_F(TlbsTest, SixAddressSpacesKeepTheirTranslations) {
  for (uint64_t mm = 0; mm < 6; ++mm) {
    run(0, mm);
    touch(0);
  }
  for (uint64_t mm = 0; mm < 6; ++mm) {
    run(0, mm);
    EXPECT_TRUE(cached(0)) << mm;
    EXPECT_EQ(touch(0).pfn, Pfn(mm * 0x1000));
  }
  EXPECT_EQ(counters().switches, 12u);
  EXPECT_EQ(counters().switches_taken, 6u);
  EXPECT_EQ(counters().switches_kept, 6u);
  // A seventh takes the first slot, in turn; its former owner takes the second.
  run(0, 6);
  EXPECT_FALSE(cached(0));
  EXPECT_EQ(touch(0).pfn, Pfn(0x6000));
  run(0, 0);
  EXPECT_FALSE(cached(0));
  run(0, 1);
  EXPECT_FALSE(cached(0));
  run(0, 3);
  EXPECT_TRUE(cached(0));
  EXPECT_EQ(counters().switches_taken, 9u);
  EXPECT_EQ(counters().interrupts, 0u);
}

TEST_F(TlbsTest, ActivatingTheSameAgainIsNoSwitch) {
  run(0, 1);
  touch(0);
  const uint64_t generation = tlbs.mmu(CpuId(0)).generation();
  run(0, 1);
  EXPECT_EQ(counters().switches, 1u);
  EXPECT_EQ(tlbs.mmu(CpuId(0)).generation(), generation);
}

TEST_F(TlbsTest, SmallRangesGoPageByPage) {
  run(0, 1);
  for (uint64_t page = 0; page < 40; ++page)
    touch(0, page);
  tlbs.flush_range(MmId(1), pages(2, 3), k4K, false);
  EXPECT_EQ(counters().page_flushes, 1u);
  EXPECT_EQ(counters().invlpg, 3u);
  EXPECT_TRUE(cached(0, 1));
  EXPECT_FALSE(cached(0, 2));
  EXPECT_FALSE(cached(0, 4));
  EXPECT_TRUE(cached(0, 5));
}

TEST_F(TlbsTest, ThirtyThreePagesAreTheMostFlushedOneByOne) {
  run(0, 1);
  touch(0, 70);
  tlbs.flush_range(MmId(1), pages(0, 33), k4K, false);
  EXPECT_EQ(counters().invlpg, 33u);
  EXPECT_TRUE(cached(0, 70));
  tlbs.flush_range(MmId(1), pages(0, 34), k4K, false);
  EXPECT_EQ(counters().invlpg, 33u);
  EXPECT_EQ(counters().full_flushes, 1u);
  EXPECT_EQ(counters().emptied, 1u);
  EXPECT_FALSE(cached(0, 70));
  // Counted in units of the stride: 34 x 2M would be too many, 33 of them are not.
  tlbs.flush_range(MmId(1), {VirtAddr(0x40000000), VirtAddr(0x40000000 + 33 * 0x200000)}, k2M,
                   false);
  EXPECT_EQ(counters().invlpg, 66u);
  EXPECT_EQ(counters().full_flushes, 1u);
}

TEST_F(TlbsTest, RangesAreRoundedOutToTheStride) {
  run(0, 1);
  machine.map(roots[1], 0x40000000, 0x200, kData, 1);
  tlbs.mmu(CpuId(0)).access(VirtAddr(0x40000000), AccessKind::Load, false);
  tlbs.flush_range(MmId(1), {VirtAddr(0x40001000), VirtAddr(0x40002000)}, k2M, false);
  EXPECT_EQ(counters().invlpg, 1u);
  EXPECT_TRUE(usable().empty());
}

TEST_F(TlbsTest, FlushingNothingDoesNothing) {
  run(0, 1);
  touch(0);
  tlbs.flush_range(MmId(1), {}, k4K, false);
  EXPECT_TRUE(cached(0));
  EXPECT_EQ(counters().page_flushes + counters().full_flushes, 0u);
}

TEST_F(TlbsTest, OtherCpusRunningItAreInterrupted) {
  for (unsigned cpu = 0; cpu < 3; ++cpu) {
    run(cpu, cpu == 1 ? 2 : 1);
    touch(cpu, 0);
    touch(cpu, 1);
  }
  tlbs.flush_range(MmId(1), pages(0, 1), k4K, false);
  EXPECT_EQ(counters().interrupts, 1u);
  EXPECT_EQ(counters().invlpg, 2u);
  EXPECT_FALSE(cached(0, 0));
  EXPECT_FALSE(cached(2, 0));
  EXPECT_TRUE(cached(1, 0));
  EXPECT_TRUE(cached(0, 1));
  tlbs.flush_mm(MmId(1));
  EXPECT_EQ(counters().interrupts, 2u);
  EXPECT_FALSE(cached(2, 1));
  EXPECT_TRUE(cached(1, 1));
  tlbs.flush_mm(MmId(9));  // runs nowhere
  EXPECT_EQ(counters().interrupts, 2u);
}

TEST_F(TlbsTest, CpusThatRunAnotherOneFlushWhenTheyComeBack) {
  run(0, 1);
  touch(0, 0);
  touch(0, 1);
  run(0, 2);
  run(1, 1);
  touch(1, 0);
  EXPECT_EQ(usable().count({0, 1, 0}), 1u);
  tlbs.work_on(CpuId(1));
  tlbs.flush_range(MmId(1), pages(0, 1), k4K, false);
  EXPECT_EQ(counters().interrupts, 0u);
  EXPECT_EQ(counters().deferred_flushes, 1u);
  // CPU 0 still has entries of it, none of which can be used.
  EXPECT_EQ(usable().count({0, 1, 0}), 0u);
  EXPECT_EQ(usable().count({0, 1, 1}), 0u);
  EXPECT_EQ(counters().emptied, 0u);  // taking a PCID for somebody else is the switch's
  run(0, 1);
  EXPECT_EQ(counters().switches_stale, 1u);
  EXPECT_EQ(counters().emptied, 1u);
  EXPECT_FALSE(cached(0, 1));
  EXPECT_FALSE(cached(0, 0));
  run(0, 2);
  run(0, 1);
  EXPECT_EQ(counters().switches_stale, 1u);
  EXPECT_TRUE(cached(0, 1));
}

TEST_F(TlbsTest, IdleCpusAreSparedAndCatchUp) {
  run(0, 1);
  run(1, 1);
  touch(0, 0);
  touch(0, 1);
  touch(1, 0);
  tlbs.idle(CpuId(0));
  tlbs.work_on(CpuId(1));
  tlbs.flush_range(MmId(1), pages(0, 1), k4K, false);
  EXPECT_EQ(counters().interrupts, 0u);
  EXPECT_EQ(counters().idle_spared, 1u);
  // It has its entries still, none of which can be used.
  EXPECT_EQ(usable().count({0, 1, 1}), 0u);
  run(0, 1);
  EXPECT_EQ(counters().idle_caught_up, 1u);
  EXPECT_FALSE(cached(0, 1));
  // Nothing was missed: nothing is flushed.
  touch(0, 1);
  tlbs.idle(CpuId(0));
  run(0, 1);
  EXPECT_EQ(counters().idle_caught_up, 1u);
  EXPECT_TRUE(cached(0, 1));
}

TEST_F(TlbsTest, IdleCpusLeaveWhenTablesAreFreed) {
  run(0, 1);
  run(1, 1);
  touch(0, 0);
  tlbs.idle(CpuId(0));
  tlbs.work_on(CpuId(1));
  tlbs.flush_range(MmId(1), pages(0, 1), k4K, /*freed_tables=*/true);
  EXPECT_EQ(counters().interrupts, 1u);
  EXPECT_EQ(counters().idle_left, 1u);
  // It is no longer there, but its bit in mm_cpumask is: told once more, not again.
  tlbs.flush_mm(MmId(1));
  EXPECT_EQ(counters().interrupts, 2u);
  EXPECT_EQ(counters().strangers, 1u);
  tlbs.flush_mm(MmId(1));
  EXPECT_EQ(counters().interrupts, 2u);
  const uint64_t stale = counters().switches_stale;
  run(0, 1);
  EXPECT_EQ(counters().switches_stale, stale + 1);
  EXPECT_FALSE(cached(0, 0));
}

TEST_F(TlbsTest, IdleCpusLeaveWhatEnds) {
  run(0, 1);
  run(1, 1);
  touch(0, 0);
  tlbs.idle(CpuId(0));
  tlbs.work_on(CpuId(1));
  tlbs.flush_mm(MmId(1));
  EXPECT_EQ(counters().idle_spared, 0u);  // flush_tlb_mm says that tables were freed
  tlbs.forget(MmId(1));
  EXPECT_EQ(counters().interrupts, 1u);
  EXPECT_EQ(counters().idle_left, 1u);
  EXPECT_TRUE(usable().empty());
}

// Since Linux 6.13 a switch leaves the CPU in mm_cpumask.
TEST_F(TlbsTest, CpusThatSwitchedAwayAreToldWhenTablesAreFreed) {
  for (const unsigned cpu : {0u, 1u, 2u})
    run(cpu, 1);
  run(1, 2);
  touch(1);
  tlbs.flush_range(MmId(1), pages(0, 1), k4K, false);
  EXPECT_EQ(counters().interrupts, 1u);  // CPU 2 only
  tlbs.flush_range(MmId(1), pages(0, 1), k4K, /*freed_tables=*/true);
  EXPECT_EQ(counters().interrupts, 3u);
  EXPECT_EQ(counters().strangers, 1u);
  EXPECT_TRUE(cached(1)) << "it runs another, whose entries stay";
  tlbs.flush_range(MmId(1), pages(0, 1), k4K, true);
  EXPECT_EQ(counters().interrupts, 4u) << "it has taken itself out";
  // Whoever asks for the flush of an address space it does not run needs no interrupt.
  run(1, 1);
  run(1, 2);
  tlbs.work_on(CpuId(1));
  tlbs.flush_mm(MmId(1));
  EXPECT_EQ(counters().interrupts, 6u);
  EXPECT_EQ(counters().strangers, 1u);
}

// flush_pmd_tlb_range is flush_tlb_range: 512 pages of 4K, and tables that are said to go.
TEST_F(TlbsTest, SplittingAHugePageTakesAll) {
  run(0, 1);
  run(1, 1);
  touch(0, 70);
  tlbs.idle(CpuId(1));
  const VirtAddr huge(0x40000000);
  tlbs.flush_range(MmId(1), {huge, huge + k2M.bytes()}, k4K, false, mmu::RangeFlush::Change);
  EXPECT_EQ(counters().full_flushes, 1u);
  EXPECT_EQ(counters().invlpg, 0u);
  EXPECT_FALSE(cached(0, 70));
  EXPECT_EQ(counters().idle_left, 1u);
}

TEST_F(TlbsTest, ForgottenAddressSpacesCannotBeReached) {
  run(0, 1);
  touch(0);
  run(0, 2);
  touch(0);
  run(1, 1);
  touch(1);
  EXPECT_FALSE(tlbs.walk_caches_reach(roots[1], 4096));  // CR3 is no cache
  const PhysAddr table(machine.entry(roots[1], kVa, 3) & 0xffffffffff000);
  EXPECT_TRUE(tlbs.walk_caches_reach(table, 4096));
  EXPECT_TRUE(tlbs.walk_caches_reach(table - 4096, 8192));
  tlbs.forget(MmId(1));
  EXPECT_FALSE(tlbs.walk_caches_reach(table, 4096));
  for (const auto& [cpu, mm, page] : usable())
    EXPECT_NE(mm, 1u);
  EXPECT_EQ(touch(1).fault, mmu::FaultReason::NotPresent);
  EXPECT_FALSE(tlbs.mmu(CpuId(1)).load_hits(VirtAddr(kVa)));
  // Who takes over its slot starts clean.
  run(1, 3);
  EXPECT_EQ(touch(1).pfn, Pfn(0x3000));
  for (uint64_t mm = 4; mm < 10; ++mm) {
    run(0, mm);
    EXPECT_EQ(touch(0).pfn, Pfn(mm * 0x1000));
  }
}

TEST_F(TlbsTest, FlushTakesTheWalkCachesToo) {
  run(0, 1);
  touch(0);
  const PhysAddr table(machine.entry(roots[1], kVa, 1) & 0xffffffffff000);
  EXPECT_TRUE(tlbs.walk_caches_reach(table, 4096));
  // An INVLPG anywhere in the address space is enough.
  tlbs.flush_range(MmId(1), pages(60, 1), k4K, true);
  EXPECT_FALSE(tlbs.walk_caches_reach(table, 4096));
  EXPECT_TRUE(cached(0));
}

TEST_F(TlbsTest, LocalPageFlushIsThePageFaultsOwn) {
  run(0, 1);
  run(1, 1);
  for (unsigned cpu = 0; cpu < 2; ++cpu) {
    touch(cpu, 0);
    touch(cpu, 1);
  }
  tlbs.flush_local_page(CpuId(0), MmId(1), VirtAddr(kVa));
  EXPECT_EQ(counters().invlpg, 0u);
  EXPECT_FALSE(cached(0, 0));
  EXPECT_TRUE(cached(0, 1));
  EXPECT_TRUE(cached(1, 0));
}

TEST_F(TlbsTest, ReportNamesEveryCounterOnce) {
  run(0, 1);
  touch(0);
  run(1, 1);
  touch(1);
  stats::Report report;
  tlbs.report(report);
  EXPECT_EQ(report.value("tlb.l1d.misses"), 2u);  // of all CPUs
  EXPECT_EQ(report.value("switch.loads"), 2u);
  for (const stats::Counter& counter : report.counters()) {
    EXPECT_FALSE(counter.meaning.empty()) << counter.name;
    if (!counter.denominator.empty()) {
      EXPECT_NE(report.find(counter.denominator), nullptr) << counter.name;
    }
  }
}

class WithoutPcids : public TlbsTest {
 protected:
  WithoutPcids() : TlbsTest("[x86]\npcid = false\n") {}
};

TEST_F(WithoutPcids, EverySwitchEmptiesAllButGlobal) {
  machine.map(roots[1], kVa + 0x50000, 5, kData | kG);
  run(0, 1);
  touch(0, 0);
  touch(0, 0x50);
  run(0, 2);
  EXPECT_EQ(usable(), (decltype(usable()){{0, 2, 0x50}}));
  run(0, 1);
  EXPECT_FALSE(cached(0, 0));
  EXPECT_TRUE(cached(0, 0x50));
  EXPECT_EQ(counters().switches_taken, 3u);
  EXPECT_EQ(counters().switches_kept, 0u);
}

TEST_F(WithoutPcids, FlushesReachTheCpusThatRunIt) {
  run(0, 1);
  run(1, 1);
  touch(0);
  touch(1);
  tlbs.flush_range(MmId(1), pages(0, 1), k4K, false);
  EXPECT_FALSE(cached(0));
  EXPECT_FALSE(cached(1));
  tlbs.flush_mm(MmId(1));
  EXPECT_FALSE(cached(1));
  EXPECT_EQ(counters().interrupts, 2u);
  EXPECT_EQ(counters().deferred_flushes, 0u);
  tlbs.forget(MmId(1));
  EXPECT_TRUE(usable().empty());
  EXPECT_EQ(touch(0).fault, mmu::FaultReason::NotPresent);
}

// The rule itself: whatever the order of switches, accesses, changes and flushes, an access never
// gets a frame its address space no longer maps there, and nothing usable contradicts the page
// table. (Page tables change under cached entries, as a kernel changes them: entry, then flush.)
TEST(TlbsNoStaleTranslation, UnderRandomHistories) {
  for (const bool pcid : {true, false})
    for (uint64_t seed = 1; seed <= tests::effort(6); ++seed) {
      SCOPED_TRACE(::testing::Message() << "pcid " << pcid << ", seed " << seed);
      Machine machine(std::string("[x86]\npcid_slots = 3\nflush_ceiling = 4\npcid = ") +
                      (pcid ? "true\n" : "false\n"));
      Random random(seed);
      Tlbs tlbs(machine.options(), 3, machine.frames(), machine.sink());
      std::vector<PhysAddr> roots;
      std::vector<std::unique_ptr<RootOnly>> tables;
      std::vector<uint64_t> ids;  // of the address spaces; a forgotten one gets another
      std::map<std::pair<uint64_t, uint64_t>, uint64_t> truth;  // (mm, page) -> frame
      uint64_t next_id = 0;
      uint64_t next_frame = 1;
      const auto remap = [&](size_t space, uint64_t page) {
        machine.map(roots[space], kVa + page * 0x1000, next_frame, kData);
        truth[{ids[space], page}] = next_frame++;
      };
      for (size_t space = 0; space < 5; ++space) {
        roots.push_back(machine.new_table());
        tables.push_back(std::make_unique<RootOnly>(machine.sink(), roots.back()));
        ids.push_back(next_id++);
        for (uint64_t page = 0; page < 20; ++page)
          remap(space, page);
      }
      std::vector<int> running(3, -1);
      for (unsigned step = 0; step < 20'000; ++step) {
        const auto cpu = static_cast<unsigned>(random.below(3));
        const size_t space = random.below(5);
        switch (random.below(16)) {
          case 0:
          case 1:
            tlbs.activate(CpuId(cpu), MmId(ids[space]), *tables[space]);
            running[cpu] = static_cast<int>(space);
            break;
          case 2: {
            const uint64_t first = random.below(20);
            const uint64_t count = 1 + random.below(20 - first);
            for (uint64_t page = first; page < first + count; ++page)
              remap(space, page);
            tlbs.flush_range(
                MmId(ids[space]),
                {VirtAddr(kVa + first * 0x1000), VirtAddr(kVa + (first + count) * 0x1000)}, k4K,
                false);
            break;
          }
          case 3:
            if (random.below(8) != 0) break;
            for (uint64_t page = 0; page < 20; ++page)
              remap(space, page);
            tlbs.flush_mm(MmId(ids[space]));
            break;
          case 4:
            if (random.below(16) != 0) break;
            tlbs.forget(MmId(ids[space]));
            for (int& on : running)
              if (on == static_cast<int>(space)) on = -1;
            ids[space] = next_id++;
            for (uint64_t page = 0; page < 20; ++page)
              remap(space, page);
            break;
          default: {
            if (running[cpu] < 0) break;
            const uint64_t page = random.below(20);
            const mmu::Translation t =
                tlbs.mmu(CpuId(cpu)).access(VirtAddr(kVa + page * 0x1000), AccessKind::Load, false);
            ASSERT_TRUE(t.ok());
            const uint64_t id = ids[static_cast<size_t>(running[cpu])];
            ASSERT_EQ(t.pfn.value(), (truth[{id, page}])) << "step " << step;
          }
        }
        if (step % 16 != 0) continue;
        tlbs.for_each_entry([&](const mmu::CachedTranslation& t) {
          const auto known = truth.find({t.mm.value(), (t.base.value() - kVa) >> 12});
          ASSERT_NE(known, truth.end());
          ASSERT_EQ(known->second, t.pfn.value()) << "step " << step;
        });
      }
      EXPECT_GT(tlbs.flush_counters().switches, 1000u);
    }
}

}  // namespace tlbs_test
}  // namespace mmusim::x86::testing
