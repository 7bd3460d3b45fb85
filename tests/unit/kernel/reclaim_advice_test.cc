// madvise(FREE, COLD, PAGEOUT) without swap space, with what Linux 6.18 counted for the same steps.
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace reclaim_advice_test {

// Every 16th page of 2 MiB at kBase is written: 32 pages.
void write_some(Script& s) {
  for (uint64_t i = 0; i < 32; ++i)
    s.write(kBase + i * 64 * kK, 1);
}

class PartOfHugePage : public ::testing::TestWithParam<uint32_t> {};

TEST_P(PartOfHugePage, SplitsItAndUnwrittenPagesGo) {
  Script s;
  s.map_huge(kBase, 4 * kM);
  write_some(s);
  s.step("4K of it", [&] { s.advise(kBase + 256 * kK, kPage, GetParam()); }, {.anon = -1920});
  s.step("read", [&] { s.read(kBase, 512); }, {});
  s.step("write", [&] { s.write(kBase, 512); }, {.faults = 480, .anon = 1920});
  EXPECT_EQ(s.m.counters().folio_splits, 1u);
  EXPECT_EQ(s.m.counters().huge_unused, 480u);
  s.unmap(kBase, 4 * kM);
  s.end();
}

TEST_P(PartOfHugePage, AlsoWhereOneLeafIsLeftNoMore) {
  Script s;
  s.map_huge(kBase, 4 * kM);
  write_some(s);
  s.step("half unmapped", [&] { s.unmap(kBase + kM, kM); }, {.anon = -1024, .areas = 1});
  s.step("4K of the rest", [&] { s.advise(kBase, kPage, GetParam()); }, {.anon = -960});
  s.step("nothing more", [&] { s.advise(kBase, kPage, GetParam()); }, {});
  s.unmap(kBase, 4 * kM);
  s.end();
}

TEST_P(PartOfHugePage, WhereverItIs) {
  Script s;
  s.map_huge(kBase, 2 * kM);
  write_some(s);
  const uint64_t there = kBase + kG;
  EXPECT_EQ(s.m.sys().mremap(kP1, VirtAddr(kBase + kM), kM, kM, kRemapMayMove | kRemapFixed,
                             VirtAddr(there)),
            static_cast<int64_t>(there));
  s.step("4K of what stayed", [&] { s.advise(kBase, kPage, GetParam()); }, {.anon = -1920});
  s.step("write what moved", [&] { s.write(there, 256); }, {.faults = 240, .anon = 960});
  s.unmap(kBase, kM);
  s.unmap(there, kM);
  s.end();
}

TEST_P(PartOfHugePage, NotIfAChildShowsIt) {
  Script s;
  s.map_huge(kBase, 4 * kM);
  write_some(s);
  s.m.sys().clone(kP1, kP2, 0);
  EXPECT_EQ(s.m.sys().munmap(kP2, VirtAddr(kBase + kPage), 4 * kM - kPage), 0);
  s.step("one page shared", [&] { s.advise(kBase + kM, kPage, GetParam()); }, {});
  EXPECT_EQ(s.m.counters().huge_splits, 1u);  // the child's
  s.m.sys().exit(kP2, 0, true);
  s.step("alone", [&] { s.advise(kBase + kM, kPage, GetParam()); }, {.anon = -1920});
  // The 32 pages it has were shared, and are its own at the next write.
  s.step("write", [&] { s.write(kBase, 512); }, {.faults = 512, .anon = 1920});
  s.unmap(kBase, 4 * kM);
  s.end();
}

TEST_P(PartOfHugePage, LockedPagesStay) {
  Script s;
  s.map_huge(kBase, 4 * kM);
  write_some(s);
  ASSERT_EQ(s.m.sys().mlock(kP1, VirtAddr(kBase + kM), 16 * kPage), 0);
  s.step("4K elsewhere", [&] { s.advise(kBase, kPage, GetParam()); }, {.anon = -1920 + 60});
  s.unmap(kBase, 4 * kM);
  s.end();
}

INSTANTIATE_TEST_SUITE_P(Advice, PartOfHugePage,
                         ::testing::Values(kAdviceFree, kAdviceCold, kAdvicePageOut));

// What is left of a huge page around a block of another size, which the advice covers whole.
TEST_P(PartOfHugePage, AroundAnotherBlock) {
  Script s("[kernel]\nimply = false\nthp.sizes = 64K:always\n");
  s.map_huge(kBase, 2 * kM);
  write_some(s);
  s.advise(kBase + kM, 64 * kK, kAdviceDontNeed);
  s.step("a block there", [&] { s.write(kBase + kM, 1); }, {.faults = 1, .anon = 64});
  const bool out = GetParam() == kAdvicePageOut;  // which splits whole ones, too
  s.step("256K around it", [&] { s.advise(kBase + kM - 128 * kK, 256 * kK, GetParam()); },
         {.anon = -4 * 15 * (out ? 32 : 31)});
  s.step("the block", [&] { s.write(kBase + kM, 16); },
         {.faults = out ? 15 : 0, .anon = out ? 60 : 0});
  EXPECT_EQ(s.m.counters().folio_splits, out ? 2u : 1u);
  s.unmap(kBase, 2 * kM);
  s.end();
}

TEST(ReclaimAdvice, WholeHugePages) {
  Script s;
  s.map_huge(kBase, 4 * kM);
  write_some(s);
  s.step("cold", [&] { s.advise(kBase, k2M, kAdviceCold); }, {});
  s.step("page out: split for want of a slot", [&] { s.advise(kBase, k2M, kAdvicePageOut); },
         {.anon = -1920});
  s.advise(kBase, k2M, kAdviceDontNeed);
  write_some(s);
  s.step("free", [&] { s.advise(kBase, k2M, kAdviceFree); }, {});
  s.step("what was given up goes", [&] { s.advise(kBase, k2M, kAdvicePageOut); }, {.anon = -2048});
  s.step("read", [&] { s.read(kBase, 512); }, {.faults = 512});
  EXPECT_EQ(s.m.counters().lazily_freed, 512u);
  s.unmap(kBase, 4 * kM);
  s.end();
}

// Faulted in is not written to, whatever the dirty bit says.
TEST(ReclaimAdvice, PopulatedPagesWereNotWritten) {
  Script s;
  s.map(kBase, k2M);
  s.advise(kBase, k2M, kAdvicePopulateWrite);
  s.write(kBase, 16);
  s.advise(kBase, k2M, kAdviceCollapse);
  s.step("4K", [&] { s.advise(kBase, kPage, kAdviceCold); }, {.anon = -2048 + 64});
  s.unmap(kBase, k2M);
  s.end();
}

TEST(ReclaimAdvice, NoZeroPageNothingGoes) {
  Script s("[kernel]\nimply = false\nzero_page = false\nzero_split = false\n");
  s.map_huge(kBase, k2M);
  write_some(s);
  s.step("4K", [&] { s.advise(kBase, kPage, kAdviceFree); }, {});
  s.unmap(kBase, k2M);
  s.end();
}

// A kernel whose reads get pages of their own, and whose splits still know the page of zeros.
TEST(ReclaimAdvice, NoZeroPageForReadsAndZerosGo) {
  Script s("[kernel]\nimply = false\nzero_page = false\n");
  s.map_huge(kBase, k2M);
  write_some(s);
  s.step("4K", [&] { s.advise(kBase, kPage, kAdviceFree); }, {.anon = -2048 + 32 * 4});
  s.unmap(kBase, k2M);
  s.end();
}

TEST(ReclaimAdvice, SharedMemory) {
  Script s;
  s.map(kBase, kM, kRw, kMapShared | kMapAnonymous);
  s.write(kBase, 256);
  s.m.sys().clone(kP1, kP2, 0);
  s.read(kBase, 256, kP2);
  s.step("a child shows it", [&] { s.advise(kBase, kM, kAdvicePageOut); }, {});
  s.m.sys().exit(kP2, 0, true);
  s.step("alone", [&] { s.advise(kBase, kM, kAdvicePageOut); }, {.file = -1024});
  s.step("still in memory", [&] { s.read(kBase, 256); }, {.faults = 16, .file = 1024});
  s.step("read is not written", [&] { s.advise(kBase, kM, kAdvicePageOut); }, {.file = -1024});
  s.step("but it was", [&] { s.read(kBase, 256); }, {.faults = 16, .file = 1024});
  ASSERT_EQ(s.m.sys().mlock(kP1, VirtAddr(kBase), kPage), 0);
  s.step("locked", [&] { s.advise(kBase, kM, kAdvicePageOut, -kEINVAL); }, {});
  s.unmap(kBase, kM);
  s.map(kBase, kM, kRw, kMapShared | kMapAnonymous);
  s.read(kBase, 256);
  s.step("never written", [&] { s.advise(kBase, kM, kAdvicePageOut); }, {.file = -1024});
  s.step("gone", [&] { s.read(kBase, 256); }, {.faults = 256, .file = 1024});
  s.unmap(kBase, kM);
  s.end();
}

TEST(ReclaimAdvice, PrivateMemory) {
  Script s;
  s.map(kBase, kM);
  s.write(kBase, 256);
  s.step("stays", [&] { s.advise(kBase, kM, kAdvicePageOut); }, {});
  s.advise(kBase, kM, kAdviceFree);
  s.write(kBase, 128);
  s.step("given up goes, unless written since", [&] { s.advise(kBase, kM, kAdvicePageOut); },
         {.anon = -512});
  s.step("and that stays", [&] { s.advise(kBase, kM, kAdvicePageOut); }, {});
  s.step("read", [&] { s.read(kBase, 256); }, {.faults = 128});
  s.unmap(kBase, kM);
  s.end();
}

// A file on disk of four folios of 1 MiB.
class DiskFolios : public ::testing::TestWithParam<uint32_t> {
 protected:
  DiskFolios() {
    file_ = s.m.sys().open("/f", 4 * kM);
    s.map(kBase, 4 * kM, kRw, kMapShared, file_);
  }
  [[nodiscard]] uint64_t major() { return s.m.process(1).faults.major; }

  Script s{"[kernel]\nimply = false\nfolio_order = 8\nreadahead = 128K\n"};
  FileId file_;
};

TEST_P(DiskFolios, CleanOnesAreSplitAndUnmapped) {
  s.read(kBase, 1024);
  s.step("a page", [&] { s.advise(kBase + 8 * kK, kPage, GetParam()); }, {.file = -1024});
  s.step("read: pages by themselves", [&] { s.read(kBase, 1024); }, {.faults = 16, .file = 1024});
  s.step("half of two", [&] { s.advise(kBase + 3 * kM / 2, kM, GetParam()); }, {.file = -2048});
  s.step("read", [&] { s.read(kBase, 1024); }, {.faults = 32, .file = 2048});
  EXPECT_EQ(major(), 0u);
  s.unmap(kBase, 4 * kM);
}

TEST_P(DiskFolios, DirtyOrSharedOnesAreNot) {
  s.write(kBase, 1024);
  s.step("dirty", [&] { s.advise(kBase + 8 * kK, kPage, GetParam()); }, {});
  s.unmap(kBase, 4 * kM);
  const FileId other = s.m.sys().open("/g", 4 * kM);
  s.map(kBase, 4 * kM, kRw, kMapShared, other);
  s.read(kBase, 1024);
  s.m.sys().clone(kP1, kP2, 0);
  s.read(kBase + kM, 1, kP2);
  s.step("shown by a child", [&] { s.advise(kBase + kM, kPage, GetParam()); }, {});
  s.step("not shown", [&] { s.advise(kBase, kPage, GetParam()); }, {.file = -1024});
  s.m.sys().exit(kP2, 0, true);
  s.unmap(kBase, 4 * kM);
}
INSTANTIATE_TEST_SUITE_P(Advice, DiskFolios, ::testing::Values(kAdviceCold, kAdvicePageOut));

using DiskPageOut = DiskFolios;
TEST_P(DiskPageOut, WholeFolios) {
  s.read(kBase, 1024);
  s.step("clean", [&] { s.advise(kBase, kM, kAdvicePageOut); }, {.file = -1024});
  // With windows of 128K; 15 on the same host with its own of 8M.
  s.step("read again", [&] { s.read(kBase, 256); }, {.faults = 11, .file = 1024});
  EXPECT_EQ(major(), 1u);
  s.write(kBase + kM, 256);
  s.step("dirty", [&] { s.advise(kBase + kM, kM, kAdvicePageOut); }, {.file = -1024});
  s.step("still there", [&] { s.read(kBase + kM, 256); }, {.faults = 1, .file = 1024});
  EXPECT_EQ(major(), 1u);
  s.unmap(kBase, 4 * kM);
}
INSTANTIATE_TEST_SUITE_P(Advice, DiskPageOut, ::testing::Values(kAdvicePageOut));

// On each page table, with leaves taken one by one from tables that may go with the last of them.
TEST(ReclaimAdvice, OnEveryPageTable) {
  for (const std::string& backend : backend_names()) {
    Script s("", backend);
    s.map_huge(kBase, 4 * kM);
    s.write(kBase, 512);
    s.advise(kBase, k2M, kAdviceFree);
    s.step("all", [&] { s.advise(kBase, k2M, kAdvicePageOut); }, {.anon = -2048});
    s.map(kBase + kG, kM, kRw, kMapShared | kMapAnonymous);
    s.write(kBase + kG, 256);
    s.step("shared", [&] { s.advise(kBase + kG, kM, kAdvicePageOut); }, {.file = -1024});
    s.unmap(kBase, 4 * kM);
    s.unmap(kBase + kG, kM);
    s.end();
  }
}

}  // namespace reclaim_advice_test
}  // namespace mmusim::kernel::testing
