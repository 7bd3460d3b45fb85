// System calls one by one: results, placement, sharing, and what each asks of the TLBs.
#include "kernel/syscalls.h"

#include "kernel/machine.h"

namespace mmusim::kernel::testing {
namespace syscalls_test {

using namespace abi;

constexpr uint64_t kBase = 0x100000000000;
constexpr trace::ThreadId kP1 = thread_of(1), kP2 = thread_of(2);
constexpr uint32_t kRw = kProtRead | kProtWrite;
constexpr uint32_t kAnon = kMapPrivate | kMapAnonymous;
constexpr uint32_t kFixedAnon = kAnon | kMapFixed;

class SyscallsTest : public ::testing::Test {
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

TEST_F(SyscallsTest, MmapErrors) {
  const uint64_t top = 0x7ffffffff000;
  struct Case {
    uint64_t hint, length;
    uint32_t flags;
    uint64_t offset;
    int64_t expected;
  };
  const Case cases[] = {
      {0, 0, kAnon, 0, -kEINVAL},
      {0, kPage, kMapAnonymous, 0, -kEINVAL},
      {0, kPage, kAnon, 1, -kEINVAL},
      {0, ~uint64_t{0}, kAnon, 0, -kENOMEM},
      {0, uint64_t{1} << 63, kAnon, 0, -kENOMEM},
      {0, top, kAnon, 0, -kENOMEM},
      {kBase + 1, kPage, kFixedAnon, 0, -kEINVAL},
      {top, kPage, kFixedAnon, 0, -kENOMEM},
      {top - kPage, 2 * kPage, kFixedAnon, 0, -kENOMEM},
      {~uint64_t{0} & ~(kPage - 1), kPage, kFixedAnon, 0, -kENOMEM},
      {kPage, kPage, kFixedAnon, 0, -kEPERM},
      {0, kPage, kMapPrivate, 0, -kEINVAL},
      {0, 2 * kPage, kAnon, ~uint64_t{0} & ~(kPage - 1), -kEOVERFLOW},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(m.sys().mmap(kP1, VirtAddr(c.hint), c.length, kRw, c.flags, FileId(0), c.offset),
              c.expected)
        << std::hex << c.hint << " " << c.length;
  }
  EXPECT_EQ(areas(), 0u);
  EXPECT_EQ(m.counters().failed_calls, std::size(cases));
}

TEST_F(SyscallsTest, FixedReplacesAndNoReplaceRefuses) {
  map(kBase, 8);
  m.store(kP1, kBase + 2 * kPage);
  EXPECT_EQ(map(kBase + 2 * kPage, 1, kRw, kAnon | kMapFixedNoReplace), -kEEXIST);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 1u);
  EXPECT_EQ(map(kBase + 2 * kPage, 1, kProtRead), static_cast<int64_t>(kBase + 2 * kPage));
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 0u);
  EXPECT_EQ(areas(), 3u);
  EXPECT_EQ(m.store(kP1, kBase + 2 * kPage), Result::Refused);
  EXPECT_EQ(map(kBase + 8 * kPage, 1, kRw, kAnon | kMapFixedNoReplace),
            static_cast<int64_t>(kBase + 8 * kPage));
}

TEST_F(SyscallsTest, MappingsArePlacedTopDownAndMerge) {
  const int64_t first = map(0, 4, kRw, kAnon);
  EXPECT_EQ(first, 0x7ffff7fff000 - 4 * static_cast<int64_t>(kPage));
  const int64_t second = map(0, 2, kRw, kAnon);
  EXPECT_EQ(second, first - 2 * static_cast<int64_t>(kPage));
  EXPECT_EQ(areas(), 1u);
  // The lowest two of six unmapped: three pages do not fit there, but below.
  m.sys().munmap(kP1, VirtAddr(static_cast<uint64_t>(first)), 2 * kPage);
  EXPECT_EQ(map(0, 3, kRw, kAnon), second - 3 * static_cast<int64_t>(kPage));
  EXPECT_EQ(map(0, 2, kRw, kAnon), first);
  // A hint is taken if it is free, rounded down.
  EXPECT_EQ(map(kBase + 123, 1, kRw, kAnon), static_cast<int64_t>(kBase));
  EXPECT_NE(map(kBase, 1, kRw, kAnon), static_cast<int64_t>(kBase));
}

TEST(SyscallsUpwardTest, MappingsArePlacedBottomUpWhereTheLayoutSaysSo) {
  Machine m("", "mlpt", kHuge, VirtAddr(kBase));
  const auto map = [&](uint64_t hint, uint64_t pages) {
    return static_cast<uint64_t>(
        m.sys().mmap(kP1, VirtAddr(hint), pages * kPage, kRw, kAnon, FileId(0), 0));
  };
  EXPECT_EQ(map(0, 4), kBase);
  EXPECT_EQ(map(0, 2), kBase + 4 * kPage);
  m.sys().munmap(kP1, VirtAddr(kBase), 2 * kPage);
  EXPECT_EQ(map(0, 3), kBase + 6 * kPage);
  EXPECT_EQ(map(0, 2), kBase);
  EXPECT_EQ(map(kBase - 8 * kPage, 1), kBase - 8 * kPage);  // a hint may be below
}

TEST_F(SyscallsTest, TlbsAreToldOfResidentMemory) {
  using Told = std::pair<uint64_t, uint64_t>;  // base pages, huge leaves
  map(kBase, 4);
  m.store(kP1, kBase);
  m.store(kP1, kBase + kPage);
  EXPECT_EQ(m.tlb.told.at(m.mm(1).id), (Told{2, 0}));
  // A page of zeros is not resident.
  m.load(kP1, kBase + 2 * kPage);
  EXPECT_EQ(m.tlb.told.at(m.mm(1).id), (Told{2, 0}));
  const uint64_t huge = kBase + kHuge.bytes();
  map(huge, kHuge.bytes() / kPage);
  m.sys().madvise(kP1, VirtAddr(huge), kHuge.bytes(), kAdviceHugePage);
  m.store(kP1, huge);
  EXPECT_EQ(m.tlb.told.at(m.mm(1).id), (Told{2, 1}));
  // The child before it runs.
  m.sys().fork(kP1, kP2);
  EXPECT_EQ(m.tlb.told.at(m.mm(2).id), (Told{2, 1}));
}

TEST_F(SyscallsTest, PlacementKeepsOffAStacksGuardGap) {
  trace::ExecEvent image;
  image.stack_top = VirtAddr(0x7ffff7fff000);  // where mappings would go
  m.sys().exec(kP1, image);
  const int64_t at = map(0, 1, kRw, kAnon);
  EXPECT_EQ(at, 0x7ffff7fff000 - (132 << 10) - (1 << 20) - static_cast<int64_t>(kPage));
}

TEST_F(SyscallsTest, StackStopsAtTheGuardGapAboveAMapping) {
  trace::ExecEvent image;
  image.stack_top = VirtAddr(kBase);
  m.sys().exec(kP1, image);
  const uint64_t neighbour = kBase - (2 << 20);
  map(neighbour - kPage, 1);
  EXPECT_EQ(m.store(kP1, neighbour + (1 << 20) - 1), Result::Refused);
  EXPECT_EQ(m.store(kP1, neighbour + (1 << 20)), Result::Ok);
  // What cannot be accessed needs no gap.
  m.sys().mprotect(kP1, VirtAddr(neighbour - kPage), kPage, 0);
  EXPECT_EQ(m.store(kP1, neighbour), Result::Ok);
}

TEST_F(SyscallsTest, StackStopsAtItsLimit) {
  trace::ExecEvent image;
  image.stack_top = VirtAddr(kBase);
  m.sys().exec(kP1, image);
  EXPECT_EQ(m.store(kP1, kBase - (8 << 20) - 1), Result::Refused);
  EXPECT_EQ(m.store(kP1, kBase - (8 << 20)), Result::Ok);
  EXPECT_EQ(m.counters().refused, 1u);
  EXPECT_EQ(m.process(1).faults.minor, 2u);  // a refused fault is not counted: argument page, store
}

TEST_F(SyscallsTest, MunmapErrorsAndNothing) {
  map(kBase, 1);
  EXPECT_EQ(m.sys().munmap(kP1, VirtAddr(kBase + 1), kPage), -kEINVAL);
  EXPECT_EQ(m.sys().munmap(kP1, VirtAddr(kBase), 0), -kEINVAL);
  EXPECT_EQ(m.sys().munmap(kP1, VirtAddr(kBase), ~uint64_t{0}), -kEINVAL);
  EXPECT_EQ(m.sys().munmap(kP1, VirtAddr(kBase + kPage), kPage), 0);
  EXPECT_EQ(m.sys().munmap(kP1, VirtAddr(0), 0x7ffffffff000), 0);
  EXPECT_EQ(areas(), 0u);
}

TEST_F(SyscallsTest, MprotectStopsAtAHoleAfterWhatLiesBefore) {
  map(kBase, 2);
  map(kBase + 3 * kPage, 2);
  EXPECT_EQ(m.sys().mprotect(kP1, VirtAddr(kBase), 5 * kPage, kProtRead), -kENOMEM);
  EXPECT_EQ(m.store(kP1, kBase), Result::Refused);
  EXPECT_EQ(m.store(kP1, kBase + 3 * kPage), Result::Ok);
  EXPECT_EQ(m.sys().mprotect(kP1, VirtAddr(kBase + 1), kPage, kProtRead), -kEINVAL);
  EXPECT_EQ(m.sys().mprotect(kP1, VirtAddr(kBase), kPage, 0x80), -kEINVAL);
  EXPECT_EQ(m.sys().mprotect(kP1, VirtAddr(kBase), 0, kProtRead), 0);
}

// An area made without write permission is not charged; one that lost it stays charged once it has
// pages, so that the two do not merge.
TEST_F(SyscallsTest, AccountedAreasStayApart) {
  map(kBase, 1, kProtRead);
  map(kBase + kPage, 1, kRw);
  m.store(kP1, kBase + kPage);
  m.sys().mprotect(kP1, VirtAddr(kBase + kPage), kPage, kProtRead);
  EXPECT_EQ(areas(), 2u);
  // Untouched, the charge is given back.
  map(kBase + 4 * kPage, 1, kProtRead);
  map(kBase + 5 * kPage, 1, kRw);
  m.sys().mprotect(kP1, VirtAddr(kBase + 5 * kPage), kPage, kProtRead);
  EXPECT_EQ(areas(), 3u);
}

TEST_F(SyscallsTest, AreaLimit) {
  for (uint64_t i = 0; i < 49; ++i)
    ASSERT_GT(map(kBase + 4 * i * kPage, 3), 0);
  EXPECT_EQ(m.sys().mprotect(kP1, VirtAddr(kBase + kPage), kPage, 0), -kENOMEM);
  EXPECT_EQ(areas(), 50u);  // the first border is there
  EXPECT_EQ(m.sys().munmap(kP1, VirtAddr(kBase + kPage), kPage), 0);
  EXPECT_EQ(areas(), 50u);
  EXPECT_EQ(m.sys().munmap(kP1, VirtAddr(kBase + 5 * kPage), kPage), -kENOMEM);
  EXPECT_GT(map(kBase + (1 << 20) * 4, 1), 0);  // mmap may go one past it
  EXPECT_EQ(map(kBase + (1 << 20) * 5, 1), -kENOMEM);
  EXPECT_EQ(m.sys().munmap(kP1, VirtAddr(kBase + 4 * kPage), 3 * kPage), 0);
  EXPECT_EQ(areas(), 50u);
}

TEST_F(SyscallsTest, MremapInPlaceAndElsewhere) {
  map(kBase, 4);
  m.store(kP1, kBase + 3 * kPage);
  const VirtAddr base(kBase);
  EXPECT_EQ(m.sys().mremap(kP1, base, 4 * kPage, 2 * kPage, 0), static_cast<int64_t>(kBase));
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 0u);
  EXPECT_EQ(m.sys().mremap(kP1, base, 2 * kPage, 8 * kPage, 0), static_cast<int64_t>(kBase));
  EXPECT_EQ(m.store(kP1, kBase + 7 * kPage), Result::Ok);
  map(kBase + 8 * kPage, 1, kProtRead);
  EXPECT_EQ(m.sys().mremap(kP1, base, 8 * kPage, 9 * kPage, 0), -kENOMEM);
  const Pfn frame = frame_at(1, kBase + 7 * kPage);
  const int64_t moved = m.sys().mremap(kP1, base, 8 * kPage, 9 * kPage, kRemapMayMove);
  ASSERT_GT(moved, 0);
  EXPECT_EQ(frame_at(1, static_cast<uint64_t>(moved) + 7 * kPage), frame);
  EXPECT_EQ(m.load(kP1, kBase), Result::Refused);
  m.expect_no_stale_translation();
  m.expect_accounts_agree();
}

