// A machine with PAE as the kernel drives it: when CR3 is loaded anew because a PDPTE has changed,
// what that costs, and that no register leads to a table that has gone.
#include <gtest/gtest.h>
#include <string>

#include "arch/x86/architecture.h"
#include "tests/unit/arch_world.h"

namespace mmusim::x86 {
namespace i386_tlbs_test {

using mmusim::testing::ArchWorld;

struct Pae : I386 {
  static void declare(config::Schema& schema) { Architecture::declare(schema); }
};

constexpr const char* kDefaults =
    "[mem]\nbytes = 64M\n[paging]\nlevels = 3\nphysical_bits = 36\n"
    "[tlb.l2]\nentries = 16\nways = 4\nfetches = false\n";
constexpr VirtAddr kLow{0x0804'8000};
constexpr VirtAddr kHigh{0xb765'4000};  // another GiB
constexpr unsigned kRw = Rights::kRead | Rights::kWrite | Rights::kUser;

class PaeWorld : public ::testing::Test, public ArchWorld<Pae> {
 protected:
  explicit PaeWorld(const std::string& backend = "mlpt", const std::string& text = "")
      : ArchWorld<Pae>(kDefaults, text, backend, 1) {}

  void reach(VirtAddr va, AccessKind kind = AccessKind::Load, bool retry = false) {
    ASSERT_TRUE(access(va, kind, retry).ok());
  }
  uint64_t walks() { return counter("walker.walks"); }
  // Whether the translation is in a TLB.
  bool cached(VirtAddr va) {
    const uint64_t before = walks();
    EXPECT_TRUE(access(va, AccessKind::Load).ok());
    return walks() == before;
  }
  // Frees what no leaf needs in the GiB around `va`; flushes a page of it, as munmap would.
  void trim(VirtAddr va) {
    const VirtRange gigabyte{align_down(va, k1G), align_down(va, k1G) + k1G.bytes()};
    pt::Gather gather;
    table().trim(gigabyte, gigabyte.begin, gigabyte.end, gather);
    ASSERT_EQ(gather.tables().size(), 2u);  // a page table and a page directory
    tlbs().flush_range(MmId(0), {va, va + k4K.bytes()}, k4K, true);
    for (const auto& freed : gather.tables())
      EXPECT_FALSE(tlbs().walk_caches_reach(freed.address, k4K.bytes()));
    gather.release_tables();
  }
};

TEST_F(PaeWorld, EachLoadOfCr3ReadsFourPdptes) {
  EXPECT_EQ(counter("walker.pdpte_loads"), 4u);
  EXPECT_EQ(reads(mem::Origin::Walker), 4u);
  run(1);
  run(0);
  run(0);  // runs already
  EXPECT_EQ(counter("walker.pdpte_loads"), 12u);
  tlbs().flush_mm(MmId(0));
  EXPECT_EQ(counter("walker.pdpte_loads"), 16u);
  tlbs().flush_mm(MmId(1));  // does not run
  EXPECT_EQ(counter("walker.pdpte_loads"), 16u);
  EXPECT_EQ(counter("flush.pdpte_reloads"), 0u);
}

TEST_F(PaeWorld, TheProgramsDirectoriesAreThereFromTheStart) {
  EXPECT_EQ(table().table_bytes(), 3 * k4K.bytes());  // three GiB's; the fourth is the kernel's
  map(kLow, 0x111, kRw);
  map(kHigh, 0x222, kRw);
  reach(kLow);
  EXPECT_EQ(counter("walker.loads"), 2u);
  EXPECT_EQ(access(kHigh + 0x20'0000, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  EXPECT_EQ(counter("walker.loads"), 3u);  // a PDE
  reach(kHigh);
  EXPECT_TRUE(cached(kLow));
  EXPECT_EQ(counter("walker.pdpte_loads"), 4u);
  EXPECT_EQ(counter("flush.pdpte_reloads"), 0u);
  EXPECT_EQ(table().table_bytes(), 5 * k4K.bytes());
  unmap(kLow);
  unmap(kHigh);
  tlbs().flush_mm(MmId(0));
  tlbs().forget(MmId(0));
  EXPECT_EQ(table().table_bytes(), 0u);
}

TEST_F(PaeWorld, FlushesByPageLeaveTheRegistersUnlessADirectoryWent) {
  for (const VirtAddr va : {kLow, kLow + 0x1000, kHigh}) {
    map(va, 0x100 + (va.value() >> 12 & 0xff), kRw);
    reach(va);
  }
  unmap(kLow);
  tlbs().flush_range(MmId(0), {kLow, kLow + 0x1000}, k4K, false);
  EXPECT_EQ(counter("flush.by_page"), 1u);
  EXPECT_EQ(counter("walker.pdpte_loads"), 4u);
  EXPECT_TRUE(cached(kHigh));
  unmap(kLow + 0x1000);
  trim(kLow);
  EXPECT_EQ(counter("flush.by_page"), 1u);
  EXPECT_EQ(counter("flush.full"), 1u);
  EXPECT_EQ(counter("walker.pdpte_loads"), 8u);
  EXPECT_FALSE(cached(kHigh));
  const uint64_t loads = counter("walker.loads");
  EXPECT_EQ(access(kLow, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  EXPECT_EQ(counter("walker.loads"), loads);  // the register said so
  EXPECT_EQ(counter("flush.pdpte_reloads"), 0u);
}

TEST_F(PaeWorld, ANewPdpteIsSeenAndCostsTheOtherTranslations) {
  map(kLow, 0x111, kRw);
  map(kHigh, 0x222, kRw);
  reach(kHigh);
  unmap(kLow);
  trim(kLow);
  reach(kHigh);
  run(1);
  run(0);  // no directory is made again for that
  EXPECT_EQ(access(kLow, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  reach(kHigh);
  map(kLow, 0x333, kRw);
  EXPECT_TRUE(cached(kHigh));
  const uint64_t loads = counter("walker.pdpte_loads");
  reach(kLow, AccessKind::Load, /*retry=*/true);
  EXPECT_EQ(counter("flush.pdpte_reloads"), 1u);
  EXPECT_EQ(counter("walker.pdpte_loads"), loads + 4);
  EXPECT_FALSE(cached(kHigh));
  EXPECT_TRUE(cached(kLow));
}

TEST_F(PaeWorld, FetchesPassByASecondLevelForDataOnly) {
  map(kLow, 0x111, kRw | Rights::kExec);
  reach(kLow, AccessKind::Load);
  const uint64_t before = walks();
  reach(kLow, AccessKind::Fetch);
  EXPECT_EQ(walks(), before + 1);
  EXPECT_EQ(counter("tlb.l2.lookups"), counter("tlb.l1d.misses"));
  EXPECT_EQ(counter("mmu.last.fetch_misses"), counter("tlb.l1i.misses"));
}

// The copy the hardware walks is a table with PDPTEs of its own.
class PaeShadow : public PaeWorld {
 protected:
  PaeShadow() : PaeWorld("gpt") {}
};

TEST_F(PaeShadow, ItsPdptesAreLoadedAsItGrowsAndGoes) {
  map(kLow, 0x111, kRw);
  map(kHigh, 0x222, kRw);
  reach(kLow);
  reach(kHigh);
  EXPECT_EQ(counter("flush.pdpte_reloads"), 2u);
  EXPECT_EQ(counter("shadow.fills"), 2u);
  const uint64_t frames_in_use = frames().frames_in(mem::FrameUse::SoftTlb);
  unmap(kHigh);
  tlbs().flush_range(MmId(0), {kHigh, kHigh + 0x1000}, k4K, false);
  EXPECT_EQ(frames().frames_in(mem::FrameUse::SoftTlb), frames_in_use - 2);
  EXPECT_EQ(counter("flush.full"), 1u);
  EXPECT_EQ(access(kHigh, AccessKind::Load).fault, mmu::FaultReason::NotPresent);
  reach(kLow);
  tlbs().flush_mm(MmId(0));
  EXPECT_EQ(frames().frames_in(mem::FrameUse::SoftTlb), frames_in_use - 4);
  reach(kLow);
}

// Two levels have no PDPTEs, and entries of half the size.
class TwoLevelWorld : public PaeWorld {
 protected:
  TwoLevelWorld() : PaeWorld("mlpt", "[paging]\nlevels = 2\n") {}
};

TEST_F(TwoLevelWorld, NothingIsLoadedOrLoadedAgain) {
  map(kLow, 0x111, kRw);
  map(kHigh, 0x222, kRw, /*used=*/false);
  reach(kLow);
  reach(kHigh, AccessKind::Store);
  EXPECT_EQ(reads(mem::Origin::Walker), 4u);
  EXPECT_EQ(counter("walker.loads"), 4u);
  const pt::Lookup found = table().peek(kHigh);
  EXPECT_EQ(found.entry, 0x22'2067u);  // the walker's A and D are in the kernel's own table
  EXPECT_EQ(table().table_bytes(), 2 * k4K.bytes());
  map(VirtAddr(0x4000'0000), 0x400, kRw, true, 0, k4M);
  reach(VirtAddr(0x4012'3456));
  EXPECT_EQ(counter("walker.leaves.4m"), 1u);
  EXPECT_EQ(access(VirtAddr(0x1'0000'0000) + kLow.value(), AccessKind::Load).fault,
            mmu::FaultReason::NonCanonical);
  stats::Report report;
  tlbs().report(report);
  for (const stats::Counter& c : report.counters()) {
    EXPECT_EQ(c.name.find("pdpte"), std::string::npos) << c.name;
    EXPECT_EQ(c.name.find("canonical"), std::string::npos) << c.name;
  }
}

}  // namespace i386_tlbs_test
}  // namespace mmusim::x86
