// What Linux 6.18 on x86-64 counted for small programs (four levels, one CPU, own
// area in an otherwise empty 512 GiB of the address space), step by step, as differences. The model
// must count the same.
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace calibration_test {

TEST(Calibration, PrivateAnonymous) {
  Script s;
  s.step("mmap 1 GiB", [&] { s.map(kBase, kG); }, {.areas = 1});
  s.step("write 1 page", [&] { s.write(kBase, 1); }, {.faults = 1, .anon = 4, .tables = 12});
  s.step("write next 511", [&] { s.write(kBase + kPage, 511); }, {.faults = 511, .anon = 2044});
  s.step("write 1 in next 2 MiB", [&] { s.write(kBase + k2M, 1); },
         {.faults = 1, .anon = 4, .tables = 4});
  s.step("read 512 in new 2 MiB", [&] { s.read(kBase + 2 * k2M, 512); },
         {.faults = 512, .tables = 4});
  s.step("then write them", [&] { s.write(kBase + 2 * k2M, 512); }, {.faults = 512, .anon = 2048});
  s.step("DONTNEED that 2 MiB",
         [&] { s.m.sys().madvise(kP1, VirtAddr(kBase + 2 * k2M), k2M, kAdviceDontNeed); },
         {.anon = -2048, .tables = -4});
  s.step("DONTNEED 1 page of a full table",
         [&] { s.m.sys().madvise(kP1, VirtAddr(kBase), kPage, kAdviceDontNeed); }, {.anon = -4});
  s.step("munmap 2 MiB in the middle", [&] { s.unmap(kBase + k2M, k2M); },
         {.anon = -4, .tables = -4, .areas = 1});
  s.step("munmap first 2 MiB", [&] { s.unmap(kBase, k2M); },
         {.anon = -2044, .tables = -4, .areas = -1});
  s.step("write at +8 MiB", [&] { s.write(kBase + 8 * kM, 1); },
         {.faults = 1, .anon = 4, .tables = 4});
  s.step("munmap just that page", [&] { s.unmap(kBase + 8 * kM, kPage); },
         {.anon = -4, .areas = 1});
  s.step("munmap the rest", [&] { s.unmap(kBase, kG); }, {.tables = -12, .areas = -2});
  s.end();
}

TEST(Calibration, OlderKernelKeepsTablesThatDontNeedEmptied) {
  Script s("[kernel]\npt_reclaim = false\n");
  s.map(kBase, kG);
  s.write(kBase, 512);
  s.step("DONTNEED 2 MiB", [&] { s.m.sys().madvise(kP1, VirtAddr(kBase), k2M, kAdviceDontNeed); },
         {.anon = -2048});
  s.end();
}

TEST(Calibration, DontNeedOfTheOnlyPageKeepsItsTable) {
  Script s;
  s.map(kBase, kG);
  s.write(kBase + kPage, 1);
  s.step("only page",
         [&] { s.m.sys().madvise(kP1, VirtAddr(kBase + kPage), kPage, kAdviceDontNeed); },
         {.anon = -4});
  s.step("its whole 2 MiB", [&] { s.m.sys().madvise(kP1, VirtAddr(kBase), k2M, kAdviceDontNeed); },
         {.tables = -4});
  s.end();
}

// Only the table goes that lies whole within the advised range.
TEST(Calibration, DontNeedReclaimsNoUpperTable) {
  Script s;
  s.map(kBase, 2 * kG);
  s.write(kBase, 1);
  s.write(kBase + kG, 1);
  s.step("DONTNEED 2 GiB",
         [&] { s.m.sys().madvise(kP1, VirtAddr(kBase), 2 * kG, kAdviceDontNeed); },
         {.anon = -8, .tables = -8});
  s.end();
}

void onePageAreas(uint64_t stride, int64_t tables, std::vector<std::pair<int, int64_t>> unmaps) {
  Script s;
  s.step("8 one-page areas",
         [&] {
           for (uint64_t i = 0; i < 8; ++i) {
             s.map(kBase + i * stride, kPage);
             s.write(kBase + i * stride, 1);
           }
         },
         {.faults = 8, .anon = 32, .tables = tables, .areas = 8});
  for (const auto& [which, freed] : unmaps)
    s.step("munmap", [&, w = which] { s.unmap(kBase + static_cast<uint64_t>(w) * stride, kPage); },
           {.anon = -4, .tables = freed, .areas = -1});
  s.end();
}

TEST(Calibration, AreasAt1GiB) {
  onePageAreas(kG, 68, {});
}
TEST(Calibration, AreasAt512GiB) {
  onePageAreas(512 * kG, 96,
               {{0, -12}, {1, -12}, {2, -12}, {3, -12}, {4, -12}, {5, -12}, {6, -12}, {7, -12}});
}
TEST(Calibration, AreasAt2MiB) {
  onePageAreas(k2M, 40, {{0, -4}, {2, -4}, {4, -4}, {6, -4}, {1, -4}, {3, -4}, {5, -4}, {7, -12}});
}

TEST(Calibration, TwoAreasInOneTable) {
  Script s;
  s.step("map and write both",
         [&] {
           s.map(kBase, kPage);
           s.map(kBase + 8 * kPage, kPage);
           s.write(kBase, 1);
           s.write(kBase + 8 * kPage, 1);
         },
         {.faults = 2, .anon = 8, .tables = 12, .areas = 2});
  s.step("munmap one", [&] { s.unmap(kBase, kPage); }, {.anon = -4, .areas = -1});
  s.step("munmap other", [&] { s.unmap(kBase + 8 * kPage, kPage); },
         {.anon = -4, .tables = -12, .areas = -1});
  s.end();
}

TEST(Calibration, ForkAndWrite) {
  Script s;
  s.map(kBase, k2M);
  s.write(kBase, 512);
  s.step(
      "fork: the child's tables", [&] { s.m.sys().fork(kP1, kP2); },
      {.anon = 2048, .tables = 12, .areas = 1}, 2);
  s.step(
      "child reads", [&] { s.read(kBase, 512, kP2); }, {}, 2);
  s.step(
      "child writes", [&] { s.write(kBase, 512, kP2); }, {.faults = 512}, 2);
  s.m.sys().exit(kP2, 0);
  s.step("parent writes after child's exit", [&] { s.write(kBase, 512); }, {.faults = 512});
  EXPECT_EQ(s.m.counters().cause[FaultCause::CowCopy], 512u);   // the child's
  EXPECT_EQ(s.m.counters().cause[FaultCause::CowReuse], 512u);  // the parent's
  s.end();
}

TEST(Calibration, ZeroPagesAreNotCopiedAtFork) {
  Script s;
  s.map(kBase, k2M);
  s.read(kBase, 512);
  s.step(
      "fork", [&] { s.m.sys().fork(kP1, kP2); }, {.areas = 1}, 2);
  s.step(
      "child reads", [&] { s.read(kBase, 512, kP2); }, {.faults = 512, .tables = 12}, 2);
  s.end();
}

// Not measured: the rule of before 2.6.14 applied to the two cases that the later one leaves out.
TEST(Calibration, ForkCopiesAllByTheOldRule) {
  Script s("[kernel]\nfork_copy = all\n");
  s.map(kBase, k2M);
  s.read(kBase, 512);
  s.map(kBase + kG, k2M, kRw, kMapShared | kMapAnonymous);
  s.write(kBase + kG, 512);
  s.step(
      "fork", [&] { s.m.sys().fork(kP1, kP2); }, {.file = 2048, .tables = 20, .areas = 2}, 2);
  s.step(
      "the child reads both",
      [&] {
        s.read(kBase, 512, kP2);
        s.read(kBase + kG, 512, kP2);
      },
      {}, 2);
  s.step(
      "the child writes zero pages", [&] { s.write(kBase, 512, kP2); },
      {.faults = 512, .anon = 2048}, 2);
  s.end();
}

// A table is copied though DONTNEED emptied it; whole ones it reclaimed are gone.
TEST(Calibration, EmptyTablesAreDuplicatedAtFork) {
  Script s;
  s.map(kBase, 3 * k2M);
  for (uint64_t i = 0; i < 3; ++i)
    s.write(kBase + i * k2M, 1);
  s.m.sys().madvise(kP1, VirtAddr(kBase + k2M), kPage, kAdviceDontNeed);
  s.step(
      "fork", [&] { s.m.sys().fork(kP1, kP2); }, {.anon = 8, .tables = 20, .areas = 1}, 2);
  EXPECT_EQ(s.m.counters().fork_entries, 2u);
  s.end();
}

TEST(Calibration, Mprotect) {
  for (const uint32_t between : {uint32_t{kProtRead}, uint32_t{0}}) {
    Script s;
    s.map(kBase, k2M);
    s.write(kBase, 512);
    s.step("half loses rights", [&] { s.m.sys().mprotect(kP1, VirtAddr(kBase), kM, between); },
           {.areas = 1});
    s.step("and gets them back", [&] { s.m.sys().mprotect(kP1, VirtAddr(kBase), kM, kRw); },
           {.areas = -1});
    s.step("rewrite", [&] { s.write(kBase, 512); }, {});
    s.end();
  }
}

TEST(Calibration, MprotectOfOnePageInTheMiddle) {
  Script s;
  s.map(kBase, k2M);
  s.step("one page RO", [&] { s.m.sys().mprotect(kP1, VirtAddr(kBase + kM), kPage, kProtRead); },
         {.areas = 2});
  s.step("back", [&] { s.m.sys().mprotect(kP1, VirtAddr(kBase + kM), kPage, kRw); }, {.areas = -2});
  s.end();
}

TEST(Calibration, MprotectWhileAChildHoldsThePages) {
  Script s;
  s.map(kBase, k2M);
  s.write(kBase, 512);
  s.m.sys().fork(kP1, kP2);
  s.step("RO, RW, rewritten",
         [&] {
           s.m.sys().mprotect(kP1, VirtAddr(kBase), k2M, kProtRead);
           s.m.sys().mprotect(kP1, VirtAddr(kBase), k2M, kRw);
           s.write(kBase, 512);
         },
         {.faults = 512});
  s.end();
}

TEST(Calibration, Mremap) {
  Script s;
  s.map(kBase, k2M);
  s.write(kBase, 512);
  const uint64_t aligned = kBase + 64 * kM, odd = kBase + 128 * kM + kPage;
  s.step("2 MiB aligned to aligned",
         [&] {
           EXPECT_EQ(s.m.sys().mremap(kP1, VirtAddr(kBase), k2M, k2M, kRemapMayMove | kRemapFixed,
                                      VirtAddr(aligned)),
                     static_cast<int64_t>(aligned));
           s.write(aligned, 512);
         },
         {});
  s.step("to not aligned",
         [&] {
           EXPECT_EQ(s.m.sys().mremap(kP1, VirtAddr(aligned), k2M, k2M, kRemapMayMove | kRemapFixed,
                                      VirtAddr(odd)),
                     static_cast<int64_t>(odd));
           s.write(odd, 512);
         },
         {.tables = 4});
  EXPECT_EQ(s.m.load(kP1, kBase + 64 * kM), Result::Ok);  // implied: it is not mapped any more
  EXPECT_EQ(s.m.counters().implied_areas, 1u);
  s.end();
}

TEST(Calibration, Populate) {
  Script s;
  s.step("4 MiB", [&] { s.map(kBase, 4 * kM, kRw, kMapPrivate | kMapAnonymous | kMapPopulate); },
         {.faults = 1024, .anon = 4096, .tables = 16, .areas = 1});
  s.step("writing then faults no more", [&] { s.write(kBase, 1024); }, {});
  EXPECT_EQ(s.m.counters().populated, 1024u);
  s.end();
}

// The tables of N MiB: a leaf table for 2 MiB, one above for a GiB, one above that; less the 36 K
// the measured program had of its own.
TEST(Calibration, ForkOfLargeSpaces) {
  for (const auto& [mib, kib] :
       std::vector<std::pair<uint64_t, int64_t>>{{16, 76 - 36}, {64, 172 - 36}, {256, 556 - 36}}) {
    Script s;
    s.map(kBase, mib * kM);
    for (uint64_t i = 0; i < mib * 256; ++i)
      ASSERT_EQ(s.m.kernel->fault(CpuId(0), VirtAddr(kBase + i * kPage), AccessKind::Store,
                                  mmu::FaultReason::NotPresent),
                FaultOutcome::Fixed);
    s.step(
        "fork", [&] { s.m.sys().fork(kP1, kP2); },
        {.anon = static_cast<int64_t>(mib * kK), .tables = kib, .areas = 1}, 2);
    s.end();
  }
}

TEST(Calibration, Break) {
  Script s;
  trace::ExecEvent image;
  image.brk = VirtAddr(kBase + 0x123);
  s.m.sys().exec(kP1, image);
  ASSERT_EQ(s.m.sys().brk(kP1, VirtAddr(0)), static_cast<int64_t>(kBase + 0x123));
  s.step("grow by 64 pages", [&] { s.m.sys().brk(kP1, VirtAddr(kBase + 0x123 + 64 * kPage)); },
         {.areas = 1});
  s.step("write 32", [&] { s.write(kBase + kPage, 32); },
         {.faults = 32, .anon = 128, .tables = 12});
  s.step("grow again", [&] { s.m.sys().brk(kP1, VirtAddr(kBase + 0x123 + 128 * kPage)); }, {});
  s.step("back to the start", [&] { s.m.sys().brk(kP1, VirtAddr(kBase + 0x123)); },
         {.anon = -128, .tables = -12, .areas = -1});
  s.end();
}

// 132 KiB at first; a fault below grows the area to its page; not past the limit of 8 MiB.
TEST(Calibration, Stack) {
  Script s;
  const uint64_t top = 0x7ffffffff000;
  trace::ExecEvent image;
  image.stack_top = VirtAddr(top);
  s.step("exec", [&] { s.m.sys().exec(kP1, image); },
         {.faults = 1, .anon = 4, .tables = 12, .areas = 1});
  EXPECT_EQ(s.m.mm(1).vmas.find(VirtAddr(top - 1))->range().bytes(), 132 * kK);
  s.step("100 pages of recursion", [&] { s.write(top - 101 * kPage, 100); },
         {.faults = 100, .anon = 400});
  EXPECT_EQ(s.m.mm(1).vmas.find(VirtAddr(top - 1))->range().bytes(), 101 * kPage);
  s.step("down to the limit", [&] { s.write(top - 8 * kM, 1); },
         {.faults = 1, .anon = 4, .tables = 4});
  s.end();
}

}  // namespace calibration_test
}  // namespace mmusim::kernel::testing