TEST_F(SyscallsTest, MremapErrors) {
  map(kBase, 4);
  const VirtAddr base(kBase), far(kBase + (1 << 30));
  EXPECT_EQ(m.sys().mremap(kP1, base, kPage, kPage, 8), -kEINVAL);
  EXPECT_EQ(m.sys().mremap(kP1, base, kPage, kPage, kRemapFixed, far), -kEINVAL);
  EXPECT_EQ(m.sys().mremap(kP1, base + 1, kPage, kPage, kRemapMayMove), -kEINVAL);
  EXPECT_EQ(m.sys().mremap(kP1, base, kPage, 0, kRemapMayMove), -kEINVAL);
  EXPECT_EQ(m.sys().mremap(kP1, far, kPage, kPage, kRemapMayMove), -kEFAULT);
  EXPECT_EQ(m.sys().mremap(kP1, base, 5 * kPage, 6 * kPage, kRemapMayMove), -kEFAULT);
  EXPECT_EQ(m.sys().mremap(kP1, base, ~uint64_t{0}, kPage, kRemapMayMove), -kEINVAL);
  EXPECT_EQ(m.sys().mremap(kP1, base, kPage, ~uint64_t{0}, kRemapMayMove), -kEINVAL);
  EXPECT_EQ(m.sys().mremap(kP1, base, 0, kPage, kRemapMayMove), -kEINVAL);  // private
  const uint32_t fixed = kRemapMayMove | kRemapFixed;
  EXPECT_EQ(m.sys().mremap(kP1, base, 2 * kPage, 2 * kPage, fixed, base + kPage), -kEINVAL);
  EXPECT_EQ(m.sys().mremap(kP1, base, kPage, kPage, fixed, VirtAddr(~uint64_t{0xfff})), -kEINVAL);
  EXPECT_EQ(m.sys().mremap(kP1, base, kPage, 2 * kPage, kRemapMayMove | kRemapDontUnmap), -kEINVAL);
  EXPECT_EQ(areas(), 1u);
}

