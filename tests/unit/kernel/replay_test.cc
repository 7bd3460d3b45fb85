// Recorded events: what the recording says happened, happens; what makes no sense is counted and
// harms nobody.
#include "base/random.h"
#include "kernel/machine.h"

namespace mmusim::kernel::testing {
namespace {

using namespace abi;

constexpr uint64_t kBase = 0x100000000000;
constexpr trace::ThreadId kP1 = thread_of(1), kP2 = thread_of(2);
constexpr uint32_t kRw = kProtRead | kProtWrite;
constexpr uint32_t kAnon = kMapPrivate | kMapAnonymous;

class ReplayTest : public ::testing::Test {
 protected:
  void TearDown() override {
    m.expect_no_stale_translation();
    m.expect_accounts_agree();
    m.expect_nothing_leaks();
  }
  void apply(const trace::Event& e, trace::ThreadId thread = kP1) {
    m.kernel->apply(CpuId(0), thread, e);
  }
  static trace::MmapEvent mapped(uint64_t at, uint64_t pages, uint32_t prot = kRw,
                                 uint32_t flags = kAnon) {
    trace::MmapEvent e;
    e.length = pages * kPage;
    e.prot = prot;
    e.flags = flags;
    e.result = static_cast<int64_t>(at);
    return e;
  }
  uint64_t ignored(Ignored why) { return m.counters().ignored[why]; }
  size_t areas(uint32_t pid = 1) { return m.mm(pid).vmas.size(); }
  uint64_t implied() { return m.counters().implied_areas; }
  Machine m;
};

TEST_F(ReplayTest, MappingsGoWhereTheRecordingPutThem) {
  apply(mapped(kBase, 4));
  apply(mapped(kBase + 64 * kPage, 4));
  EXPECT_EQ(areas(), 2u);
  trace::MmapEvent failed = mapped(kBase + 100 * kPage, 1);
  failed.result = -kENOMEM;
  apply(failed);
  apply(trace::MunmapEvent{VirtAddr(kBase), 4 * kPage, -kEINVAL});
  apply(trace::MprotectEvent{VirtAddr(kBase), 4 * kPage, 0, -kEACCES});
  EXPECT_EQ(areas(), 2u);
  EXPECT_EQ(m.counters().failed_calls, 3u);
  EXPECT_EQ(m.store(kP1, kBase), Result::Ok);
  EXPECT_EQ(implied(), 0u);
}

// A recorded success rules: what this model still has there is what it did not see go.
TEST_F(ReplayTest, ANewMappingReplacesWhatIsInItsWay) {
  apply(mapped(kBase, 4));
  m.store(kP1, kBase);
  apply(mapped(kBase, 2, kProtRead));
  EXPECT_EQ(m.counters().replaced, 1u);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 0u);
  apply(mapped(kBase, 4, kRw, kAnon | kMapFixed));  // says itself that it replaces
  EXPECT_EQ(m.counters().replaced, 1u);
  EXPECT_EQ(areas(), 1u);
}

TEST_F(ReplayTest, MremapMovesToTheRecordedPlace) {
  apply(mapped(kBase, 4));
  m.store(kP1, kBase + kPage);
  apply(trace::MremapEvent{.old_start = VirtAddr(kBase),
                           .old_length = 4 * kPage,
                           .new_length = 8 * kPage,
                           .flags = kRemapMayMove,
                           .new_hint = {},
                           .result = static_cast<int64_t>(kBase + (1 << 30))});
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 1u);
  EXPECT_EQ(m.mm(1).vmas.find(VirtAddr(kBase)), nullptr);
  EXPECT_EQ(m.store(kP1, kBase + (1 << 30) + 7 * kPage), Result::Ok);
  EXPECT_EQ(implied(), 0u);
}

