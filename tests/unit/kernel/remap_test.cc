// mremap by calls and by recordings: lengths of the pool's memory, tables made though nothing
// moves. Values of a real kernel (6.18).
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace remap_test {

constexpr uint32_t kPool = kMapPrivate | kMapAnonymous | kMapHugeTlb;
constexpr uint32_t kMoveTo = kRemapMayMove | kRemapFixed;
constexpr uint64_t kThere = kBase + kG;

class RemapOfThePool : public ::testing::TestWithParam<std::string> {
 protected:
  RemapOfThePool() { s.map(kBase, 3 * kM, kRw, kPool); }  // rounded up to 4M
  void TearDown() override { s.end(); }
  int64_t remap(uint64_t old_length, uint64_t new_length, uint32_t flags, uint64_t to = 0) {
    return s.m.sys().mremap(kP1, VirtAddr(kBase), old_length, new_length, flags, VirtAddr(to));
  }
  [[nodiscard]] VirtRange area(uint64_t at) { return s.m.mm(1).vmas.find(VirtAddr(at))->range(); }
  void apply(const trace::Event& event) { s.m.kernel->apply(CpuId(0), kP1, event); }

  Script s{"[kernel]\nhugetlb_pages = 8\n", GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Backends, RemapOfThePool, ::testing::ValuesIn(backend_names()));

TEST_P(RemapOfThePool, LengthsAreRoundedFirst) {
  s.write(kBase, 1024);
  EXPECT_EQ(remap(3 * kM, 3 * kM, kMoveTo, kThere), static_cast<int64_t>(kThere));
  EXPECT_EQ(area(kThere).bytes(), 4 * kM);
  EXPECT_EQ(s.m.mm(1).hugetlb_pages, 1024u);
  s.write(kThere, 1024);
  s.m.expect_no_stale_translation();
}

TEST_P(RemapOfThePool, APartOfAPageIsAPage) {
  s.write(kBase, 1024);
  EXPECT_EQ(remap(kPage, kPage, kMoveTo, kThere), static_cast<int64_t>(kThere));
  EXPECT_EQ(area(kThere).bytes(), k2M);
  EXPECT_EQ(area(kBase + k2M).bytes(), k2M);
  EXPECT_EQ(s.m.mm(1).vmas.find(VirtAddr(kBase)), nullptr);
}

TEST_P(RemapOfThePool, ShrinksToWholePages) {
  s.write(kBase, 1024);
  EXPECT_EQ(remap(3 * kM, kM, 0), static_cast<int64_t>(kBase));
  EXPECT_EQ(area(kBase).bytes(), k2M);
  EXPECT_EQ(remap(kM, 3 * kM, kRemapMayMove), -kEINVAL);  // and never grows
  EXPECT_EQ(remap(kM, k2M, 0), static_cast<int64_t>(kBase));
}

TEST_P(RemapOfThePool, OffTheGridNothingIsDivided) {
  Syscalls& sys = s.m.sys();
  EXPECT_EQ(remap(k2M, k2M, kMoveTo, kThere + kM), -kEINVAL);
  EXPECT_EQ(sys.mremap(kP1, VirtAddr(kBase + kM), kM, kM, kMoveTo, VirtAddr(kThere)), -kEINVAL);
  EXPECT_EQ(sys.munmap(kP1, VirtAddr(kBase), kM), -kEINVAL);
  EXPECT_EQ(sys.mprotect(kP1, VirtAddr(kBase + kM), kM, kProtRead), -kEINVAL);
  EXPECT_EQ(s.m.mm(1).vmas.size(), 1u);
  // On the grid at one end: that border stays.
  EXPECT_EQ(sys.mprotect(kP1, VirtAddr(kBase + k2M), kM, kProtRead), -kEINVAL);
  EXPECT_EQ(s.m.mm(1).vmas.size(), 2u);
}

// Neither does merging, which such memory is never part of.
TEST_P(RemapOfThePool, MergeableIsIgnored) {
  s.advise(kBase + kM, kM, kAdviceMergeable);
  EXPECT_EQ(s.m.mm(1).vmas.size(), 1u);
}

TEST_P(RemapOfThePool, RecordedLengthsAreRoundedToo) {
  s.write(kBase, 1024);
  trace::MremapEvent move;
  move.old_start = VirtAddr(kBase);
  move.old_length = move.new_length = 2100 * kK;
  move.flags = kMoveTo;
  move.result = static_cast<int64_t>(kThere);
  apply(move);
  EXPECT_EQ(area(kThere).bytes(), 4 * kM);
  EXPECT_EQ(s.m.mm(1).vmas.size(), 1u);

  // A machine with smaller huge pages could do these; here they are counted and nothing happens.
  move.old_start = VirtAddr(kThere);
  move.old_length = move.new_length = kM;
  move.result = static_cast<int64_t>(kBase + kM);
  apply(move);
  apply(trace::MunmapEvent{VirtAddr(kThere + kM), kM, 0});
  EXPECT_EQ(s.m.counters().ignored[Ignored::Unsupported], 2u);
  EXPECT_EQ(area(kThere).bytes(), 4 * kM);
  s.m.expect_accounts_agree();
}

// To another place, and what does not go there is gone.
TEST_P(RemapOfThePool, ShrinksWhereItGoes) {
  s.write(kBase, 1024);
  EXPECT_EQ(remap(3 * kM, kM, kMoveTo, kThere), static_cast<int64_t>(kThere));
  EXPECT_EQ(s.m.mm(1).hugetlb_pages, 512u);
  EXPECT_EQ(s.m.mm(1).vmas.size(), 1u);
}

// Where there is no page no table is made, as there is for other memory.
TEST_P(RemapOfThePool, MakesNoTablesForNothing) {
  s.write(kBase, 512);
  s.step("an empty page to another 512 GiB",
         [&] {
           EXPECT_EQ(s.m.sys().mremap(kP1, VirtAddr(kBase + k2M), k2M, k2M, kMoveTo,
                                      VirtAddr(kBase + kG * kK)),
                     static_cast<int64_t>(kBase + kG * kK));
         },
         {.areas = 1});
}

// Never locked, but faulted in at once.
TEST_P(RemapOfThePool, LockedIsFaultedIn) {
  s.map(kThere, 3 * kM, kRw, kPool | kMapLocked);
  EXPECT_EQ(s.m.mm(1).hugetlb_pages, 1024u);
  EXPECT_FALSE(s.m.mm(1).vmas.find(VirtAddr(kThere))->has(kVmLocked));
}

// What grows in place over half a huge page of the pool cannot take it away.
TEST_P(RemapOfThePool, ARecordedGrowthStopsBeforeIt) {
  s.map(kBase - kM, kM);
  trace::MremapEvent grow;
  grow.old_start = VirtAddr(kBase - kM);
  grow.old_length = kM;
  grow.new_length = k2M;
  grow.result = static_cast<int64_t>(kBase - kM);
  apply(grow);
  EXPECT_EQ(s.m.counters().ignored[Ignored::Unsupported], 1u);
  EXPECT_EQ(area(kBase - kM).bytes(), kM);
  s.m.expect_accounts_agree();
}

// Larger huge pages than the recording's do not reach over what was mapped behind.
TEST_P(RemapOfThePool, ARecordedMappingDoesNotReachOverOthers) {
  s.map(kThere + kM, kM, kProtRead);
  trace::MmapEvent event;
  event.hint = VirtAddr(kThere);
  event.length = kM;
  event.prot = kRw;
  event.flags = kPool | kMapFixed;
  event.fd = -1;
  event.result = static_cast<int64_t>(kThere);
  apply(event);
  EXPECT_EQ(area(kThere).bytes(), kM);
  EXPECT_EQ(area(kThere + kM).bytes(), kM);
}

// Where the source has a table of the second level and nothing below it, the target gets one of
// the third: 4 KiB, though nothing moves. With a leaf table, all of them.
TEST(Remap, MakesUpperTablesForNothing) {
  constexpr uint64_t k512G = 512 * kG;
  Script s;
  s.map(kBase, 4 * kM);
  s.write(kBase, 1);
  const auto move = [&](uint64_t from, uint64_t bytes, uint64_t to) {
    EXPECT_EQ(s.m.sys().mremap(kP1, VirtAddr(from), bytes, bytes, kMoveTo, VirtAddr(to)),
              static_cast<int64_t>(to));
  };
  s.step("where there is no leaf table", [&] { move(kBase + k2M, k2M, kBase + 2 * k512G); },
         {.tables = 4, .areas = 1});
  s.step("where there is one", [&] { move(kBase + kM, kM, kBase + 4 * k512G); },
         {.tables = 12, .areas = 1});
  s.step("unmapped", [&] { s.unmap(kBase + 2 * k512G, k2M); }, {.tables = -4, .areas = -1});
  s.end();
}

}  // namespace remap_test
}  // namespace mmusim::kernel::testing