TEST_F(SyscallsTest, MremapDontUnmapLeavesAnEmptyArea) {
  map(kBase, 1);
  m.store(kP1, kBase);
  const Pfn frame = frame_at(1, kBase);
  const int64_t moved =
      m.sys().mremap(kP1, VirtAddr(kBase), kPage, kPage, kRemapMayMove | kRemapDontUnmap);
  ASSERT_GT(moved, 0);
  EXPECT_EQ(frame_at(1, static_cast<uint64_t>(moved)), frame);
  m.expect_no_stale_translation();
  EXPECT_EQ(m.store(kP1, kBase), Result::Ok);
  EXPECT_NE(frame_at(1, kBase), frame);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 2u);
}

TEST_F(SyscallsTest, MremapOfNoLengthShowsSharedMemoryTwice) {
  map(kBase, 4, kRw, kMapShared | kMapAnonymous | kMapFixed);
  m.store(kP1, kBase);
  const int64_t again = m.sys().mremap(kP1, VirtAddr(kBase), 0, 4 * kPage, kRemapMayMove);
  ASSERT_GT(again, 0);
  m.load(kP1, static_cast<uint64_t>(again));
  EXPECT_EQ(frame_at(1, static_cast<uint64_t>(again)), frame_at(1, kBase));
}

