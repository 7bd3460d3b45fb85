// mlock and its kin: what they fault in, mark and refuse, as counted on Linux 6.18.
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace lock_test {

// A kernel without zero pages counted these; where only writable memory is locked it makes no
// difference.
TEST(Lock, FaultsInAndMarks) {
  Script s;
  Syscalls& sys = s.m.sys();
  s.step("mlock 4 of 8 pages",
         [&] {
           s.map(kBase, 8 * kPage);
           EXPECT_EQ(sys.mlock(kP1, VirtAddr(kBase), 4 * kPage), 0);
         },
         {.faults = 4, .anon = 16, .tables = 12, .areas = 2});
  s.step("the page of some bytes",
         [&] { EXPECT_EQ(sys.mlock(kP1, VirtAddr(kBase + 4 * kPage + 100), 10), 0); },
         {.faults = 1, .anon = 4});
  s.step("a hole at the end: marked up to there, nothing faulted in",
         [&] { EXPECT_EQ(sys.mlock(kP1, VirtAddr(kBase), 9 * kPage), -kENOMEM); }, {.areas = -1});
  s.step("munlock", [&] { EXPECT_EQ(sys.munlock(kP1, VirtAddr(kBase), 8 * kPage), 0); }, {});
  s.step("munlock with a hole",
         [&] { EXPECT_EQ(sys.munlock(kP1, VirtAddr(kBase), 9 * kPage), -kENOMEM); }, {});
  s.step("on fault", [&] { EXPECT_EQ(sys.mlock2(kP1, VirtAddr(kBase + 7 * kPage), kPage, 1), 0); },
         {.areas = 1});
  s.step("DONTNEED up to the locked page",
         [&] { s.advise(kBase, 8 * kPage, kAdviceDontNeed, -kEINVAL); }, {.anon = -20});
  s.write(kBase + 7 * kPage, 1);
  s.step("DONTNEED_LOCKED", [&] { s.advise(kBase, 8 * kPage, kAdviceDontNeedLocked); },
         {.anon = -4});
  s.step("FREE", [&] { s.advise(kBase + 7 * kPage, kPage, kAdviceFree, -kEINVAL); }, {});
  EXPECT_EQ(sys.mlock(kP1, VirtAddr(kBase), 0), 0);
  EXPECT_EQ(sys.mlock(kP1, VirtAddr(kBase), ~uint64_t{0} - kPage), -kEINVAL);
  EXPECT_EQ(sys.mlock2(kP1, VirtAddr(kBase), kPage, 2), -kEINVAL);
  s.end();
}

TEST(Lock, MemoryThatBecomesWritable) {
  Script s;
  Syscalls& sys = s.m.sys();
  s.map(kBase, 8 * kPage, kProtRead);
  s.step("read-only", [&] { EXPECT_EQ(sys.mlock(kP1, VirtAddr(kBase), 8 * kPage), 0); },
         {.faults = 8, .tables = 12});
  s.step("made writable: gets pages of its own",
         [&] { EXPECT_EQ(sys.mprotect(kP1, VirtAddr(kBase), 8 * kPage, kRw), 0); },
         {.faults = 8, .anon = 32});
  s.step("written", [&] { s.write(kBase, 8); }, {});
  s.map(kBase + k2M, 8 * kPage, 0);
  s.step("without rights: marked all the same",
         [&] { EXPECT_EQ(sys.mlock(kP1, VirtAddr(kBase + k2M), 8 * kPage), -kENOMEM); }, {});
  s.step("made writable", [&] { sys.mprotect(kP1, VirtAddr(kBase + k2M), 8 * kPage, kRw); },
         {.faults = 8, .anon = 32, .tables = 4});
  s.end();
}

TEST(Lock, MovesAlongWithMremap) {
  Script s;
  Syscalls& sys = s.m.sys();
  const auto remap = [&](uint64_t from, uint64_t old_pages, uint64_t pages, uint32_t flags,
                         uint64_t to) {
    EXPECT_EQ(
        sys.mremap(kP1, VirtAddr(from), old_pages * kPage, pages * kPage, flags, VirtAddr(to)),
        static_cast<int64_t>(to));
  };
  s.step("MAP_LOCKED",
         [&] { s.map(kBase, 8 * kPage, kRw, kMapPrivate | kMapAnonymous | kMapLocked); },
         {.faults = 8, .anon = 32, .tables = 12, .areas = 1});
  s.step("grown in place", [&] { remap(kBase, 8, 12, 0, kBase); }, {.faults = 4, .anon = 16});
  s.step("grown elsewhere", [&] { remap(kBase, 12, 16, kRemapMayMove | kRemapFixed, kBase + k2M); },
         {.faults = 4, .anon = 16});
  s.step("still locked", [&] { s.advise(kBase + k2M, kPage, kAdviceDontNeed, -kEINVAL); }, {});
  s.step("the old area is not",
         [&] {
           remap(kBase + k2M, 16, 16, kRemapMayMove | kRemapFixed | kRemapDontUnmap,
                 kBase + 2 * k2M);
           s.advise(kBase + k2M, kPage, kAdviceDontNeed);
           s.advise(kBase + 2 * k2M, kPage, kAdviceDontNeed, -kEINVAL);
         },
         {.tables = 4, .areas = 1});
  s.step(
      "nor a child's", [&] { sys.fork(kP1, kP2); }, {.anon = 64, .tables = 12, .areas = 2}, 2);
  EXPECT_EQ(sys.madvise(kP2, VirtAddr(kBase + 2 * k2M), kPage, kAdviceDontNeed), 0);
  s.end();
}

TEST(Lock, AllThatComes) {
  Script s;
  Syscalls& sys = s.m.sys();
  EXPECT_EQ(sys.mlockall(kP1, 0), -kEINVAL);
  EXPECT_EQ(sys.mlockall(kP1, kMclOnFault), -kEINVAL);
  EXPECT_EQ(sys.mlockall(kP1, 8), -kEINVAL);
  EXPECT_EQ(sys.mlockall(kP1, kMclFuture), 0);
  s.step("mmap", [&] { s.map(kBase, 8 * kPage); },
         {.faults = 8, .anon = 32, .tables = 12, .areas = 1});
  s.step("without rights", [&] { s.map(kBase + kM, 8 * kPage, 0); }, {.areas = 1});
  EXPECT_EQ(sys.munlockall(kP1), 0);
  s.step("no more", [&] { s.map(kBase + k2M, 8 * kPage); }, {.areas = 1});
  s.advise(kBase, kPage, kAdviceDontNeed);
  s.step("what is there now", [&] { EXPECT_EQ(sys.mlockall(kP1, kMclCurrent), 0); },
         {.faults = 9, .anon = 36, .tables = 4});
  s.end();
}

TEST(Lock, HugePages) {
  Script s;
  s.map_huge(kBase, 4 * kM);
  s.step("mlock", [&] { EXPECT_EQ(s.m.sys().mlock(kP1, VirtAddr(kBase), 4 * kM), 0); },
         {.faults = 2, .anon = 4096, .tables = 16});
  s.step("munlock of a page: split", [&] { s.m.sys().munlock(kP1, VirtAddr(kBase), kPage); },
         {.areas = 1});
  EXPECT_EQ(s.m.counters().huge_splits, 1u);
  s.end();
}

}  // namespace lock_test
}  // namespace mmusim::kernel::testing