TEST_F(ReplayTest, TheFirstBreakIsTheStartOfTheHeap) {
  const auto brk = [&](uint64_t requested, uint64_t result) {
    apply(trace::BrkEvent{VirtAddr(requested), VirtAddr(result)});
  };
  brk(0, kBase + 0x10);
  EXPECT_EQ(areas(), 0u);
  brk(kBase + 0x21010, kBase + 0x21010);
  EXPECT_EQ(m.mm(1).vmas.find(VirtAddr(kBase + 0x1000))->range(),
            (VirtRange{VirtAddr(kBase + 0x1000), VirtAddr(kBase + 0x22000)}));
  brk(kBase + 0x90000, kBase + 0x21010);  // refused: no change
  brk(kBase + 0x2000, kBase + 0x2000);
  EXPECT_EQ(m.mm(1).vmas.find(VirtAddr(kBase + 0x1000))->end, VirtAddr(kBase + 0x2000));
  brk(kBase - 1, kBase - 1);
  brk(0, 0);
  brk(~uint64_t{0}, ~uint64_t{0});
  EXPECT_EQ(ignored(Ignored::BadRange), 3u);
  EXPECT_EQ(m.mm(1).brk, VirtAddr(kBase + 0x2000));
}

TEST_F(ReplayTest, AnUnnamedFileMappedOverItselfIsOneFile) {
  trace::MmapEvent whole = mapped(kBase, 8, kProtRead, kMapPrivate);
  whole.fd = 3;
  apply(whole);
  trace::MmapEvent text =
      mapped(kBase + 2 * kPage, 4, kProtRead | kProtExec, kMapPrivate | kMapFixed);
  text.fd = 3;
  text.offset = 2 * kPage;
  apply(text);
  const FileId file = m.mm(1).vmas.find(VirtAddr(kBase))->file;
  EXPECT_EQ(m.mm(1).vmas.find(VirtAddr(kBase + 3 * kPage))->file, file);
  EXPECT_EQ(areas(), 3u);
  whole.result = static_cast<int64_t>(kBase + 100 * kPage);
  apply(whole);  // descriptor 3 again, elsewhere: who knows what it is now
  EXPECT_NE(m.mm(1).vmas.find(VirtAddr(kBase + 100 * kPage))->file, file);
  // Over the whole of itself: the file must survive the unmapping of its last page.
  text = mapped(kBase, 8, kRw, kMapPrivate | kMapFixed);
  text.fd = 3;
  apply(text);
  EXPECT_EQ(m.mm(1).vmas.find(VirtAddr(kBase))->file, file);
  EXPECT_EQ(m.load(kP1, kBase), Result::Ok);
}

TEST_F(ReplayTest, ExecBuildsTheRecordedImage) {
  trace::ExecEvent e;
  e.program = "/bin/true";
  e.arguments = {"true"};
  const auto area = [](uint64_t at, uint64_t pages, uint32_t prot, const char* name,
                       uint64_t offset = 0) {
    return trace::ImageArea{
        {VirtAddr(at), VirtAddr(at + pages * kPage)}, prot, kMapPrivate, offset, name};
  };
  e.image = {area(0x400000, 1, kProtRead, "/bin/true"),
             area(0x401000, 4, kProtRead | kProtExec, "/bin/true", kPage),
             area(0x405000, 2, kRw, "/bin/true", 5 * kPage),
             area(0x407000, 1, kRw, ""),
             area(0x500000, 33, kRw, "[heap]"),
             area(0x7ffff7ff5000, 4, kProtRead, "[vvar]"),
             area(0x7ffff7ff9000, 2, kProtRead | kProtExec, "[vdso]"),
             area(0x7ffffffde000, 33, kRw, "[stack]"),
             area(0xffffffffff600000, 1, kProtExec, "[vsyscall]")};
  apply(e);
  EXPECT_EQ(areas(), 8u);
  EXPECT_EQ(ignored(Ignored::BadRange), 0u);
  EXPECT_EQ(m.mm(1).brk_start, VirtAddr(0x500000));
  EXPECT_EQ(m.process(1).faults.minor, 1u);  // the arguments on the stack
  EXPECT_EQ(m.fetch(kP1, 0x401000), Result::Ok);
  EXPECT_EQ(m.load(kP1, 0x7ffff7ff5000), Result::Ok);
  EXPECT_EQ(m.fetch(kP1, 0x7ffff7ff9000), Result::Ok);
  EXPECT_EQ(m.mm(1).rss(PageKind::File), 4u + 2u);  // text and vdso, but not vvar
  EXPECT_EQ(m.fetch(kP1, 0x500000), Result::Refused);
  EXPECT_EQ(m.store(kP1, 0x401000), Result::Refused);
  EXPECT_EQ(implied(), 0u);
  // vvar is copied at fork if touched, vdso and text are not.
  apply(trace::ForkEvent{kP2, 0, false});
  EXPECT_EQ(m.mm(2).rss(PageKind::File), 0u);
  EXPECT_NE(m.mm(2).table->peek(VirtAddr(0x7ffff7ff5000)).entry, pt::kNone);
  EXPECT_EQ(m.mm(2).table->peek(VirtAddr(0x7ffff7ff9000)).entry, pt::kNone);
  // Another program: nothing of this one is left, but its faults stay counted.
  const uint64_t faults = m.process(1).faults.minor;
  apply(trace::ExecEvent{});
  EXPECT_EQ(areas(), 0u);
  EXPECT_EQ(m.process(1).faults.minor, faults);
}