TEST_F(SyscallsTest, MadviseResults) {
  map(kBase, 1);
  map(kBase + 2 * kPage, 1);
  const VirtAddr base(kBase);
  EXPECT_EQ(m.sys().madvise(kP1, base, 3 * kPage, kAdviceDontNeed), -kENOMEM);
  EXPECT_EQ(m.sys().madvise(kP1, base, kPage, 999), -kEINVAL);
  EXPECT_EQ(m.sys().madvise(kP1, base, 0, 999), -kEINVAL);
  EXPECT_EQ(m.sys().madvise(kP1, base, 0, kAdviceDontNeed), 0);
  EXPECT_EQ(m.sys().madvise(kP1, base + 1, kPage, kAdviceDontNeed), -kEINVAL);
  EXPECT_EQ(m.sys().madvise(kP1, base, kPage, kAdvicePopulateWrite), 0);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 1u);
}

class NoMemoryTest : public ::testing::Test {
 protected:
  void TearDown() override { m.expect_nothing_leaks(); }
  Machine m{"[kernel]\nimply = false\novercommit = 1G\n[mem]\nbytes = 1M\n"};  // 256 frames
};

TEST_F(NoMemoryTest, FaultsForksAndMovesFailCleanly) {
  const uint64_t far = kBase + (uint64_t{1} << 40);
  ASSERT_GT(m.sys().mmap(kP1, VirtAddr(kBase), 1000 * kPage, kRw, kFixedAnon), 0);
  ASSERT_GT(m.sys().mmap(kP1, VirtAddr(far - kPage), kPage, kRw, kFixedAnon), 0);
  uint64_t written = 0;
  while (m.store(kP1, kBase + written * kPage) == Result::Ok)
    ++written;
  EXPECT_GT(written, 240u);
  EXPECT_EQ(m.counters().no_memory, 1u);
  EXPECT_EQ(m.sys().fork(kP1, kP2), -kENOMEM);
  EXPECT_EQ(m.sys().mremap(kP1, VirtAddr(kBase), 1000 * kPage, 1000 * kPage,
                           kRemapMayMove | kRemapFixed, VirtAddr(far)),
            -kENOMEM);
  m.expect_no_stale_translation();
  m.expect_accounts_agree();
  EXPECT_EQ(m.store(kP1, kBase), Result::Ok);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), written);
}

