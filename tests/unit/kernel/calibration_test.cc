// What Linux 6.18 on x86-64 counted for small programs (four levels, no huge pages, one CPU, own
// area in an otherwise empty 512 GiB of the address space), step by step, as differences. The model
// must count the same.
#include <functional>
#include <vector>

#include "kernel/machine.h"

namespace mmusim::kernel::testing {
namespace {

using namespace abi;

constexpr uint64_t kK = 1024, kM = kK * kK, kG = kK * kM;
constexpr uint64_t kBase = 0x100000000000;
constexpr trace::ThreadId kP1 = thread_of(1), kP2 = thread_of(2);
constexpr uint32_t kRw = kProtRead | kProtWrite;

struct Counted {  // memory in KiB
  int64_t faults = 0, anon = 0, file = 0, tables = 0, areas = 0;
  bool operator==(const Counted&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Counted& c) {
  return out << c.faults << " faults, anon " << c.anon << " K, file " << c.file << " K, tables "
             << c.tables << " K, " << c.areas << " areas";
}

class Script {
 public:
  explicit Script(const std::string& settings = "") : m(settings) { m.kernel->run(CpuId(0), kP1); }

  // Does something as process `pid` and compares what it cost that process with Linux's numbers.
  void step(const char* what, const std::function<void()>& action, const Counted& linux_counted,
            uint32_t pid = 1) {
    const Counted before = now(pid);
    action();
    const Counted after = now(pid);
    const Counted cost{after.faults - before.faults, after.anon - before.anon,
                       after.file - before.file, after.tables - before.tables,
                       after.areas - before.areas};
    EXPECT_EQ(cost, linux_counted) << what;
    m.expect_no_stale_translation();
    m.expect_accounts_agree();
  }

  void map(uint64_t at, uint64_t length, uint32_t prot = kRw,
           uint32_t flags = kMapPrivate | kMapAnonymous, FileId file = FileId(0)) {
    ASSERT_EQ(m.sys().mmap(kP1, VirtAddr(at), length, prot, flags | kMapFixed, file, 0),
              static_cast<int64_t>(at));
  }
  void unmap(uint64_t at, uint64_t length) {
    ASSERT_EQ(m.sys().munmap(kP1, VirtAddr(at), length), 0);
  }
  void touch(AccessKind kind, uint64_t at, uint64_t pages, trace::ThreadId who = kP1) {
    for (uint64_t i = 0; i < pages; ++i)
      ASSERT_EQ(m.access(who, VirtAddr(at + i * kPage), kind), Result::Ok);
  }
  void write(uint64_t at, uint64_t pages, trace::ThreadId who = kP1) {
    touch(AccessKind::Store, at, pages, who);
  }
  void read(uint64_t at, uint64_t pages, trace::ThreadId who = kP1) {
    touch(AccessKind::Load, at, pages, who);
  }
  void end() { m.expect_nothing_leaks(); }

  Machine m;

