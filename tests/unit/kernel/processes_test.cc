// What processes share and what they do not: fork, vfork, threads, wait; and what is flushed for
// it.
#include <vector>

#include "base/error.h"
#include "kernel/machine.h"

namespace mmusim::kernel::testing {
namespace processes_test {

using namespace abi;

constexpr uint64_t kBase = 0x100000000000;
constexpr trace::ThreadId kP1 = thread_of(1), kP2 = thread_of(2), kP3 = thread_of(3);
constexpr uint32_t kRw = kProtRead | kProtWrite;
constexpr uint32_t kAnon = kMapPrivate | kMapAnonymous;
constexpr uint32_t kFixedAnon = kAnon | kMapFixed;

class ProcessesTest : public ::testing::Test {
 protected:
  void TearDown() override { m.expect_nothing_leaks(); }
  int64_t map(uint64_t at, uint64_t pages, uint32_t prot = kRw, uint32_t flags = kFixedAnon) {
    return m.sys().mmap(kP1, VirtAddr(at), pages * kPage, prot, flags);
  }
  size_t areas(uint32_t pid = 1) { return m.mm(pid).vmas.size(); }
  Pfn frame_at(uint32_t pid, uint64_t va) {
    return m.format.pfn_of(m.mm(pid).table->peek(VirtAddr(va)).entry);
  }
  Machine m{"[kernel]\nimply = false\nmax_map_count = 50\n"};
};

TEST_F(ProcessesTest, AreasNotInheritedOrWiped) {
  map(kBase, 3);
  for (uint64_t i = 0; i < 3; ++i)
    m.store(kP1, kBase + i * kPage);
  m.sys().madvise(kP1, VirtAddr(kBase), kPage, kAdviceDontFork);
  m.sys().madvise(kP1, VirtAddr(kBase + kPage), kPage, kAdviceWipeOnFork);
  EXPECT_EQ(areas(), 3u);
  m.sys().fork(kP1, kP2);
  EXPECT_EQ(areas(2), 2u);
  EXPECT_EQ(m.mm(2).rss(PageKind::Anonymous), 1u);
  EXPECT_EQ(m.load(kP2, kBase), Result::Refused);
  EXPECT_EQ(m.load(kP2, kBase + kPage), Result::Ok);
  m.sys().madvise(kP1, VirtAddr(kBase), 3 * kPage, kAdviceDoFork);
  m.sys().madvise(kP1, VirtAddr(kBase), 3 * kPage, kAdviceKeepOnFork);
  EXPECT_EQ(areas(), 1u);
}

// fork, both write: whoever comes first copies, the other one keeps the page; and the parent's
// writable translation is gone from the TLB at once.
TEST_F(ProcessesTest, CopyOnWriteAndReuse) {
  map(kBase, 1);
  m.store(kP1, kBase);
  const Pfn frame = frame_at(1, kBase);
  EXPECT_TRUE(m.frames->frame(frame).exclusive);
  const uint64_t flushes = m.tlb.mm_flushes;
  m.sys().fork(kP1, kP2);
  EXPECT_EQ(m.tlb.mm_flushes, flushes + 1);
  m.expect_no_stale_translation();
  EXPECT_FALSE(m.frames->frame(frame).exclusive);
  EXPECT_EQ(m.frames->frame(frame).references, 2u);
  m.load(kP2, kBase);
  EXPECT_EQ(frame_at(2, kBase), frame);
  m.store(kP1, kBase);
  EXPECT_NE(frame_at(1, kBase), frame);
  m.store(kP2, kBase);
  EXPECT_EQ(frame_at(2, kBase), frame);
  EXPECT_TRUE(m.frames->frame(frame).exclusive);
  EXPECT_EQ(m.counters().cause[FaultCause::CowCopy], 1u);
  EXPECT_EQ(m.counters().cause[FaultCause::CowReuse], 1u);
  m.expect_accounts_agree();
}

TEST_F(ProcessesTest, ThreeGenerationsShareOnePage) {
  map(kBase, 1);
  m.store(kP1, kBase);
  m.sys().fork(kP1, kP2);
  m.sys().fork(kP2, kP3);
  const Pfn frame = frame_at(1, kBase);
  EXPECT_EQ(m.frames->frame(frame).references, 3u);
  m.sys().exit(kP2, 0);
  m.store(kP3, kBase);
  EXPECT_NE(frame_at(3, kBase), frame);
  m.store(kP1, kBase);
  EXPECT_EQ(frame_at(1, kBase), frame);
  m.expect_accounts_agree();
}

TEST_F(ProcessesTest, AChildsAreasDoNotMergeWithNewOnes) {
  map(kBase, 1);
  m.store(kP1, kBase);
  m.sys().fork(kP1, kP2);
  m.sys().mmap(kP2, VirtAddr(kBase + kPage), kPage, kRw, kFixedAnon);
  EXPECT_EQ(areas(2), 2u);
  map(kBase + kPage, 1);
  EXPECT_EQ(areas(1), 1u);
}

TEST_F(ProcessesTest, TheZeroPageIsSharedAndNeverCounted) {
  map(kBase, 2);
  m.load(kP1, kBase);
  m.load(kP1, kBase + kPage);
  EXPECT_EQ(frame_at(1, kBase), frame_at(1, kBase + kPage));
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 0u);
  m.store(kP1, kBase);
  EXPECT_NE(frame_at(1, kBase), frame_at(1, kBase + kPage));
  EXPECT_EQ(m.counters().cause[FaultCause::CowZero], 1u);
  EXPECT_EQ(m.tlb.last_range, (VirtRange{VirtAddr(kBase), VirtAddr(kBase + kPage)}));
}

TEST_F(ProcessesTest, VforkSharesUntilExec) {
  map(kBase, 1);
  m.store(kP1, kBase);
  EXPECT_EQ(m.sys().clone(kP1, kP2, kCloneVm | kCloneVfork), 2);
  EXPECT_EQ(&m.mm(1), &m.mm(2));
  m.store(kP2, kBase);
  EXPECT_EQ(m.process(2).faults.minor, 0u);
  m.sys().exec(kP2, {});
  EXPECT_NE(&m.mm(1), &m.mm(2));
  EXPECT_EQ(m.load(kP2, kBase), Result::Refused);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 1u);
  EXPECT_EQ(m.store(kP1, kBase), Result::Ok);
}