// Table memory fails at every point a move, a fork or a fault may need it.
TEST_F(NoMemoryTest, TableMemoryRunsOutAtEachAllocation) {
  for (uint64_t nth = 1; nth <= 12; ++nth) {
    SCOPED_TRACE(nth);
    ASSERT_GT(m.sys().mmap(kP1, VirtAddr(kBase), 1500 * kPage, kRw, kFixedAnon), 0);
    for (uint64_t i = 0; i < 1500; i += 500)
      ASSERT_EQ(m.store(kP1, kBase + i * kPage), Result::Ok);
    m.tables->fail_after(nth);
    const int64_t moved =
        m.sys().mremap(kP1, VirtAddr(kBase), 1500 * kPage, 1500 * kPage,
                       kRemapMayMove | kRemapFixed, VirtAddr(kBase + (uint64_t{1} << 40) + kPage));
    const uint64_t at = moved > 0 ? static_cast<uint64_t>(moved) : kBase;
    m.expect_no_stale_translation();
    m.expect_accounts_agree();
    m.tables->fail_after(nth);
    const int64_t child = m.sys().fork(kP1, kP2);
    m.expect_no_stale_translation();
    m.expect_accounts_agree();
    m.tables->fail_after(0);
    for (uint64_t i = 0; i < 1500; i += 500)
      ASSERT_EQ(m.store(kP1, at + i * kPage), Result::Ok);
    EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 3u);
    if (child > 0) {
      m.sys().exit(kP2, 0);
      m.sys().wait(kP1, Pid(2));
    }
    ASSERT_EQ(m.sys().munmap(kP1, VirtAddr(at), 1500 * kPage), 0);
    EXPECT_EQ(m.mm(1).page_table_bytes(), 0u);
  }
}