TEST_F(ReplayTest, ReferencesImplyAreas) {
  EXPECT_EQ(m.fetch(kP1, 0x401234), Result::Ok);
  const Vma* text = m.mm(1).vmas.find(VirtAddr(0x401234));
  EXPECT_EQ(text->range(), (VirtRange{VirtAddr(0x400000), VirtAddr(0x410000)}));
  EXPECT_EQ(text->flags & kVmRights, uint32_t{kVmRead | kVmExec});
  EXPECT_FALSE(text->is_anonymous());
  EXPECT_EQ(m.store(kP1, 0x7fff00001000), Result::Ok);
  const Vma* data = m.mm(1).vmas.find(VirtAddr(0x7fff00001000));
  EXPECT_TRUE(data->is_anonymous());
  EXPECT_EQ(data->flags & kVmRights, kRw);
  EXPECT_EQ(m.counters().implied_pages, 16u + 1u);
  // Neighbours become one area.
  EXPECT_EQ(m.fetch(kP1, 0x410000), Result::Ok);
  EXPECT_EQ(m.store(kP1, 0x7fff00010000), Result::Ok);
  EXPECT_EQ(areas(), 2u);
  EXPECT_EQ(implied(), 4u);
}

TEST_F(ReplayTest, ImpliedAreasKeepOffOthersAndAreWidened) {
  apply(mapped(0x402000, 2, kProtRead));
  EXPECT_EQ(m.fetch(kP1, 0x401000), Result::Ok);
  EXPECT_EQ(m.mm(1).vmas.find(VirtAddr(0x401000))->range(),
            (VirtRange{VirtAddr(0x400000), VirtAddr(0x402000)}));
  EXPECT_EQ(m.store(kP1, 0x405000), Result::Ok);
  EXPECT_EQ(m.mm(1).vmas.find(VirtAddr(0x405000))->range(),
            (VirtRange{VirtAddr(0x404000), VirtAddr(0x410000)}));
  EXPECT_EQ(m.store(kP1, 0x402000), Result::Refused);  // the recording said read only
  EXPECT_EQ(m.counters().refused, 1u);
  EXPECT_EQ(m.store(kP1, 0x401000), Result::Ok);  // implied text: a store was made, so it may be
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 2u);
  EXPECT_EQ(m.fetch(kP1, 0x405000), Result::Ok);
  EXPECT_EQ(m.counters().implied_widened, 2u);
  // Outside user space nothing is implied.
  EXPECT_EQ(m.load(kP1, 0), Result::Refused);
  EXPECT_EQ(m.load(kP1, 0xffff), Result::Refused);
  EXPECT_EQ(m.load(kP1, 0x7ffffffff000), Result::Refused);
  EXPECT_EQ(m.fetch(kP1, 0xffffffffff600000), Result::Refused);
  EXPECT_EQ(m.load(kP1, 0x10000), Result::Ok);
  EXPECT_EQ(m.store(kP1, 0x7fffffffefff), Result::Ok);
}

TEST_F(ReplayTest, ProcessesOfOneProgramShareItsImpliedText) {
  trace::ExecEvent e;
  e.program = "/bin/sh";
  apply(e, kP1);
  apply(e, kP2);
  m.fetch(kP1, 0x400000);
  m.fetch(kP2, 0x400000);
  EXPECT_EQ(m.mm(1).table->peek(VirtAddr(0x400000)).entry & m.format.pfn_mask,
            m.mm(2).table->peek(VirtAddr(0x400000)).entry & m.format.pfn_mask);
}

