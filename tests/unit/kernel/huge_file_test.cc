// Huge pages of shared memory, made by madvise(COLLAPSE), with what Linux 6.18 counted for the same
// steps (x86-64, four levels); what other page tables do, and what reclaim does.
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace huge_file_test {

constexpr uint64_t kThere = kBase + kG;
constexpr uint32_t kShared = kMapShared | kMapAnonymous;

// A file in memory, all written.
FileId memory_file(Script& s, uint64_t bytes) {
  return s.m.sys().open("memory", bytes, FileKind::Shmem);
}

class HugeFile : public ::testing::TestWithParam<std::string> {
 protected:
  void TearDown() override {
    s.m.expect_no_stale_translation();
    s.m.expect_accounts_agree();
    s.end();
  }
  void map_file(uint64_t at, uint64_t length, uint32_t flags = kMapShared) {
    s.map(at, length, kRw, flags, file);
  }
  Script s{"", GetParam()};
  FileId file = memory_file(s, 4 * kM);
};
INSTANTIATE_TEST_SUITE_P(Backends, HugeFile, ::testing::ValuesIn(backend_names()));

TEST_P(HugeFile, CollapsedMappedAndTakenAway) {
  map_file(kBase, 4 * kM);
  s.write(kBase, 1);
  const auto collapse = [&] { s.advise(kBase, k2M, kAdviceCollapse); };
  s.step("collapse", collapse, {.file = 2044, .tables = -4});
  s.step("write", [&] { s.write(kBase, 512); }, {});
  s.step("again", collapse, {});
  s.step("zap a part", [&] { s.advise(kBase + kPage, kPage, kAdviceDontNeed); }, {.file = -2048});
  s.step("write", [&] { s.write(kBase, 512); }, {.faults = 1, .file = 2048});
  s.step("protect a part", [&] { s.m.sys().mprotect(kP1, VirtAddr(kBase), kPage, kProtRead); },
         {.file = -2048, .areas = 1});
  s.step("read", [&] { s.read(kBase, 512); }, {.faults = 33, .file = 2048, .tables = 4});
  s.step("protect back", [&] { s.m.sys().mprotect(kP1, VirtAddr(kBase), kPage, kRw); },
         {.areas = -1});
  s.step("collapse", collapse, {.tables = -4});
  s.step("unmap a part", [&] { s.unmap(kBase, kPage); }, {.file = -2048});
  EXPECT_EQ(s.m.counters().huge_shared, 1u);
  s.unmap(kBase, 4 * kM);
}

TEST_P(HugeFile, WhatIsRefused) {
  map_file(kBase, 4 * kM);
  s.advise(kBase, kPage, kAdviceCollapse);                    // of no block, done
  s.advise(kBase + kM, 2 * kM, kAdviceCollapse);              // likewise
  s.advise(kBase + kPage, kPage, kAdviceCollapse, -kEINVAL);  // ends before it begins
  s.map(kThere, 4 * kM, kRw, kShared);
  s.advise(kThere, k2M, kAdviceCollapse, -kEINVAL);  // nothing there
  s.write(kThere, 1);
  s.advise(kThere, 2 * k2M, kAdviceCollapse, -kEINVAL);  // the second block has nothing
  EXPECT_EQ(s.m.counters().huge_shared, 1u);
  const FileId disk = s.m.sys().open("/file", 4 * kM);
  s.map(kThere + kG, 4 * kM, kRw, kMapShared, disk);
  s.advise(kThere + kG, kPage, kAdviceCollapse, -kEINVAL);
  s.map(kBase + kPage, 4 * kM, kRw, kMapShared, file);  // not where it is in the file
  s.advise(kBase + k2M, kPage, kAdviceCollapse, -kEINVAL);
  s.unmap(kBase, 8 * kM);
  s.unmap(kThere, 4 * kM);
  s.unmap(kThere + kG, 4 * kM);
}

TEST_P(HugeFile, PrivateMappings) {
  map_file(kBase, 4 * kM, kMapPrivate);
  s.step("collapse", [&] { s.advise(kBase, 4 * kM, kAdviceCollapse); },
         {.file = 4096, .tables = 12 - 4});
  s.step("write", [&] { s.write(kBase, 1); }, {.faults = 1, .anon = 4, .file = -2048, .tables = 4});
  s.step("read", [&] { s.read(kBase, 512); }, {.faults = 1, .file = 2044});
  s.step("a copy is in the way", [&] { s.advise(kBase, k2M, kAdviceCollapse, -kEINVAL); }, {});
  s.m.sys().clone(kP1, kP2, 0);
  // What is huge is not copied, but faulted in.
  s.step(
      "child", [&] { s.read(kBase + k2M, 512, kP2); }, {.faults = 1, .file = 2048}, 2);
  s.m.sys().exit(kP2, 0, true);
  s.unmap(kBase, 4 * kM);
}

TEST_P(HugeFile, AllWhoMapItLoseItsPagesFirst) {
  map_file(kBase, k2M);
  map_file(kThere, 4 * kM);
  s.write(kBase, 16);
  s.write(kThere, 8);
  s.m.sys().clone(kP1, kP2, 0);
  s.read(kBase, 16, kP2);
  s.step(
      "child", [&] { s.m.sys().madvise(kP2, VirtAddr(kThere), k2M, kAdviceCollapse); },
      {.file = 2048 - 64}, 2);
  EXPECT_EQ(s.m.mm(1).resident(), 0u);
  s.step("read", [&] { s.read(kBase, 512); }, {.faults = 1, .file = 2048});
  s.step("cold, but others show it", [&] { s.advise(kBase, kPage, kAdviceCold); }, {});
  s.m.sys().exit(kP2, 0, true);
  s.step("cold: split", [&] { s.advise(kBase, kPage, kAdviceCold); }, {.file = -2048});
  s.step("read", [&] { s.read(kBase, 512); }, {.faults = 32, .file = 2048, .tables = 4});
  s.unmap(kBase, k2M);
  s.unmap(kThere, 4 * kM);
}

TEST_P(HugeFile, HolesAndTruncation) {
  map_file(kBase, 4 * kM);
  s.advise(kBase, 4 * kM, kAdviceCollapse);
  const auto read = [&] { s.read(kBase, 512); };
  s.step(
      "hole",
      [&] { s.m.sys().fallocate(kP1, file, kFallocPunchHole | kFallocKeepSize, 64 * kK, 64 * kK); },
      {.file = -2048});
  s.step("read", read, {.faults = 22, .file = 2048, .tables = 4});
  s.step("collapse", [&] { s.advise(kBase, k2M, kAdviceCollapse); }, {.tables = -4});
  s.step("truncate", [&] { s.m.sys().ftruncate(kP1, file, kM); }, {.file = -4096});
  s.step("read", [&] { s.read(kBase, 256); }, {.faults = 1, .file = 1024, .tables = 4});
  EXPECT_EQ(s.m.load(kP1, kBase + kM), Result::Refused);
  // The folio reaches over the end, and so may its users.
  s.step("collapse", [&] { s.advise(kBase, k2M, kAdviceCollapse); }, {.file = 1024, .tables = -4});
  s.step("behind the end", [&] { s.read(kBase + kM, 256); }, {});
  s.step("zap", [&] { s.advise(kBase, k2M, kAdviceDontNeed); }, {.file = -2048});
  EXPECT_EQ(s.m.store(kP1, kBase + kM + kM / 2), Result::Refused);
  s.unmap(kBase, 4 * kM);
}

TEST_P(HugeFile, MovedWholeOrNotAtAll) {
  map_file(kBase, k2M);
  s.advise(kBase, k2M, kAdviceCollapse);
  const auto move = [&](uint64_t from, uint64_t to) {
    EXPECT_EQ(
        s.m.sys().mremap(kP1, VirtAddr(from), k2M, k2M, kRemapMayMove | kRemapFixed, VirtAddr(to)),
        static_cast<int64_t>(to));
  };
  s.step("aligned", [&] { move(kBase, kThere); }, {});
  s.step("read", [&] { s.read(kThere, 512); }, {});
  s.step("unaligned", [&] { move(kThere, kBase + kPage); }, {.file = -2048});
  s.step("read", [&] { s.read(kBase + kPage, 1); }, {.faults = 1, .file = 64, .tables = 4});
  s.unmap(kBase, 2 * k2M);
}

TEST(HugeFiles, GuardsKeepTheirTable) {
  Script s;
  const FileId file = memory_file(s, 4 * kM);
  s.map(kBase, k2M, kRw, kMapShared, file);
  s.map(kThere, k2M, kRw, kMapShared, file);
  s.advise(kBase + 64 * kK, kPage, kAdviceGuardInstall);
  s.step("elsewhere", [&] { s.advise(kThere, k2M, kAdviceCollapse); }, {.file = 2048, .tables = 4});
  s.step("guarded", [&] { s.advise(kBase, k2M, kAdviceCollapse, -kEINVAL); }, {});
  s.step("read", [&] { s.read(kBase, 16); }, {.faults = 1, .file = 2044});
  EXPECT_EQ(s.m.load(kP1, kBase + 64 * kK), Result::Refused);
  s.unmap(kBase, k2M);
  s.unmap(kThere, k2M);
  s.end();
}

// Where there are no huge leaves, or tables are shared, the call is refused and counted.
TEST(HugeFiles, RefusedWhereThereCanBeNone) {
  for (const auto& [settings, backend] :
       {std::pair{"[pt.mlpt]\nlevels = 12:9:leaf,21:9,30:9,39:9\n", "mlpt"},
        {"[kernel]\nshared_tables = 2M\n", "mlpt"}}) {
    Script s(settings, backend);
    s.map(kBase, k2M, kRw, kShared);
    s.write(kBase, 1);
    s.advise(kBase, k2M, kAdviceCollapse, -kEINVAL);
    EXPECT_EQ(s.m.counters().huge_impossible, 1u) << settings;
    s.unmap(kBase, k2M);
    s.end();
  }
}

// Reclaim splits the folio, takes page by page, and a collapse reads them back.
TEST(HugeFiles, ReclaimSplitsThem) {
  Script s("[kernel]\nswap_pages = 2048\n");
  s.map(kBase, k2M, kRw, kShared);
  s.write(kBase, 1);
  s.advise(kBase, k2M, kAdviceCollapse);
  s.step("page out all", [&] { s.advise(kBase, k2M, kAdvicePageOut); }, {.file = -2048});
  EXPECT_EQ(s.m.counters().swap_writes, 512u);
  EXPECT_EQ(s.m.kernel->system().core.cache.cached_pages(), 0u);
  s.step("collapse", [&] { s.advise(kBase, k2M, kAdviceCollapse); }, {.file = 2048});
  EXPECT_EQ(s.m.counters().swap_reads, 512u);
  s.step("read", [&] { s.read(kBase, 512); }, {});
  s.unmap(kBase, k2M);
  s.end();
}

// ... and leaves alone what lies behind it in the file, in swap space.
TEST(HugeFiles, SplittingLeavesOthersInSwapSpace) {
  Script s("[kernel]\nswap_pages = 2048\n");
  s.map(kBase, 2 * k2M, kRw, kShared);
  s.write(kBase, 1);
  s.write(kBase + k2M, 512);
  s.advise(kBase + k2M, k2M, kAdvicePageOut);
  EXPECT_EQ(s.m.counters().swap_writes, 512u);
  s.advise(kBase, k2M, kAdviceCollapse);
  s.advise(kBase, k2M, kAdvicePageOut);
  EXPECT_EQ(s.m.counters().swap_writes, 1024u);
  s.read(kBase + k2M, 512);
  EXPECT_EQ(s.m.counters().swap_reads, 512u);
  s.unmap(kBase, 2 * k2M);
  s.end();
}

}  // namespace huge_file_test
}  // namespace mmusim::kernel::testing