// The same for what is set aside with huge pages.
TEST(NoMemoryForHugePages, TableMemoryRunsOutAtEachAllocation) {
  for (const std::string& backend : backend_names()) {
    Machine m("[kernel]\nimply = false\nthp = always\n", backend);
    for (uint64_t nth = 1; nth <= 14; ++nth) {
      SCOPED_TRACE(std::string(backend) + " " + std::to_string(nth));
      const uint64_t bytes = 3 * kHuge.bytes();
      ASSERT_GT(m.sys().mmap(kP1, VirtAddr(kBase), bytes, kRw, kFixedAnon), 0);
      m.tables->fail_after(nth);
      static_cast<void>(m.store(kP1, kBase));
      static_cast<void>(m.store(kP1, kBase + kHuge.bytes()));
      m.tables->fail_after(0);
      ASSERT_EQ(m.store(kP1, kBase), Result::Ok);
      ASSERT_EQ(m.store(kP1, kBase + kHuge.bytes()), Result::Ok);
      EXPECT_GT(m.mm(1).huge_leaves, 0u);
      m.tables->fail_after(nth);
      const int64_t child = m.sys().fork(kP1, kP2);
      m.expect_no_stale_translation();
      m.expect_accounts_agree();
      m.tables->fail_after(0);
      const uint64_t at = kBase + (uint64_t{1} << 40);
      ASSERT_EQ(m.sys().mremap(kP1, VirtAddr(kBase), bytes, bytes, kRemapMayMove | kRemapFixed,
                               VirtAddr(at)),
                static_cast<int64_t>(at));
      m.expect_no_stale_translation();
      m.expect_accounts_agree();
      m.tables->fail_after(nth);
      static_cast<void>(m.sys().madvise(kP1, VirtAddr(at), bytes, kAdviceCollapse));
      m.tables->fail_after(0);
      m.expect_no_stale_translation();
      m.expect_accounts_agree();
      ASSERT_EQ(m.sys().munmap(kP1, VirtAddr(at + 5 * kPage), kPage), 0);
      ASSERT_EQ(m.store(kP1, at), Result::Ok);
      if (child > 0) {
        m.sys().exit(kP2, 0);
        m.sys().wait(kP1, Pid(2));
      }
      ASSERT_EQ(m.sys().munmap(kP1, VirtAddr(at), bytes), 0);
      EXPECT_EQ(m.mm(1).page_table_bytes(), 0u);
      EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 0u);
    }
    m.expect_nothing_leaks();
  }
}