// Its text's file must outlive the unmapping of the last of it.
TEST_F(ReplayTest, ImpliedTextOfAnUnknownProgramComesBackAfterMunmap) {
  m.fetch(kP1, 0x400000);
  apply(trace::MunmapEvent{VirtAddr(0x400000), 0x10000, 0});
  apply(mapped(kBase, 1, kRw, kMapShared | kMapAnonymous));
  EXPECT_EQ(m.fetch(kP1, 0x400000), Result::Ok);
  EXPECT_NE(m.mm(1).vmas.find(VirtAddr(0x400000))->file, m.mm(1).vmas.find(VirtAddr(kBase))->file);
}

TEST_F(ReplayTest, ForkExitAndWait) {
  apply(mapped(kBase, 1));
  m.store(kP1, kBase);
  apply(trace::ForkEvent{kP2, 0, false});
  EXPECT_EQ(m.mm(2).rss(PageKind::Anonymous), 1u);
  apply(trace::ExitEvent{}, kP2);
  apply(trace::WaitEvent{Pid(2), 0});
  EXPECT_EQ(m.counters().exits, 1u);
  EXPECT_EQ(m.kernel->system().processes().size(), 1u);
  // The same id again; and once more although its end was not recorded.
  apply(trace::ForkEvent{kP2, 0, false});
  apply(trace::ForkEvent{kP2, 0, false});
  EXPECT_EQ(ignored(Ignored::BadChild), 1u);
  EXPECT_EQ(m.counters().exits, 2u);
  apply(trace::WaitEvent{Pid(2), 0});  // so it has ended
  EXPECT_EQ(m.counters().exits, 3u);
  // A zombie that runs again is another process.
  apply(trace::ForkEvent{kP2, 0, false});
  apply(trace::ExitEvent{}, kP2);
  m.store(kP2, kBase);
  EXPECT_EQ(m.counters().implied_areas, 1u);
}

TEST_F(ReplayTest, NonsenseIsCountedAndIgnored) {
  apply(trace::ExitEvent{}, thread_of(99));
  apply(trace::WaitEvent{Pid(98), 0});
  EXPECT_EQ(ignored(Ignored::UnknownThread), 2u);
  EXPECT_FALSE(m.kernel->system().processes().contains(Pid(99)));
  apply(trace::ForkEvent{kP1, 0, false});  // its own child
  EXPECT_EQ(ignored(Ignored::BadChild), 1u);
  apply(mapped(kBase, uint64_t{1} << 51));
  apply(mapped(kBase + 1, 1));
  apply(mapped(uint64_t{1} << 60, 1));
  apply(trace::MunmapEvent{VirtAddr(~uint64_t{0xfff}), 0x2000, 0});
  apply(trace::MunmapEvent{VirtAddr(kBase), 0, 0});
  EXPECT_EQ(ignored(Ignored::BadRange), 5u);
  apply(trace::MunmapEvent{VirtAddr(kBase), kPage, 0});
  apply(trace::MprotectEvent{VirtAddr(kBase), kPage, 0, 0});
  EXPECT_EQ(ignored(Ignored::NoArea), 2u);
  apply(mapped(kBase, 1));
  apply(trace::MadviseEvent{VirtAddr(kBase), kPage, 12345, 0});
  EXPECT_EQ(ignored(Ignored::Unsupported), 1u);
}

TEST_F(ReplayTest, AVforkedChildReplacedByItsOwnParentsForkLeavesTheParentAlive) {
  apply(mapped(kBase, 1));
  apply(trace::ForkEvent{kP2, kCloneVm | kCloneVfork, true});
  m.store(kP2, kBase);
  apply(trace::ForkEvent{kP1, 0, false}, kP2);  // the child "forks" the living parent's id
  EXPECT_EQ(m.store(kP2, kBase), Result::Ok);
  EXPECT_EQ(m.store(kP1, kBase), Result::Ok);
}