 private:
  Counted now(uint32_t pid) {
    if (!m.kernel->system().processes().contains(Pid(pid))) return {};
    const Process& p = m.process(pid);
    if (p.mm == nullptr) return {static_cast<int64_t>(p.faults.minor)};
    const auto kib = [](uint64_t pages) { return static_cast<int64_t>(pages * kPage / kK); };
    return {static_cast<int64_t>(p.faults.minor), kib(p.mm->rss(PageKind::Anonymous)),
            kib(p.mm->rss(PageKind::File) + p.mm->rss(PageKind::Shmem)),
            static_cast<int64_t>(p.mm->page_table_bytes() / kK),
            static_cast<int64_t>(p.mm->vmas.size())};
  }
};

constexpr uint64_t k2M = 2 * kM;

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

TEST(Calibration, SharedAnonymous) {
  for (const bool writes : {false, true}) {
    Script s;
    s.step("map and write 512",
           [&] {
             s.map(kBase, k2M, kRw, kMapShared | kMapAnonymous);
             s.write(kBase, 512);
           },
           {.faults = 512, .file = 2048, .tables = 12, .areas = 1});
    s.step(
        "fork", [&] { s.m.sys().fork(kP1, kP2); }, {.areas = 1}, 2);
    if (writes) {
      s.step(
          "child writes", [&] { s.write(kBase, 512, kP2); },
          {.faults = 512, .file = 2048, .tables = 12}, 2);
    } else {
      s.step(
          "child reads", [&] { s.read(kBase, 512, kP2); },
          {.faults = 32, .file = 2048, .tables = 12}, 2);
    }
    s.step("RO, RW, rewritten",
           [&] {
             s.m.sys().mprotect(kP1, VirtAddr(kBase), k2M, kProtRead);
             s.m.sys().mprotect(kP1, VirtAddr(kBase), k2M, kRw);
             s.write(kBase, 512);
           },
           {});
    s.end();
  }
}

TEST(Calibration, PrivateFileWithLargeFolios) {
  Script s("[kernel]\nfolio_order = 8\n");
  const FileId file = s.m.sys().open("/big", 4 * kM);
  s.step("RO, 512 hot pages",
         [&] {
           s.map(kBase, 4 * kM, kProtRead, kMapPrivate, file);
           s.read(kBase, 512);
         },
         {.faults = 2, .file = 2048, .tables = 12, .areas = 1});
  s.unmap(kBase, 4 * kM);
  s.step("RW, write 64",
         [&] {
           s.map(kBase, 4 * kM, kRw, kMapPrivate, file);
           s.write(kBase, 64);
         },
         {.faults = 64, .anon = 256, .tables = 12, .areas = 1});
  s.step("read 64 at +1 MiB", [&] { s.read(kBase + kM, 64); }, {.faults = 1, .file = 1024});
  s.step("write those", [&] { s.write(kBase + kM, 64); },
         {.faults = 64, .anon = 256, .file = -256});
  s.end();
}

TEST(Calibration, SharedFileWithLargeFolios) {
  Script s("[kernel]\nfolio_order = 8\n");
  const FileId file = s.m.sys().open("/big", 4 * kM);
  s.step("write 64",
         [&] {
           s.map(kBase, 4 * kM, kRw, kMapShared, file);
           s.write(kBase, 64);
         },
         {.faults = 1, .file = 1024, .tables = 12, .areas = 1});
  s.step("read 64 at +1 MiB", [&] { s.read(kBase + kM, 64); }, {.faults = 1, .file = 1024});
  s.step("then write them", [&] { s.write(kBase + kM, 64); }, {.faults = 64});
  s.end();
}

TEST(Calibration, TmpfsFile) {
  Script s("[kernel]\nfolio_order = 8\n");
  const FileId file = s.m.sys().open("/dev/shm/f", 4 * kM, FileKind::Shmem);
  s.step("512 hot pages",
         [&] {
           s.map(kBase, 4 * kM, kProtRead, kMapPrivate, file);
           s.read(kBase, 512);
         },
         {.faults = 32, .file = 2048, .tables = 12, .areas = 1});
  s.end();
}

TEST(Calibration, ColdFile) {
  Script s("[kernel]\nfiles = cold\n");
  const FileId file = s.m.sys().open("/cold", 4 * kM);
  s.step("read 512 in order",
         [&] {
           s.map(kBase, 4 * kM, kProtRead, kMapPrivate, file);
           s.read(kBase, 512);
         },
         {.faults = 32, .file = 2048, .tables = 12, .areas = 1});
  EXPECT_EQ(s.m.process(1).faults.major, 1u);
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

// A second program, measured on the same kernel: accounting, protection of halves, windows across
// tables, moves that leave the old area, populating.
TEST(Calibration, SecondProgram) {
  Script s;
  const auto protect = [&](uint64_t at, uint64_t length, uint32_t prot) {
    ASSERT_EQ(s.m.sys().mprotect(kP1, VirtAddr(at), length, prot), 0);
  };
  s.step("RO beside RW that is written and made RO",
         [&] {
           s.map(kBase, kPage, kProtRead);
           s.map(kBase + kPage, kPage);
           s.write(kBase + kPage, 1);
           protect(kBase + kPage, kPage, kProtRead);
         },
         {.faults = 1, .anon = 4, .tables = 12, .areas = 2});
  s.unmap(kBase, 2 * kPage);
  s.step("the same, not written",
         [&] {
           s.map(kBase, kPage, kProtRead);
           s.map(kBase + kPage, kPage);
           protect(kBase + kPage, kPage, kProtRead);
         },
         {.areas = 1});
  s.unmap(kBase, 2 * kPage);
  s.step("64 MiB NONE, 1 MiB RW, write 16",
         [&] {
           s.map(kBase, 64 * kM, 0);
           protect(kBase, kM, kRw);
           s.write(kBase, 16);
         },
         {.faults = 16, .anon = 64, .tables = 12, .areas = 2});
  s.step("the next MiB RW, write 16",
         [&] {
           protect(kBase + kM, kM, kRw);
           s.write(kBase + kM, 16);
         },
         {.faults = 16, .anon = 64});
  s.step("a part apart, then what lies between",
         [&] {
           protect(kBase + 4 * kM, kM, kRw);
           s.write(kBase + 4 * kM, 16);
           protect(kBase + 2 * kM, 2 * kM, kRw);
         },
         {.faults = 16, .anon = 64, .tables = 4, .areas = 1});
  s.step("munmap", [&] { s.unmap(kBase, 64 * kM); }, {.anon = -192, .tables = -16, .areas = -3});

  const FileId file = s.m.sys().open("/dev/shm/f", 20 * kPage, FileKind::Shmem);
  const uint64_t f = kBase + k2M - 5 * kPage;
  s.step("20 pages of tmpfs, 5 before a table's end; read the second",
         [&] {
           s.map(f, 30 * kPage, kProtRead, kMapPrivate, file);
           s.read(f + kPage, 1);
         },
         {.faults = 1, .file = 20, .tables = 12, .areas = 1});
  s.step("read the sixth", [&] { s.read(f + 5 * kPage, 1); },
         {.faults = 1, .file = 60, .tables = 4});
  s.step("read all", [&] { s.read(f, 20); }, {});
  s.unmap(f, 30 * kPage);
  s.step("write 3, read all",
         [&] {
           s.map(f, 20 * kPage, kRw, kMapPrivate, file);
           s.write(f, 3);
           s.read(f, 20);
         },
         {.faults = 5, .anon = 12, .file = 68, .tables = 16, .areas = 1});
  s.step("write all", [&] { s.write(f, 20); }, {.faults = 17, .anon = 68, .file = -68});
  s.unmap(f, 20 * kPage);

  s.step("read 8, write 8",
         [&] {
           s.map(kBase, 8 * kPage);
           s.read(kBase, 8);
           s.write(kBase, 8);
         },
         {.faults = 16, .anon = 32, .tables = 12, .areas = 1});
  s.step("grow in place and write",
         [&] {
           s.m.sys().mremap(kP1, VirtAddr(kBase), 8 * kPage, 16 * kPage, 0);
           s.write(kBase, 16);
         },
         {.faults = 8, .anon = 32});
  const uint64_t moved = kBase + 512 * kM;
  s.step("move, leaving the old area",
         [&] {
           s.m.sys().mremap(kP1, VirtAddr(kBase), 16 * kPage, 16 * kPage,
                            kRemapMayMove | kRemapFixed | kRemapDontUnmap, VirtAddr(moved));
         },
         {.tables = 4, .areas = 1});
  s.step("write both",
         [&] {
           s.write(kBase, 16);
           s.write(moved, 16);
         },
         {.faults = 16, .anon = 64});
  s.unmap(kBase, 16 * kPage);
  s.unmap(moved, 16 * kPage);

  s.step("populate 64 pages of new shared memory",
         [&] { s.map(kBase, 64 * kPage, kRw, kMapShared | kMapAnonymous | kMapPopulate); },
         {.faults = 64, .file = 256, .tables = 12, .areas = 1});
  s.step("write them", [&] { s.write(kBase, 64); }, {});
  s.unmap(kBase, 64 * kPage);
  s.step("populate 20 pages of tmpfs",
         [&] { s.map(kBase, 20 * kPage, kProtRead, kMapPrivate | kMapPopulate, file); },
         {.faults = 2, .file = 80, .tables = 12, .areas = 1});
  s.end();
}

}  // namespace
}  // namespace mmusim::kernel::testing
