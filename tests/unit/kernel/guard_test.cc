// Guard pages, with what Linux 6.18 counted for the same steps, on each page table.
#include "kernel/script.h"
#include "pt/page_table.h"

namespace mmusim::kernel::testing {
namespace guard_test {

class GuardTest : public ::testing::TestWithParam<std::string> {
 protected:
  Script s{"", GetParam()};

  int64_t advise(uint64_t at, uint64_t length, uint32_t advice) {
    return s.m.sys().madvise(kP1, VirtAddr(at), length, advice);
  }
  // Accesses refused, of one to each page.
  uint64_t refused(uint64_t at, uint64_t pages, trace::ThreadId who = kP1,
                   AccessKind kind = AccessKind::Store) {
    uint64_t count = 0;
    for (uint64_t i = 0; i < pages; ++i)
      count += s.m.access(who, VirtAddr(at + i * kPage), kind) == Result::Refused ? 1 : 0;
    return count;
  }
};

TEST_P(GuardTest, ContentsComeAndGoBesideThem) {
  s.map(kBase, 64 * kK);
  s.write(kBase, 16);
  s.step("guard a written page", [&] { s.advise(kBase, kPage, kAdviceGuardInstall); },
         {.anon = -4});
  s.step("write", [&] { EXPECT_EQ(refused(kBase, 16), 1u); }, {});
  s.step("again, and one more", [&] { s.advise(kBase, 2 * kPage, kAdviceGuardInstall); },
         {.anon = -4});
  s.step("dontneed", [&] { s.advise(kBase, 64 * kK, kAdviceDontNeed); }, {.anon = -56});
  s.step("write", [&] { EXPECT_EQ(refused(kBase, 16), 2u); }, {.faults = 14, .anon = 56});
  for (const uint32_t advice : {kAdviceFree, kAdviceCold})
    s.step("free, cold", [&] { s.advise(kBase, 64 * kK, advice); }, {});
  s.step("page out what was given up", [&] { s.advise(kBase, 64 * kK, kAdvicePageOut); },
         {.anon = -56});
  s.step("protect", [&] { s.m.sys().mprotect(kP1, VirtAddr(kBase), 64 * kK, kProtRead); }, {});
  s.step("read", [&] { EXPECT_EQ(refused(kBase, 16, kP1, AccessKind::Load), 2u); }, {.faults = 14});
  s.step("populate", [&] { s.advise(kBase, 64 * kK, kAdvicePopulateRead, -kEFAULT); }, {});
  s.step("remove", [&] { s.advise(kBase, 64 * kK, kAdviceGuardRemove); }, {});
  s.step("read", [&] { s.read(kBase, 16); }, {.faults = 2});
  EXPECT_EQ(s.m.counters().guards_installed, 2u);
  EXPECT_EQ(s.m.counters().guards_met, 1u + 2u + 2u + 1u);
  s.unmap(kBase, 64 * kK);
  s.end();
}

TEST_P(GuardTest, TablesAndForks) {
  s.map(kBase, 4 * kM);
  s.step("one untouched page", [&] { s.advise(kBase, kPage, kAdviceGuardInstall); },
         {.tables = 12});
  s.step("all", [&] { s.advise(kBase, 4 * kM, kAdviceGuardInstall); }, {.tables = 4});
  s.step("dontneed", [&] { s.advise(kBase, 4 * kM, kAdviceDontNeed); }, {});
  s.step(
      "fork", [&] { s.m.sys().clone(kP1, kP2, 0); }, {.tables = 16, .areas = 1}, 2);
  s.step(
      "child", [&] { EXPECT_EQ(refused(kBase, 1024, kP2), 1024u); }, {}, 2);
  s.step(
      "child removes",
      [&] {
        EXPECT_EQ(s.m.sys().madvise(kP2, VirtAddr(kBase), 4 * kM, kAdviceGuardRemove), 0);
        EXPECT_EQ(refused(kBase, 1, kP2), 0u);
      },
      {.faults = 1, .anon = 4}, 2);
  EXPECT_EQ(refused(kBase, 1024), 1024u);
  s.step("remove", [&] { s.advise(kBase, 4 * kM, kAdviceGuardRemove); }, {});
  s.step("dontneed", [&] { s.advise(kBase, 4 * kM, kAdviceDontNeed); }, {.tables = -8});
  s.unmap(kBase, 4 * kM);
  s.m.sys().exit(kP2, 0, true);
  s.end();
}

TEST_P(GuardTest, MoveWithTheirMemory) {
  const uint64_t there = kBase + kG;
  s.map(kBase, 4 * kM);
  s.advise(kBase + kM, 8 * kK, kAdviceGuardInstall);
  s.write(kBase + 2 * kM, 1);
  EXPECT_EQ(s.m.sys().mremap(kP1, VirtAddr(kBase), 4 * kM, 4 * kM,
                             kRemapMayMove | kRemapFixed | kRemapDontUnmap, VirtAddr(there)),
            static_cast<int64_t>(there));
  EXPECT_EQ(refused(there, 1024), 2u);
  EXPECT_EQ(refused(kBase, 1024), 0u);
  s.map(there + kM, 4 * kK);  // over one of them
  EXPECT_EQ(refused(there, 1024), 1u);
  s.unmap(kBase, 4 * kM);
  s.unmap(there, 4 * kM);
  s.end();
}

TEST_P(GuardTest, WhereThereMayBeNone) {
  s.map(kBase, 64 * kK);
  s.advise(kBase + 8 * kK, 4 * kK, kAdviceGuardInstall);
  EXPECT_EQ(s.m.sys().mlock(kP1, VirtAddr(kBase), 64 * kK), -kENOMEM);
  EXPECT_EQ(refused(kBase, 16), 1u);
  s.advise(kBase, 4 * kK, kAdviceGuardInstall, -kEINVAL);
  s.advise(kBase, 64 * kK, kAdviceGuardRemove);
  EXPECT_EQ(refused(kBase, 16), 0u);
  s.unmap(kBase + 16 * kK, 4 * kK);
  s.m.sys().munlock(kP1, VirtAddr(kBase), 16 * kK);
  s.advise(kBase, 20 * kK, kAdviceGuardInstall, -kENOMEM);  // a hole; the rest is done
  EXPECT_EQ(refused(kBase, 4), 4u);
  // More than there could ever be entries for.
  s.map(kBase + kG, uint64_t{1} << 46, kRw, kMapPrivate | kMapAnonymous | kMapNoReserve);
  s.advise(kBase + kG, uint64_t{1} << 46, kAdviceGuardInstall, -kENOMEM);
  s.unmap(kBase, 64 * kK);
  s.unmap(kBase + kG, uint64_t{1} << 46);
  s.end();
}

TEST_P(GuardTest, ChildrenWithoutThem) {
  s.map(kBase, 64 * kK);
  s.advise(kBase, 8 * kK, kAdviceGuardInstall);
  s.advise(kBase, 64 * kK, kAdviceWipeOnFork);
  s.m.sys().clone(kP1, kP2, 0);
  EXPECT_EQ(refused(kBase, 16, kP2), 0u);
  EXPECT_EQ(refused(kBase, 16), 2u);
  s.m.sys().exit(kP2, 0, true);
  s.unmap(kBase, 64 * kK);
  s.end();
}

// An area that once had guards is copied ever after, also where nothing is left of them; it can be
// one area with others, and only private memory gets an anon_vma, which an heir does not merge
// with.
TEST_P(GuardTest, OnceGuarded) {
  const uint64_t there = kBase + kG;
  s.map(kBase, 20 * kK);
  s.advise(kBase + kPage, 12 * kK, kAdviceGuardInstall);
  ASSERT_EQ(s.m.sys().mremap(kP1, VirtAddr(kBase), 20 * kK, 20 * kK,
                             kRemapMayMove | kRemapFixed | kRemapDontUnmap, VirtAddr(there)),
            static_cast<int64_t>(there));
  s.m.sys().clone(kP1, kP2, 0);
  if (GetParam() == "mlpt") {
    EXPECT_EQ(s.m.mm(2).page_table_bytes(), s.m.mm(1).page_table_bytes());
  }
  s.m.sys().exit(kP2, 0, true);
  s.unmap(kBase, 20 * kK);
  s.unmap(there, 20 * kK);

  constexpr trace::ThreadId kP3 = thread_of(3);
  for (const bool shared : {false, true}) {
    s.map(kBase, 16 * kK, kRw, (shared ? kMapShared : kMapPrivate) | kMapAnonymous);
    s.m.sys().mprotect(kP1, VirtAddr(kBase), 8 * kK, kProtRead);
    s.advise(kBase, kPage, kAdviceGuardInstall);
    s.m.sys().clone(kP1, kP3, 0);
    s.m.sys().mprotect(kP3, VirtAddr(kBase), 8 * kK, kRw);
    EXPECT_EQ(s.m.mm(3).vmas.size(), shared ? 1u : 2u);
    s.m.sys().mprotect(kP1, VirtAddr(kBase), 8 * kK, kRw);
    EXPECT_EQ(s.m.mm(1).vmas.size(), 1u);
    s.m.sys().exit(kP3, 0, true);
    s.m.sys().wait(kP1, Pid(3));
    s.unmap(kBase, 16 * kK);
  }
  s.end();
}

TEST_P(GuardTest, RecordedAdvice) {
  s.map(kBase, 64 * kK);
  s.m.kernel->apply(CpuId(0), kP1,
                    trace::MadviseEvent{VirtAddr(kBase), 4 * kK, kAdviceGuardInstall, 0});
  EXPECT_EQ(refused(kBase, 16), 1u);
  s.m.kernel->apply(CpuId(0), kP1,
                    trace::MadviseEvent{VirtAddr(kBase), 4 * kK, kAdviceGuardRemove, 0});
  EXPECT_EQ(refused(kBase, 16), 0u);
  s.unmap(kBase, 64 * kK);
  s.end();
}

INSTANTIATE_TEST_SUITE_P(PageTables, GuardTest, ::testing::ValuesIn(backend_names()),
                         [](const auto& backend) { return std::string(backend.param); });

// Where a huge page is or could be.
TEST(Guards, AndHugePages) {
  Script s;
  s.map_huge(kBase, 4 * kM);
  s.write(kBase, 512);
  s.step("a part", [&] { s.advise(kBase + 64 * kK, kPage, kAdviceGuardInstall); }, {.anon = -4});
  s.step("collapse", [&] { s.advise(kBase, k2M, kAdviceCollapse, -kEINVAL); }, {});
  s.step("remove, collapse",
         [&] {
           s.advise(kBase, k2M, kAdviceGuardRemove);
           s.advise(kBase, k2M, kAdviceCollapse);
         },
         {.anon = 4});
  s.step("all", [&] { s.advise(kBase, k2M, kAdviceGuardInstall); }, {.anon = -2048});
  s.step("an untouched one", [&] { s.advise(kBase + k2M, kPage, kAdviceGuardInstall); },
         {.tables = 4});
  s.step("write beside it", [&] { s.write(kBase + k2M + kPage, 511); },
         {.faults = 511, .anon = 2044});
  s.unmap(kBase, 4 * kM);
  s.end();
}

// With swap space: an entry that names a slot goes, and the slot with it.
TEST(Guards, OverWhatIsInSwapSpace) {
  Script s("[mem]\nbytes = 16M\n[kernel]\nimply = false\nswap_pages = 64\n");
  s.map(kBase, 64 * kK);
  s.write(kBase, 16);
  s.advise(kBase, 64 * kK, kAdvicePageOut);
  EXPECT_EQ(s.m.kernel->system().core.swap->in_use(), 16u);
  s.advise(kBase, 8 * kK, kAdviceGuardInstall);
  EXPECT_EQ(s.m.kernel->system().core.swap->in_use(), 14u);
  s.m.sys().clone(kP1, kP2, 0);
  s.advise(kBase, 64 * kK, kAdviceFree);
  s.advise(kBase, 64 * kK, kAdviceGuardRemove);
  s.write(kBase, 16);
  s.m.sys().exit(kP2, 0, true);
  s.unmap(kBase, 64 * kK);
  s.end();
}

}  // namespace guard_test
}  // namespace mmusim::kernel::testing