TEST(ReplayLimits, ManyProcessesAndThreads) {
  Machine m("[mem]\nbytes = 4M\n");  // 1,024 frames: far too few roots
  for (uint32_t i = 0; i < 20000; ++i) {
    m.kernel->apply(CpuId(0), kP1, trace::ForkEvent{thread_of(2 + i), 0, false});
    m.kernel->apply(CpuId(0), kP1, trace::ForkEvent{{Pid(1), Tid(2 + i)}, kCloneVm, true});
  }
  EXPECT_GT(m.counters().ignored[Ignored::NoMemory], 18000u);
  EXPECT_EQ(m.counters().threads, 20000u);
  EXPECT_THROW(m.kernel->run(CpuId(0), thread_of(19000)), Error);
  m.expect_nothing_leaks();
}

// exec without memory for a root, of a process whose old memory lives on with another: it may not
// go on in what it has no longer.
TEST(ReplayLimits, ExecWithoutMemoryLeavesNothingToRunIn) {
  Machine m("[mem]\nbytes = 1M\n");
  m.kernel->apply(CpuId(0), kP1, trace::ForkEvent{kP2, kCloneVm | kCloneVfork, true});
  m.kernel->run(CpuId(1), kP2);
  uint64_t written = 0;
  while (m.store(kP1, kBase + written * kPage) == Result::Ok)
    ++written;
  ASSERT_EQ(m.frames->free_frames(), 0u);
  EXPECT_THROW(m.kernel->apply(CpuId(1), kP2, trace::ExecEvent{}), Error);
  EXPECT_THROW(m.kernel->apply(CpuId(1), kP2, trace::MunmapEvent{VirtAddr(kBase), kPage, 0}),
               Error);
  EXPECT_EQ(m.kernel->fault(CpuId(1), VirtAddr(kBase), AccessKind::Load,
                            mmu::FaultReason::NotPresent),
            FaultOutcome::Refused);
  EXPECT_EQ(m.store(kP1, kBase), Result::Ok);
  m.expect_nothing_leaks();
}

TEST(ReplayLimits, PopulatingMoreThanThereIsEnds) {
  Machine m("[mem]\nbytes = 8M\n");
  trace::MmapEvent e;
  e.length = uint64_t{1} << 46;
  e.prot = kProtRead;
  e.flags = kAnon | kMapPopulate;
  e.result = int64_t{1} << 45;
  m.kernel->apply(CpuId(0), kP1, e);
  e.prot = kRw;
  m.kernel->apply(CpuId(0), kP1, e);
  m.kernel->apply(CpuId(0), kP1, trace::ForkEvent{kP2, 0, false});
  m.expect_accounts_agree();
  m.expect_nothing_leaks();
}