TEST_F(ProcessesTest, ThreadsShareAndExecEndsTheOthers) {
  const trace::ThreadId other{Pid(1), Tid(7)};
  map(kBase, 1);
  EXPECT_EQ(m.sys().clone(kP1, other, kCloneVm | kCloneThread), 7);
  EXPECT_EQ(m.sys().clone(kP1, other, kCloneVm | kCloneThread), -kEEXIST);
  EXPECT_EQ(m.sys().clone(kP1, kP2, kCloneVm | kCloneThread), -kEINVAL);
  EXPECT_EQ(m.access(other, VirtAddr(kBase), AccessKind::Store, CpuId(1)), Result::Ok);
  EXPECT_EQ(m.store(kP1, kBase), Result::Ok);
  EXPECT_EQ(m.process(1).faults.minor, 1u);
  m.sys().exec(kP1, {});
  EXPECT_EQ(m.process(1).threads.size(), 1u);
  EXPECT_EQ(
      m.kernel->fault(CpuId(1), VirtAddr(kBase), AccessKind::Load, mmu::FaultReason::NotPresent),
      FaultOutcome::Refused);
  EXPECT_EQ(m.kernel->current(CpuId(1)), nullptr);
}

TEST_F(ProcessesTest, TheLastThreadEndsTheProcess) {
  const trace::ThreadId other{Pid(1), Tid(7)};
  map(kBase, 1);
  m.sys().clone(kP1, other, kCloneVm | kCloneThread);
  EXPECT_EQ(m.sys().exit(kP1, 0, false), 0);
  EXPECT_FALSE(m.process(1).zombie);
  EXPECT_EQ(m.sys().exit(kP1, 0, false), -kESRCH);
  EXPECT_EQ(m.sys().exit(other, 3, false), 0);
  EXPECT_TRUE(m.process(1).zombie);
  EXPECT_EQ(m.process(1).status, 3);
}

