// vdso and vvar, and the gate page. Places and counts are those of Linux 6.18 on x86-64, taken with
// address randomisation off: /proc/PID/maps; minor faults and RssFile of a child that reads each
// page, and of its child.
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace special_test {

constexpr uint64_t kVvar = 0x7ffff7ff7000, kVclock = 0x7ffff7ffb000, kVdso = 0x7ffff7ffd000;
constexpr uint64_t kGate = 0xffffffffff600000;

class SpecialPages : public ::testing::TestWithParam<std::string> {
 protected:
  Script s{"[kernel]\nspecial_pages = true\nimply = false\n", GetParam()};
  [[nodiscard]] uint64_t copied() const { return s.m.counters().fork_entries; }
};
INSTANTIATE_TEST_SUITE_P(Backends, SpecialPages, ::testing::ValuesIn(backend_names()));

TEST_P(SpecialPages, LieWhereLinuxPutsThem) {
  const auto expect = [&](uint64_t from, uint64_t pages, uint32_t rights) {
    const Vma* vma = s.m.mm(1).vmas.find(VirtAddr(from));
    ASSERT_NE(vma, nullptr);
    EXPECT_EQ(vma->range(), (VirtRange{VirtAddr(from), VirtAddr(from + pages * kPage)}));
    EXPECT_EQ(vma->flags & kVmRights, rights);
  };
  for (const char* when : {"the first program", "after an exec"}) {
    SCOPED_TRACE(when);
    EXPECT_EQ(s.m.mm(1).vmas.size(), 3u);
    EXPECT_EQ(s.m.mm(1).page_table_bytes(), 0u);
    expect(kVvar, 4, kVmRead);
    expect(kVclock, 2, kVmRead);
    expect(kVdso, 2, kVmRead | kVmExec);
    s.m.sys().exec(kP1, {});
  }
  s.end();
}

TEST_P(SpecialPages, AreFaultedInPageByPageAndTheVvarIsCopied) {
  s.step("vvar: no RSS", [&] { s.read(kVvar, 6); }, {.faults = 6, .tables = 12});
  s.step("vdso", [&] { s.touch(AccessKind::Fetch, kVdso, 2); }, {.faults = 2, .file = 8});
  s.step(
      "fork", [&] { s.m.sys().fork(kP1, kP2); }, {.tables = 12, .areas = 3}, 2);
  EXPECT_EQ(copied(), 6u) << "vvar and vvar_vclock";
  s.step(
      "the child's vvar is there", [&] { s.read(kVvar, 6, kP2); }, {}, 2);
  s.step(
      "its vdso is not", [&] { s.touch(AccessKind::Fetch, kVdso, 2, kP2); },
      {.faults = 2, .file = 8}, 2);
  EXPECT_EQ(s.m.store(kP2, kVdso), Result::Refused);
  EXPECT_EQ(s.m.fetch(kP2, kVvar), Result::Refused);
  s.end();
}

// Areas like any other to system calls, but for what their pages are.
TEST_P(SpecialPages, AreInReachOfSystemCalls) {
  Syscalls& sys = s.m.sys();
  s.step("mlock faults in what is counted, and marks nothing",
         [&] { EXPECT_EQ(sys.mlock(kP1, VirtAddr(kVvar), 8 * kPage), 0); },
         {.faults = 2, .file = 8, .tables = 12});
  EXPECT_EQ(sys.mremap(kP1, VirtAddr(kVdso), 2 * kPage, 3 * kPage, kRemapMayMove), -kEFAULT);
  s.step("move",
         [&] {
           ASSERT_EQ(sys.mremap(kP1, VirtAddr(kVdso), 2 * kPage, 2 * kPage,
                                kRemapMayMove | kRemapFixed, VirtAddr(kBase)),
                     static_cast<int64_t>(kBase));
           s.touch(AccessKind::Fetch, kBase, 2);
         },
         {.tables = 12});
  s.step("munmap", [&] { s.unmap(kVvar, 2 * kPage); }, {});
  EXPECT_EQ(s.m.mm(1).vmas.find(VirtAddr(kVvar + 2 * kPage))->range().bytes(), 2 * kPage);
  s.end();
}

TEST_P(SpecialPages, TheGateIsNoArea) {
  s.step("calls",
         [&] {
           EXPECT_EQ(s.m.fetch(kP1, kGate), Result::Gate);
           EXPECT_EQ(s.m.fetch(kP1, kGate + 0x400), Result::Gate);
           EXPECT_EQ(s.m.load(kP1, kGate), Result::Refused);
           EXPECT_EQ(s.m.fetch(kP1, kGate + kPage), Result::Refused);
         },
         {});
  EXPECT_EQ(s.m.counters().gate_accesses, 2u);
  EXPECT_EQ(s.m.sys().munmap(kP1, VirtAddr(kGate), kPage), -kEINVAL);
  EXPECT_EQ(s.m.sys().mprotect(kP1, VirtAddr(kGate), kPage, kProtRead), -kENOMEM);
  s.end();
}

TEST_P(SpecialPages, ARecordingSaysBetter) {
  trace::ExecEvent event;
  event.image = {{{VirtAddr(0x7fff00000000), VirtAddr(0x7fff00001000)},
                  kProtRead | kProtExec,
                  kMapPrivate,
                  0,
                  "[vdso]"}};
  s.m.sys().exec(kP1, event);
  EXPECT_EQ(s.m.mm(1).vmas.size(), 1u);
  s.end();
}

TEST(NoSpecialPages, UnlessAskedFor) {
  Script s("[kernel]\nimply = false\n");
  EXPECT_EQ(s.m.mm(1).vmas.size(), 0u);
  EXPECT_EQ(s.m.fetch(kP1, kGate), Result::Refused);
  s.end();
}

}  // namespace special_test
}  // namespace mmusim::kernel::testing
