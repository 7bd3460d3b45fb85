// The hugetlb pool: reservations, faults, copies, and what is refused.
#include <algorithm>

#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace hugetlb_test {

constexpr uint32_t kPool = kMapPrivate | kMapAnonymous | kMapHugeTlb;
constexpr uint32_t kSharedPool = kMapShared | kMapAnonymous | kMapHugeTlb;

class HugeTlb : public ::testing::TestWithParam<std::string> {
 protected:
  Script s{"[kernel]\nhugetlb_pages = 8\n", GetParam()};
  Syscalls& sys = s.m.sys();

  [[nodiscard]] const HugePool& pool() const {
    return *s.m.kernel->system().core.pools.all().front();
  }
  int64_t mmap(uint64_t at, uint64_t length, uint32_t flags) {
    return sys.mmap(kP1, VirtAddr(at), length, kRw, flags | (at != 0 ? uint32_t{kMapFixed} : 0u));
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, HugeTlb, ::testing::ValuesIn(backend_names()));

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

// Pools of several sizes, one of which is larger than what the allocator has in one piece (4M
// here).
class PoolsOfSizes : public ::testing::TestWithParam<std::string> {
 protected:
  Script s{"[kernel]\nhugetlb_pages = 2\nhugetlb.pools = 64K:4,16M:2\n", GetParam()};

  const HugePool& pool(uint64_t bytes) {
    const auto& all = s.m.kernel->system().core.pools.all();
    return **std::find_if(all.begin(), all.end(),
                          [&](const auto& pool) { return pool->size().bytes() == bytes; });
  }
  int64_t map(uint64_t at, uint64_t length, unsigned log2, uint32_t more = 0) {
    return s.m.sys().mmap(
        kP1, VirtAddr(at), length, kRw,
        kMapPrivate | kMapAnonymous | kMapFixed | kMapHugeTlb | log2 << kMapHugeShift | more,
        FileId(0), 0);
  }
};

TEST_P(PoolsOfSizes, GiveWhatTheFlagsSay) {
  EXPECT_EQ(map(kBase, k2M, 0), static_cast<int64_t>(kBase));  // the machine's own
  EXPECT_EQ(map(kBase + k2M, 100 * kK, 16), static_cast<int64_t>(kBase + k2M));
  EXPECT_EQ(map(kBase + 16 * kM, 20 * kM, 24), static_cast<int64_t>(kBase + 16 * kM));
  EXPECT_EQ(pool(64 * kK).reserved(), 2u);
  EXPECT_EQ(pool(16 * kM).reserved(), 2u);
  EXPECT_EQ(map(kBase + 256 * kM, kM, 20), -kEINVAL);            // no such pool
  EXPECT_EQ(map(kBase + 256 * kM + 64 * kK, kM, 24), -kEINVAL);  // not aligned
  EXPECT_EQ(map(kBase + 256 * kM, 256 * kK, 16), -kENOMEM);      // two are left
  s.step("touch",
         [&] {
           s.write(kBase, 512);
           s.write(kBase + k2M, 32);
           s.write(kBase + 16 * kM, 8192);
         },
         // A multi-level table has two upper tables, and a leaf table for the entries of 64K.
         {.faults = 1 + 2 + 2, .tables = GetParam() == "mlpt" ? 12 : 0});
  EXPECT_EQ(s.m.mm(1).hugetlb_leaves, 5u);
  EXPECT_EQ(s.m.mm(1).hugetlb_pages, 512u + 32 + 8192);
  EXPECT_EQ(pool(16 * kM).free(), 0u);
  s.m.sys().fork(kP1, kP2);
  s.m.expect_accounts_agree();
  EXPECT_EQ(s.m.sys().munmap(kP1, VirtAddr(kBase + k2M), kPage), -kEINVAL);
  s.unmap(kBase + k2M, 64 * kK);
  EXPECT_EQ(pool(64 * kK).free(), 2u);  // the child's
  s.m.sys().exit(kP2, 0);
  EXPECT_EQ(pool(64 * kK).free(), 3u);
  EXPECT_EQ(s.m.sys().mremap(kP1, VirtAddr(kBase + 16 * kM), 16 * kM, 16 * kM,
                             kRemapMayMove | kRemapFixed, VirtAddr(kBase + 512 * kM)),
            static_cast<int64_t>(kBase + 512 * kM));
  // Nobody else has it any more.
  s.step("touch what moved", [&] { s.write(kBase + 512 * kM, 4096); }, {.faults = 1});
  s.end();
}

// On the multi-level one by 16 entries of base pages, and by 8 leaves of 2M.
INSTANTIATE_TEST_SUITE_P(Backends, PoolsOfSizes, ::testing::ValuesIn(backend_names()),
                         [](const auto& which) { return std::string(which.param); });

TEST(PoolsAskedFor, ThatCannotBeHadAreRefusedByName) {
  const auto refusal = [](const std::string& pools, const std::string& backend) {
    try {
      Script s("[mem]\nbytes = 64M\n[kernel]\nhugetlb.pools = " + pools + "\n", backend);
    } catch (const UsageError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const auto expect = [&](const std::string& pools, const std::string& words,
                          const std::string& backend = "gpt") {
    EXPECT_NE(refusal(pools, backend).find(words), std::string::npos) << refusal(pools, backend);
  };
  expect("128K:1",
         "the page table has no leaves of 128K, and entries of smaller ones cannot hint it",
         "mlpt");
  EXPECT_EQ(refusal("64K:1,4M:1", "mlpt"), "");
  expect("64K", "'64K' does not say how many pages");
  expect("64K:many", "does not say how many");
  expect("48K:1", "48K is not a power of two");
  expect("64K:1,64K:2", "64K is named twice");
  expect("128M:1", "128M is more than all memory");
  expect("32M:2", "no memory for 2 huge pages of 32768 KiB");
  expect("2M:1", "2M is the size of kernel.hugetlb_pages");
  EXPECT_EQ(refusal("64K:10,1M:3", "hashed"), "");
}

}  // namespace hugetlb_test
}  // namespace mmusim::kernel::testing
