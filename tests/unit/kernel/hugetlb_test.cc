// The hugetlb pool: reservations, faults, copies, and what is refused.
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace hugetlb_test {

constexpr uint32_t kPool = kMapPrivate | kMapAnonymous | kMapHugeTlb;
constexpr uint32_t kSharedPool = kMapShared | kMapAnonymous | kMapHugeTlb;

class HugeTlb : public ::testing::TestWithParam<const char*> {
 protected:
  Script s{"[kernel]\nhugetlb_pages = 8\n", GetParam()};
  Syscalls& sys = s.m.sys();

  [[nodiscard]] const HugePool& pool() const { return s.m.kernel->system().core.pool; }
  int64_t mmap(uint64_t at, uint64_t length, uint32_t flags) {
    return sys.mmap(kP1, VirtAddr(at), length, kRw, flags | (at != 0 ? uint32_t{kMapFixed} : 0u));
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, HugeTlb, ::testing::Values("mlpt", "gpt"));

TEST_P(HugeTlb, PrivateMemory) {
  s.step("mmap 8 MiB reserves", [&] { s.map(kBase, 8 * kM, kRw, kPool); }, {.areas = 1});
  EXPECT_EQ(pool().reserved(), 4u);
  s.step("write 4 MiB: no leaf tables, no RSS", [&] { s.write(kBase, 1024); },
         {.faults = 2, .tables = 8});
  EXPECT_EQ(s.m.mm(1).hugetlb_pages, 1024u);
  EXPECT_EQ(pool().reserved(), 2u);
  s.step("read 2 MiB", [&] { s.read(kBase + 4 * kM, 512); }, {.faults = 1});
  s.step("write it", [&] { s.write(kBase + 4 * kM, 512); }, {.faults = 1});
  s.step("RO and RW: written again page for page",
         [&] {
           EXPECT_EQ(sys.mprotect(kP1, VirtAddr(kBase), 4 * kM, kProtRead), 0);
           EXPECT_EQ(sys.mprotect(kP1, VirtAddr(kBase), 4 * kM, kRw), 0);
           s.write(kBase, 1024);
         },
         {.faults = 2, .areas = 1});  // such areas never merge
  s.step("DONTNEED of half a page: of none", [&] { s.advise(kBase, kM, kAdviceDontNeed); }, {});
  s.step("DONTNEED", [&] { s.advise(kBase, k2M, kAdviceDontNeed); }, {});
  EXPECT_EQ(s.m.mm(1).hugetlb_pages, 1024u);
  s.step("munmap", [&] { s.unmap(kBase, 8 * kM); }, {.tables = -8, .areas = -2});
  EXPECT_EQ(pool().free(), 8u);
  EXPECT_EQ(pool().reserved(), 0u);
  s.end();
}

TEST_P(HugeTlb, Refusals) {
  EXPECT_EQ(mmap(0, 18 * kM, kPool), -kENOMEM);
  EXPECT_EQ(mmap(kBase, 10 * kM, kPool), static_cast<int64_t>(kBase));
  EXPECT_EQ(mmap(0, 8 * kM, kSharedPool), -kENOMEM);
  EXPECT_EQ(mmap(kBase + kPage, k2M, kPool), -kEINVAL);
  EXPECT_EQ(mmap(0, k2M, kPool | 30u << kMapHugeShift), -kEINVAL);
  EXPECT_EQ(mmap(0, k2M, kPool | 16u << kMapHugeShift), -kEINVAL);
  EXPECT_EQ(sys.mmap(kP1, VirtAddr(0), k2M, kRw, kMapPrivate | kMapHugeTlb, sys.open("f", k2M)),
            -kEINVAL);
  const int64_t placed = mmap(0, kM, kPool | 21u << kMapHugeShift);  // rounded up
  ASSERT_GT(placed, 0);
  EXPECT_EQ(placed % static_cast<int64_t>(k2M), 0);
  EXPECT_EQ(pool().reserved(), 6u);
  EXPECT_EQ(sys.munmap(kP1, VirtAddr(kBase), kPage), -kEINVAL);
  EXPECT_EQ(sys.munmap(kP1, VirtAddr(kBase + kPage), k2M - kPage), -kEINVAL);
  EXPECT_EQ(sys.mprotect(kP1, VirtAddr(kBase), kPage, kProtRead), -kEINVAL);
  s.advise(kBase + kPage, kPage, kAdviceDontNeed, -kEINVAL);
  s.advise(kBase, kPage, kAdviceDontFork, -kEINVAL);
  s.advise(kBase, k2M, kAdviceWipeOnFork, -kEINVAL);
  s.advise(kBase, k2M, kAdviceFree, -kEINVAL);
  s.advise(kBase, k2M, kAdviceCold, -kEINVAL);
  s.advise(kBase, k2M, kAdviceHugePage);
  const auto remap = [&](uint64_t bytes, uint64_t to_bytes, uint32_t flags, uint64_t to) {
    return sys.mremap(kP1, VirtAddr(kBase), bytes, to_bytes, flags, VirtAddr(to));
  };
  EXPECT_EQ(remap(k2M, 4 * kM, kRemapMayMove, 0), -kEINVAL);
  EXPECT_EQ(remap(k2M, kM, kRemapMayMove, 0), static_cast<int64_t>(kBase));
  EXPECT_EQ(remap(k2M, k2M, kRemapMayMove | kRemapFixed, kBase + 64 * kM + kPage), -kEINVAL);
  s.m.expect_accounts_agree();
  s.end();
}

TEST_P(HugeTlb, MovesWholePagesAndTheirReservations) {
  s.map(kBase, 4 * kM, kRw, kPool);
  s.write(kBase, 512);
  const uint64_t to = kBase + 64 * kM;
  s.step("move",
         [&] {
           EXPECT_EQ(sys.mremap(kP1, VirtAddr(kBase), 4 * kM, 4 * kM, kRemapMayMove | kRemapFixed,
                                VirtAddr(to)),
                     static_cast<int64_t>(to));
         },
         {});
  EXPECT_EQ(pool().reserved(), 1u);
  s.step("write all", [&] { s.write(to, 1024); }, {.faults = 1});
  s.end();
}

TEST_P(HugeTlb, AForkedChildCopiesWithoutAReservation) {
  s.map(kBase, 4 * kM, kRw, kPool);
  s.map(kBase + 4 * kM, 4 * kM, kRw, kPool);
  s.write(kBase, 1024);
  s.write(kBase + 4 * kM, 512);
  s.step(
      "fork", [&] { sys.fork(kP1, kP2); }, {.tables = 8, .areas = 2}, 2);
  EXPECT_EQ(s.m.mm(2).hugetlb_pages, 1536u);
  EXPECT_EQ(pool().free(), 5u);
  s.step(
      "the child writes one page", [&] { s.write(kBase, 512, kP2); }, {.faults = 1}, 2);
  EXPECT_EQ(pool().free(), 4u);
  s.step("the parent has its to itself", [&] { s.write(kBase, 512); }, {.faults = 1});
  EXPECT_EQ(pool().free(), 4u);
  EXPECT_EQ(pool().reserved(), 1u);
  s.map(kBase + 16 * kM, 6 * kM, kRw, kPool);
  EXPECT_EQ(s.m.store(kP2, kBase + 4 * kM), Result::Refused) << "all that is free is reserved";
  EXPECT_EQ(s.m.counters().refused_no_huge_page, 1u);
  s.step("what the parent reserved is there", [&] { s.write(kBase + 6 * kM, 512); }, {.faults = 1});
  sys.exit(kP2, 0);
  EXPECT_EQ(pool().free(), 4u);
  s.end();
}

TEST_P(HugeTlb, SharedMemory) {
  s.map(kBase, 4 * kM, kRw, kSharedPool);
  s.step("write 2 MiB", [&] { s.write(kBase, 512); }, {.faults = 1, .tables = 8});
  s.step(
      "fork leaves it to be faulted in", [&] { sys.fork(kP1, kP2); }, {.areas = 1}, 2);
  s.step(
      "the child reads it all", [&] { s.read(kBase, 1024, kP2); }, {.faults = 2, .tables = 8}, 2);
  EXPECT_EQ(pool().free(), 6u);
  s.step("and the parent", [&] { s.write(kBase, 1024); }, {.faults = 1});
  s.unmap(kBase, 4 * kM);
  EXPECT_EQ(pool().free(), 6u);
  sys.exit(kP2, 0);
  EXPECT_EQ(pool().free(), 8u);
  s.end();
}

TEST_P(HugeTlb, PopulatesAndLocksWithoutMarks) {
  s.step("MAP_POPULATE", [&] { s.map(kBase, 8 * kM, kRw, kPool | kMapPopulate); },
         {.faults = 4, .tables = 8, .areas = 1});
  s.step("without a reservation, beyond the pool: to the last page",
         [&] { s.map(kBase + 64 * kM, 12 * kM, kRw, kPool | kMapNoReserve | kMapPopulate); },
         {.faults = 4, .areas = 1});
  EXPECT_EQ(s.m.store(kP1, kBase + 72 * kM), Result::Refused);
  EXPECT_EQ(sys.mlock(kP1, VirtAddr(kBase), kPage), 0);
  EXPECT_EQ(s.m.mm(1).vmas.size(), 2u);
  s.end();
}

TEST(HugeTlbPool, MustFitIntoMemory) {
  Machine m("[mem]\nbytes = 16M\n[kernel]\nhugetlb_pages = 100\n");
  EXPECT_THROW(m.kernel->run(CpuId(0), kP1), UsageError);
}

TEST(HugeTlbPool, NoneMeansNoMemory) {
  Script s;
  EXPECT_EQ(s.m.sys().mmap(kP1, VirtAddr(0), k2M, kRw, kPool), -kENOMEM);
  EXPECT_EQ(s.m.counters().hugetlb_refused, 1u);
  s.end();
}

// What a recording mapped is mapped, with ordinary pages if need be.
TEST(HugeTlbPool, RecordedMappings) {
  Script s("[kernel]\nhugetlb_pages = 1\n");
  trace::MmapEvent e;
  e.prot = kRw;
  e.flags = kPool;
  e.fd = -1;
  for (const uint64_t at : {kBase, kBase + 4 * kM}) {
    e.hint = VirtAddr(at);
    e.length = kM;
    e.result = static_cast<int64_t>(at);
    s.m.kernel->apply(CpuId(0), kP1, e);
    s.write(at, 256);
  }
  EXPECT_EQ(s.m.mm(1).hugetlb_pages, 512u);
  EXPECT_EQ(s.m.mm(1).rss(PageKind::Anonymous), 256u);
  EXPECT_EQ(s.m.counters().hugetlb_refused, 1u);
  s.m.expect_accounts_agree();
  s.end();
}

}  // namespace hugetlb_test
}  // namespace mmusim::kernel::testing