TEST_F(ProcessesTest, WaitAddsTheChildsFaults) {
  map(kBase, 4);
  for (uint64_t i = 0; i < 4; ++i)
    m.store(kP1, kBase + i * kPage);
  m.sys().fork(kP1, kP2);
  EXPECT_EQ(m.sys().wait(kP1, Pid(2)), -kEAGAIN);
  for (uint64_t i = 0; i < 3; ++i)
    m.store(kP2, kBase + i * kPage);
  m.sys().exit(kP2, 0);
  EXPECT_EQ(m.sys().wait(kP1, Pid(2)), 2);
  EXPECT_EQ(m.process(1).children.minor, 3u);
  EXPECT_EQ(m.sys().wait(kP1, Pid(2)), -kECHILD);
  EXPECT_EQ(m.sys().wait(kP1, Pid(1)), -kECHILD);
  EXPECT_EQ(m.sys().fork(kP1, kP2), 2);  // the id is free again
}

// One flush for a call, however many areas and tables it takes away.
TEST_F(ProcessesTest, OneFlushPerCall) {
  for (uint64_t i = 0; i < 4; ++i) {
    map(kBase + i * (2 << 20), 1, i % 2 == 0 ? kRw : uint32_t{kProtRead});
    m.load(kP1, kBase + i * (2 << 20));
  }
  const uint64_t before = m.tlb.range_flushes;
  m.sys().munmap(kP1, VirtAddr(kBase), 64 << 20);
  EXPECT_EQ(m.tlb.range_flushes, before + 1);
  EXPECT_TRUE(m.tlb.last_freed_tables);
  map(kBase, 4);
  m.store(kP1, kBase);
  m.store(kP1, kBase + 3 * kPage);
  const uint64_t again = m.tlb.range_flushes;
  m.sys().mprotect(kP1, VirtAddr(kBase), 4 * kPage, kProtRead);
  EXPECT_EQ(m.tlb.range_flushes, again + 1);
  m.load(kP1, kBase);
  const uint64_t faults = m.process(1).faults.minor;
  m.sys().mprotect(kP1, VirtAddr(kBase), 4 * kPage, kRw);  // also for more rights
  EXPECT_EQ(m.tlb.range_flushes, again + 2);
  m.store(kP1, kBase);
  EXPECT_EQ(m.process(1).faults.minor, faults) << "no fault on a translation of before";
  m.sys().munmap(kP1, VirtAddr(kBase + kPage), kPage);  // nothing there: no flush
  EXPECT_EQ(m.tlb.range_flushes, again + 2);
}

// Which of Linux's flushes each call makes.
TEST_F(ProcessesTest, PagesAndRangesAreFlushedApart) {
  map(kBase, 4);
  for (uint64_t i = 0; i < 4; ++i)
    m.store(kP1, kBase + i * kPage);
  m.sys().fork(kP1, kP2);
  // Copy on write: one page (flush_tlb_page).
  uint64_t pages = m.tlb.page_flushes;
  const uint64_t ranges = m.tlb.range_flushes;
  m.store(kP1, kBase + kPage);
  EXPECT_EQ(m.tlb.page_flushes, pages + 1);
  EXPECT_FALSE(m.tlb.last_code);
  EXPECT_EQ(m.tlb.range_flushes, ranges);
  // mprotect, mremap, munmap: ranges, though they be of one page.
  m.sys().mprotect(kP1, VirtAddr(kBase), kPage, kProtRead | kProtExec);
  EXPECT_EQ(m.tlb.last_why, mmu::RangeFlush::Protect);
  const int64_t to = m.sys().mremap(kP1, VirtAddr(kBase + kPage), kPage, kPage,
                                    kRemapMayMove | kRemapFixed, VirtAddr(2 * kBase));
  EXPECT_EQ(to, int64_t{2 * kBase});
  EXPECT_EQ(m.tlb.last_why, mmu::RangeFlush::Change);
  m.sys().munmap(kP1, VirtAddr(kBase + 3 * kPage), kPage);
  EXPECT_EQ(m.tlb.last_why, mmu::RangeFlush::Unmap);
  EXPECT_EQ(m.tlb.range_flushes, ranges + 3);
  EXPECT_EQ(m.tlb.page_flushes, pages + 1);
  // An area that may be executed is said to be one.
  m.sys().mprotect(kP2, VirtAddr(kBase), 4 * kPage, kRw | kProtExec);
  pages = m.tlb.page_flushes;
  m.store(kP2, kBase);
  EXPECT_EQ(m.tlb.page_flushes, pages + 1);
  EXPECT_TRUE(m.tlb.last_code);
}