// With no frame left at all, huge pages can still be unmapped in part.
TEST(NoMemoryForHugePages, UnmappingAPartNeedsNone) {
  for (const auto& [backend, shape] : std::vector<std::pair<const char*, const char*>>{
           {"mlpt", ""},
           {"gpt", ""},
           {"gpt", "[pt.gpt]\nwidest = 4\n"},
           {"gpt", "[pt.gpt]\nwidest = 12\n"},
           {"gpt", "[pt.gpt]\norder = 1\n"},
           {"gpt", "[pt.gpt]\norder = 4\ncollapse = eager\n"},
           {"gpt", "[pt.gpt]\norder = 8\n"}}) {
    SCOPED_TRACE(std::string(backend) + " " + shape);
    Machine m(std::string("[kernel]\nimply = false\nthp = always\novercommit = 1G\n"
                          "[mem]\nbytes = 16M\n") +
                  shape,
              backend);
    const uint64_t bytes = 32 << 20;
    ASSERT_GT(m.sys().mmap(kP1, VirtAddr(kBase), bytes, kRw, kFixedAnon), 0);
    uint64_t at = kBase;
    while (m.store(kP1, at) == Result::Ok)
      at += kPage;
    const uint64_t huge = m.mm(1).huge_leaves;
    EXPECT_GE(huge, 3u);
    EXPECT_GT(m.counters().huge_fallbacks, 0u);
    EXPECT_EQ(m.frames->free_frames(), 0u);
    for (uint64_t i = 0; i < huge; ++i)
      ASSERT_EQ(m.sys().munmap(kP1, VirtAddr(kBase + i * kHuge.bytes() + kPage), kPage), 0);
    EXPECT_EQ(m.counters().huge_splits, huge);
    EXPECT_GE(m.frames->free_frames(), huge);  // what was set aside may have been more than enough
    m.expect_no_stale_translation();
    m.expect_accounts_agree();
    m.expect_nothing_leaks();
  }
}

// The same for every page table, superpages of other sizes, other changes of a part, and whatever
// is left of them: what smaller superpages would need is had, or they are base pages.
TEST(NoMemoryForHugePages, ChangingAPartNeedsNone) {
  using Change = int64_t (*)(Machine & m, VirtAddr part);
  constexpr Change kChanges[] = {
      [](Machine& m, VirtAddr part) { return m.sys().munmap(kP1, part, kPage); },
      [](Machine& m, VirtAddr part) { return m.sys().mprotect(kP1, part, kPage, kProtRead); },
      [](Machine& m, VirtAddr part) { return m.sys().madvise(kP1, part, kPage, kAdviceDontNeed); },
      [](Machine& m, VirtAddr part) { return m.sys().madvise(kP1, part, kPage, kAdviceCold); }};
  const std::string sizes = "thp.sizes = 16K:always,64K:always,256K:always\n";
  for (const auto& [backend, more] : std::vector<std::pair<const char*, std::string>>{
           {"mlpt", "thp = always\n"},
           {"mlpt", sizes + "superpage.style = hint\n"},
           {"gpt", "thp = always\n" + sizes},
           {"gpt", sizes + "[pt.gpt]\norder = 4\ncollapse = eager\n"},
           {"gpt", sizes + "[pt.gpt]\nwidest = 12\n"},
           {"hashed", sizes},
           {"clustered", sizes}}) {
    for (const char* demote : {"base", "binary", "step"}) {
      for (size_t which = 0; which < std::size(kChanges); ++which) {
        SCOPED_TRACE(std::string(backend) + " " + more + demote + " " + std::to_string(which));
        Machine m(std::string("[mem]\nbytes = 8M\n[kernel]\nimply = false\novercommit = 1G\n"
                              "superpage.demote = ") +
                      demote + "\n" + more,
                  backend);
        const uint64_t bytes = 16 << 20;
        ASSERT_GT(m.sys().mmap(kP1, VirtAddr(kBase), bytes, kRw, kFixedAnon), 0);
        uint64_t at = kBase;
        while (m.store(kP1, at) == Result::Ok)
          at += kPage;
        EXPECT_EQ(m.frames->free_frames(), 0u);
        for (uint64_t part = kBase; part < at; part += 256 << 10)
          ASSERT_EQ(kChanges[which](m, VirtAddr(part + 5 * kPage)), 0);
        EXPECT_GT(m.counters().huge_splits, 0u);
        m.expect_no_stale_translation();
        m.expect_accounts_agree();
        m.expect_nothing_leaks();
      }
    }
  }
}

}  // namespace syscalls_test
}  // namespace mmusim::kernel::testing
