// Where the kernel puts what has no place (Linux 6.18; `workload check` compares the same with the
// real one).
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace unmapped_area_test {

constexpr uint32_t kPrivate = kMapPrivate | kMapAnonymous;

class Places : public ::testing::Test {
 protected:
  void TearDown() override { s.end(); }
  // How far below mmap_base it comes to lie.
  uint64_t map(uint64_t bytes, uint32_t flags = kPrivate, FileId file = FileId(0),
               uint64_t offset = 0, uint64_t hint = 0) {
    const int64_t at = s.m.sys().mmap(kP1, VirtAddr(hint), bytes, kRw, flags, file, offset);
    EXPECT_GT(at, 0);
    return base - static_cast<uint64_t>(at);
  }
  Script s{"[kernel]\nimply = false\nhugetlb_pages = 4\n"};
  uint64_t base = s.m.kernel->system().core.platform.layout.mmap_base.value();
  // Down to a multiple of 2M.
  uint64_t to_grid = base % k2M;
};

TEST_F(Places, DirectlyBelowEachOther) {
  EXPECT_EQ(map(kPage), kPage);
  EXPECT_EQ(map(k2M - kPage), k2M);
  EXPECT_EQ(map(kPage, kMapShared | kMapAnonymous), k2M + kPage);
}

TEST_F(Places, WholeHugePagesAreAligned) {
  const uint64_t first = map(k2M);
  EXPECT_EQ((base - first) % k2M, 0u);
  EXPECT_EQ(first, k2M + to_grid);
  EXPECT_EQ(map(k2M), first + k2M);
  // Shared memory is not, nor what is not whole, nor what a hint was given for.
  EXPECT_EQ(map(k2M, kMapShared | kMapAnonymous), first + 2 * k2M);
  EXPECT_EQ(map(k2M + kPage), first + 3 * k2M + kPage);
  EXPECT_EQ(map(k2M, kPrivate, FileId(0), 0, base - first), first + 4 * k2M + kPage);
}

// By their offset, and if a whole huge page of the file is among what is mapped.
TEST_F(Places, FilesOnADiskAreAlignedByTheirOffset) {
  const FileId disk = s.m.sys().open("disk", 64 * kM);
  const FileId memory = s.m.sys().open("memory", 64 * kM, FileKind::Shmem);
  const uint64_t first = map(k2M, kMapPrivate, disk);
  EXPECT_EQ(first, k2M + to_grid);
  EXPECT_EQ(map(k2M, kMapPrivate, disk, kM), first + k2M);  // holds no aligned 2M
  const uint64_t third = map(3 * kM, kMapShared, disk, kM);
  EXPECT_EQ((base - third - kM) % k2M, 0u);
  EXPECT_EQ(map(k2M, kMapShared, memory), third + k2M);
}

// A hint is taken where there is room; for a file on a disk there must be 2M more than needed.
TEST_F(Places, Hints) {
  EXPECT_EQ(map(kPage, kPrivate, FileId(0), 0, kBase + 1), base - kBase);
  EXPECT_EQ(map(kPage, kPrivate, FileId(0), 0, kBase), kPage);
  s.map(kBase + 8 * kM, kPage);
  const FileId disk = s.m.sys().open("disk", 64 * kM);
  EXPECT_EQ(map(4 * kM, kMapPrivate, disk, 0, kBase + 2 * kM), base - (kBase + 2 * kM));
  EXPECT_NE(map(2 * kM, kMapPrivate, disk, 0, kBase + 6 * kM), base - (kBase + 6 * kM));
}

TEST_F(Places, OfThePoolAndBelowStacks) {
  const uint64_t first = map(kM, kPrivate | kMapHugeTlb);
  EXPECT_EQ(first, k2M + to_grid);
  EXPECT_EQ(to_grid, 511 * kPage);  // free above it
  EXPECT_EQ(map(kPage, kPrivate | kMapGrowsDown), kPage);
  // The guard gap of 256 pages stays free below it.
  EXPECT_EQ(map(kPage), 258 * kPage);
  EXPECT_EQ(map(300 * kPage), first + 300 * kPage);
}

// Only the next area above is asked whether it is a stack.
TEST_F(Places, AStackAboveOtherAreasIsInNobodysWay) {
  const uint64_t low = map(4 * kPage);
  EXPECT_EQ(s.m.sys().munmap(kP1, VirtAddr(base - low + 2 * kPage), 2 * kPage), 0);
  EXPECT_EQ(map(kPage, kPrivate | kMapGrowsDown), kPage);
  EXPECT_EQ(map(2 * kPage), low + 2 * kPage);  // does not fit above, where the stack would forbid
  EXPECT_EQ(map(kPage), (257 + 1) * kPage);    // would, and goes below the stack's guard gap
}

// Growing where there is no room goes where a new mapping would.
TEST_F(Places, OfWhatMovesToGrow) {
  s.map(kBase, kM);
  s.map(kBase + kM, kPage);
  const int64_t moved = s.m.sys().mremap(kP1, VirtAddr(kBase), kM, k2M, kRemapMayMove, VirtAddr(0));
  EXPECT_EQ(base - static_cast<uint64_t>(moved), k2M + to_grid);
}

}  // namespace unmapped_area_test
}  // namespace mmusim::kernel::testing