TEST_F(ProcessesTest, FaultAroundStaysInAreaTableAndFile) {
  const FileId file = m.sys().open("/f", 20 * kPage);
  // Starts 5 pages before a table's end; the area's start is not aligned to the window.
  const uint64_t at = kBase + (2 << 20) - 5 * kPage;
  m.sys().mmap(kP1, VirtAddr(at), 30 * kPage, kProtRead, kMapPrivate | kMapFixed, file, 0);
  m.load(kP1, at + kPage);
  EXPECT_EQ(m.mm(1).rss(PageKind::File), 5u);
  m.load(kP1, at + 5 * kPage);
  EXPECT_EQ(m.mm(1).rss(PageKind::File), 20u);  // 16 more would be 21: the file ends
  EXPECT_EQ(m.load(kP1, at + 19 * kPage), Result::Ok);
  EXPECT_EQ(m.load(kP1, at + 20 * kPage), Result::Refused);  // SIGBUS
  EXPECT_EQ(m.process(1).faults.minor, 2u);
}

TEST_F(ProcessesTest, TwoProcessesShareTheCache) {
  const FileId file = m.sys().open("/f", 16 * kPage);
  m.sys().mmap(kP1, VirtAddr(kBase), 16 * kPage, kRw, kMapPrivate | kMapFixed, file, 0);
  m.sys().mmap(kP2, VirtAddr(kBase), 16 * kPage, kRw, kMapShared | kMapFixed, file, 0);
  m.load(kP1, kBase);
  m.store(kP2, kBase);
  EXPECT_EQ(frame_at(1, kBase), frame_at(2, kBase));
  m.store(kP1, kBase);
  EXPECT_NE(frame_at(1, kBase), frame_at(2, kBase));
  m.expect_accounts_agree();
}

// kernel.aslr: drawn at exec, inherited by fork, the same each time.
TEST(MmapBase, IsEachProgramsOwn) {
  std::vector<VirtAddr> drawn;
  for (unsigned round = 0; round < 2; ++round) {
    Machine m("[kernel]\nimply = false\naslr = 16\n");
    const VirtAddr highest(0x7ffff7fff000);  // the layout's
    std::vector<VirtAddr> bases;
    for (const trace::ThreadId who : {kP1, kP2, kP3}) {
      m.sys().exec(who, {});
      const auto at = static_cast<uint64_t>(m.sys().mmap(who, VirtAddr(0), kPage, kRw, kAnon));
      bases.emplace_back(at + kPage);
      EXPECT_EQ(bases.back(), m.mm(who.pid.value()).mmap_base);
      EXPECT_LE(bases.back(), highest);
      EXPECT_LT(highest - bases.back(), uint64_t{1} << (16 + 12));
    }
    EXPECT_NE(bases[0], bases[1]);
    EXPECT_NE(bases[1], bases[2]);
    m.sys().clone(kP1, thread_of(9), 0);
    EXPECT_EQ(m.mm(9).mmap_base, bases[0]);
    if (round == 0) drawn = bases;
    EXPECT_EQ(bases, drawn);
    m.expect_nothing_leaks();
  }
  EXPECT_THROW(Machine("[kernel]\naslr = 40\n"), UsageError);
}

}  // namespace processes_test
}  // namespace mmusim::kernel::testing