// A fuzzer's idea of a trace. Whatever it says: no crash, no stale translation, right accounts.
TEST(ReplayFuzz, HostileEvents) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random r(seed);
    Machine m(seed % 3 == 0 ? "[mem]\nbytes = 2M\n[kernel]\nmax_map_count = 20\n"
                            : "[mem]\nbytes = 32M\n");
    const auto value = [&]() -> uint64_t {
      constexpr uint64_t kEdges[] = {0,
                                     1,
                                     kPage,
                                     kBase,
                                     0x10000,
                                     0x7ffffffff000,
                                     0x7fffffffe000,
                                     uint64_t{1} << 63,
                                     ~uint64_t{0},
                                     ~uint64_t{0xfff},
                                     uint64_t{1} << 47,
                                     uint64_t{1} << 39,
                                     uint64_t{1} << 30};
      switch (r.below(4)) {
        case 0:
          return kEdges[r.below(std::size(kEdges))];
        case 1:
          return r.next();
        default:
          return kBase + r.below(64) * kPage + (r.below(16) == 0 ? 7 : 0);
      }
    };
    const auto length = [&] { return r.below(4) == 0 ? value() : r.below(40) * kPage; };
    const auto result = [&] { return static_cast<int64_t>(r.below(3) == 0 ? 0 : value()); };
    const auto thread = [&] {
      return trace::ThreadId{Pid(static_cast<uint32_t>(r.below(6))),
                             Tid(static_cast<uint32_t>(r.below(3)))};
    };
    const auto bits = [&] { return static_cast<uint32_t>(r.next()); };
    for (int i = 0; i < 1500; ++i) {
      SCOPED_TRACE("step " + std::to_string(i));
      const CpuId cpu(static_cast<uint32_t>(r.below(3)));
      trace::Event event = trace::MarkerEvent{};
      switch (r.below(12)) {
        case 0: {
          trace::ExecEvent e;
          if (r.below(2) == 0) e.program = "p" + std::to_string(r.below(3));
          for (uint64_t n = r.below(5); n > 0; --n) {
            constexpr const char* kNames[] = {"", "[stack]", "[heap]", "[vvar]", "[vdso]", "/f"};
            e.image.push_back({{VirtAddr(value()), VirtAddr(value())},
                               bits(),
                               bits(),
                               value(),
                               kNames[r.below(6)]});
          }
          e.brk = VirtAddr(value());
          e.stack_top = VirtAddr(value());
          event = e;
          break;
        }
        case 1:
        case 2:
        case 3: {
          trace::MmapEvent e;
          e.hint = VirtAddr(value());
          e.length = length();
          e.prot = bits() & 15;
          e.flags =
              bits() & 0x1fffff & (r.below(4) == 0 ? ~0u : ~uint32_t{kMapPopulate | kMapLocked});
          e.fd = static_cast<int32_t>(r.below(4)) - 1;
          e.offset = r.below(3) == 0 ? value() : r.below(9) * kPage;
          e.result = result();
          if (r.below(3) == 0) e.file = r.below(2) == 0 ? "/f" : "/dev/shm/g";
          event = e;
          break;
        }
        case 4:
          event = trace::MunmapEvent{VirtAddr(value()), length(), 0};
          break;
        case 5:
          event = trace::MprotectEvent{VirtAddr(value()), length(), bits() & 15, 0};
          break;
        case 6:
          event = trace::MremapEvent{VirtAddr(value()), length(),
                                     length(),          bits() & 15,
                                     VirtAddr(value()), static_cast<int64_t>(value())};
          break;
        case 7:
          event = trace::BrkEvent{VirtAddr(value()), VirtAddr(value())};
          break;
        case 8:
          event = trace::MadviseEvent{VirtAddr(value()), length(), bits() % 30, 0};
          break;
        case 9:
          event = trace::ForkEvent{thread(), bits(), r.below(3) == 0};
          break;
        case 10:
          event = trace::ExitEvent{0, r.below(2) == 0};
          break;
        default:
          event = trace::WaitEvent{thread().pid, 0};
          break;
      }
      try {
        m.kernel->apply(cpu, thread(), event);
        for (int k = 0; k < 4; ++k)
          m.access(thread(), VirtAddr(value()), static_cast<AccessKind>(r.below(4)), cpu);
      } catch (const Error&) {
        // Only when not even a root fits into memory.
        ASSERT_EQ(m.frames->free_frames(), 0u);
      }
      if (i % 16 == 0) {
        ASSERT_NO_FATAL_FAILURE(m.expect_no_stale_translation());
        ASSERT_NO_FATAL_FAILURE(m.expect_accounts_agree());
      }
    }
    m.expect_nothing_leaks();
    if (::testing::Test::HasFailure()) return;
  }
}

// Two runs of the same events count the same.
TEST(ReplayReport, CountersHaveUniqueNamesAndAreRepeatable) {
  const auto run = [] {
    Machine m;
    m.kernel->run(CpuId(0), kP1);
    m.store(kP1, kBase);
    m.kernel->apply(CpuId(0), kP1, trace::ForkEvent{kP2, 0, false});
    m.store(kP2, kBase);
    stats::Report report;
    m.kernel->report(report);
    EXPECT_EQ(report.value("kernel.faults.minor"), 2u);
    EXPECT_EQ(report.value("kernel.faults.cow_copy"), 1u);
    EXPECT_EQ(report.value("kernel.rss.anon"), 2 * kPage);
    EXPECT_EQ(report.value("kernel.rss.anon_peak"), 2 * kPage);
    EXPECT_EQ(report.value("kernel.page_tables.bytes"), 6 * kPage);
    EXPECT_EQ(report.value("kernel.page_tables.roots"), 2 * kPage);
    EXPECT_EQ(report.value("kernel.implied.areas"), 1u);
    std::string all;
    for (const stats::Counter& c : report.counters()) {
      all += c.name + "=" + std::to_string(c.value) + "\n";
      if (!c.denominator.empty()) {
        EXPECT_NE(report.find(c.denominator), nullptr) << c.name;
      }
    }
    return all;
  };
  EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace mmusim::kernel::testing
