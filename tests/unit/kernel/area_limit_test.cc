// What the limit of areas, the heap's place and overcommit forbid, and what they do not (Linux
// 6.18).
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace area_limit_test {

constexpr uint32_t kPrivate = kMapPrivate | kMapAnonymous;

// Ten areas are allowed; the first, of ten pages, is to be divided.
class AtTheLimit : public ::testing::Test {
 protected:
  AtTheLimit() {
    s.map(kBase, 10 * kPage);
    protect(5, 5, kProtRead);
  }
  void TearDown() override { s.end(); }
  void fill(uint64_t areas) {
    for (uint64_t i = 1; this->areas() < areas; ++i)
      s.map(kBase + i * kM, kPage);
  }
  int64_t protect(uint64_t page, uint64_t pages, uint32_t prot) {
    return s.m.sys().mprotect(kP1, VirtAddr(kBase + page * kPage), pages * kPage, prot);
  }
  [[nodiscard]] size_t areas() { return s.m.mm(1).vmas.size(); }

  Script s{"[kernel]\nimply = false\nmax_map_count = 10\n"};
};

TEST_F(AtTheLimit, ABorderMayMove) {
  fill(10);
  EXPECT_EQ(protect(3, 2, kProtRead), 0);
  EXPECT_EQ(protect(3, 4, kRw), 0);
  EXPECT_EQ(areas(), 10u);
  EXPECT_EQ(s.m.mm(1).vmas.find(VirtAddr(kBase))->end, VirtAddr(kBase + 7 * kPage));
}

TEST_F(AtTheLimit, AdviceMovesOneToo) {
  s.advise(kBase + 5 * kPage, 5 * kPage, kAdviceDontFork);
  fill(10);
  ASSERT_EQ(protect(5, 5, kRw), 0);  // apart by the advice only
  s.advise(kBase + 3 * kPage, 2 * kPage, kAdviceDontFork);
  s.advise(kBase + 2 * kPage, kPage, kAdviceSequential, -kEAGAIN);
  EXPECT_EQ(areas(), 10u);
}

// One more is allowed, two are not: the first border is made.
TEST_F(AtTheLimit, HalfOfASplitStays) {
  fill(9);
  EXPECT_EQ(protect(1, 2, kProtRead), -kENOMEM);
  EXPECT_EQ(areas(), 10u);
  EXPECT_EQ(s.m.mm(1).vmas.find(VirtAddr(kBase))->end, VirtAddr(kBase + kPage));
}

TEST_F(AtTheLimit, LocksAreAdviceLikeOthers) {
  fill(9);
  EXPECT_EQ(s.m.sys().mlock(kP1, VirtAddr(kBase + kPage), kPage), -kENOMEM);
  EXPECT_EQ(areas(), 10u);
}

// A move must be four areas below, and one to a place that is said two more.
TEST_F(AtTheLimit, MovesStayAwayFromIt) {
  Syscalls& sys = s.m.sys();
  const auto move = [&](uint32_t flags) {
    return sys.mremap(kP1, VirtAddr(kBase), 5 * kPage, 5 * kPage, flags, VirtAddr(kBase + kG));
  };
  fill(5);
  EXPECT_EQ(move(kRemapMayMove | kRemapFixed), -kENOMEM);
  EXPECT_EQ(sys.mremap(kP1, VirtAddr(kBase), 5 * kPage, 6 * kPage, kRemapMayMove) > 0, true);
  s.unmap(kBase + kM, kPage);
  EXPECT_EQ(areas(), 4u);
}

// A page stays free behind the heap; it shrinks only where something of it is left.
TEST(Heap, IsWhereItIs) {
  Script s{"[kernel]\nimply = false\n"};
  Syscalls& sys = s.m.sys();
  const auto brk = [&](trace::ThreadId who, uint64_t pages) {
    const VirtAddr wanted(kBase + pages * kPage);
    return sys.brk(who, wanted) == static_cast<int64_t>(wanted.value());
  };
  sys.place_break(kP1, VirtAddr(kBase));
  s.map(kBase + 8 * kPage, kPage);
  EXPECT_FALSE(brk(kP1, 8));
  EXPECT_TRUE(brk(kP1, 7));
  s.unmap(kBase + 8 * kPage, kPage);
  s.map(kBase + kM, kPage, kRw, kPrivate | kMapGrowsDown);
  EXPECT_FALSE(brk(kP1, 8));  // in the guard gap

  s.advise(kBase, 7 * kPage, kAdviceDontFork);
  ASSERT_EQ(sys.fork(kP1, kP2), 2);
  EXPECT_FALSE(brk(kP2, 0));
  EXPECT_FALSE(brk(kP2, 6));
  EXPECT_TRUE(brk(kP1, 6));
  s.end();
}

// No call may ask for more than there is; several calls together may.
TEST(Overcommit, IsHeuristic) {
  Script s{"[kernel]\nimply = false\nswap_pages = 1024\n[mem]\nbytes = 12M\n"};  // 16M in all
  Syscalls& sys = s.m.sys();
  const auto map = [&](uint64_t bytes, uint32_t prot, uint32_t flags) {
    return sys.mmap(kP1, VirtAddr(0), bytes, prot, flags);
  };
  EXPECT_EQ(map(17 * kM, kRw, kPrivate), -kENOMEM);
  EXPECT_EQ(map(17 * kM, kRw, kMapShared | kMapAnonymous), -kENOMEM);
  EXPECT_GT(map(17 * kM, kRw, kPrivate | kMapNoReserve), 0);
  const int64_t readable = map(17 * kM, kProtRead, kPrivate);
  EXPECT_GT(readable, 0);
  const VirtAddr start(static_cast<uint64_t>(readable));
  EXPECT_EQ(sys.mprotect(kP1, start, 17 * kM, kRw), -kENOMEM);
  EXPECT_EQ(sys.mprotect(kP1, start, 9 * kM, kRw), 0);
  EXPECT_EQ(sys.fork(kP1, kP2), 2);
  // Made writable one after the other, the two are one area, which no fork may charge at once.
  EXPECT_EQ(sys.mprotect(kP1, start + 9 * kM, 8 * kM, kRw), 0);
  EXPECT_EQ(sys.fork(kP1, thread_of(3)), -kENOMEM);
  sys.place_break(kP1, VirtAddr(kBase));
  EXPECT_EQ(sys.brk(kP1, VirtAddr(kBase + 17 * kM)), static_cast<int64_t>(kBase));
  s.end();
}

}  // namespace area_limit_test
}  // namespace mmusim::kernel::testing
